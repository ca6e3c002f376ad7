"""Workers, a socket and a server: from the start of the service to its end."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import uvicorn

from hitgraph.errors import SettingsError
from hitgraph.serve.app import Limits, Service
from hitgraph.serve.crew import Crew

BACKLOG = 128  # connections that nobody has looked at yet


@dataclass(frozen=True)
class FrontSettings:
    """Where the service listens, and how much it takes on."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    workers: int = 1
    queue: int = 16  # requests that may wait
    limits: Limits = field(default_factory=Limits)


def serve(settings: FrontSettings, command: Sequence[str], begun: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then those that are there, and no other.

    `command` starts a worker (hitgraph.serve.worker); `begun` is called with the address once all
    are ready. Raises SettingsError where the address is taken, HitgraphError where no worker can
    be started.
    """
    with _bound(settings) as listener, suppress(KeyboardInterrupt):  # which uvicorn raises again
        asyncio.run(_serve(settings, command, listener, begun))


async def _serve(
    settings: FrontSettings,
    command: Sequence[str],
    listener: socket.socket,
    begun: Callable[[str], None],
) -> None:
    crew = Crew(command, settings.workers, settings.queue)
    config = uvicorn.Config(
        Service(crew, settings.limits).app(),
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        timeout_graceful_shutdown=round(settings.limits.seconds) + 1,
    )
    try:
        await crew.start()
        host, port = listener.getsockname()[:2]
        listener.listen(BACKLOG)
        begun(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        await crew.stop()


def _bound(settings: FrontSettings) -> socket.socket:
    """A socket at the address, which nobody can connect to before the server is there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"{settings.host}, port {settings.port}: cannot be listened at ({error}): give another "
            "--host or --port"
        ) from error
    return listener
