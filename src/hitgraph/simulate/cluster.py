"""Events shared among the workers of a Dask cluster (extra `dist`)."""

import asyncio
import logging
import pickle
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.files import atomic_write
from hitgraph.simulate.folder import EventSummary, discard
from hitgraph.simulate.outcome import ATTEMPTS, SimulationRun
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.simulator import event_name
from hitgraph.simulate.work import Maker

CONNECT_SECONDS = 10
LOOK_SECONDS = 5.0  # between two looks at the workers
PATIENCE = 120.0  # seconds that the cluster may be without workers

log = logging.getLogger(__name__)

# The generators keep a state, so a worker with several threads makes one event at a time.
_one_at_a_time = threading.Lock()


def connect(address: str) -> Any:
    """A client of the cluster whose scheduler listens at `address`; to be closed.

    Raises SettingsError where no scheduler answers, MissingExtraError without Dask.
    """
    if find_spec("distributed") is None:
        raise MissingExtraError("simulating on a Dask cluster", "dist")
    from distributed import Client

    try:
        if not address.startswith("inproc:"):  # a scheduler in this process
            asyncio.run(_say_hello(address))
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # each protocol that an address may name has errors of its own
        raise SettingsError(
            f"--dask {address}: no Dask scheduler answers there ({error or type(error).__name__}): "
            "give the address that `dask scheduler` printed, like tcp://host:8786"
        ) from error


async def _say_hello(address: str) -> None:
    """Raise an error where nobody answers; a Client would wait and complain when it is closed."""
    from distributed.comm import connect

    line = await connect(address, timeout=CONNECT_SECONDS)
    await line.close()


def share_on_cluster(
    settings: SimulationSettings,
    folder: Path,
    numbers: Iterable[int],
    client: Any,
    result: SimulationRun,
    advance: Callable[[], None],
) -> None:
    """Make the events `numbers` with the workers of the cluster that `client` is connected to.

    An event that fails, or whose worker dies, is tried again and then reported in `result`; so
    are all that are left when the cluster has lost its workers.
    """
    attempts: dict[int, int] = {}
    futures: dict[Any, int] = {}
    begun_files: list[Path] = []  # kept to the end: what is done may be asked for again (see _make)
    done: SimpleQueue[Any] = SimpleQueue()

    def submit(number: int) -> None:
        attempts[number] = attempts.get(number, 0) + 1
        begun = folder.absolute() / f".{event_name(number)}.{uuid4().hex}.part"
        future = client.submit(
            *(_make, settings, folder.absolute(), number, begun),
            pure=False,
            key=f"hitgraph-{begun.stem[1:]}",
        )
        futures[future] = number
        begun_files.append(begun)
        future.add_done_callback(done.put)

    try:
        for number in numbers:
            submit(number)
        while futures:
            future = _next(client, done)
            if future is None:
                break
            number = futures.pop(future)
            answer = _answer(future)
            future.release()  # or it is made again if its worker dies before the next is done
            if isinstance(answer, EventSummary):
                result.done.append(answer)
                advance()
                continue
            discard(folder, number)
            if attempts[number] < ATTEMPTS:
                log.warning("event %d failed (%s), trying again", number, answer)
                submit(number)
            else:
                result.failed[number] = answer
                advance()
        for number in futures.values():
            result.failed[number] = "the cluster has lost its workers or its scheduler"
            advance()
    finally:
        with suppress(OSError, TimeoutError):  # the cluster may be gone
            client.cancel(list(futures), force=True)
        for number in futures.values():
            discard(folder, number)
        for begun in begun_files:
            begun.unlink(missing_ok=True)


def _next(client: Any, done: SimpleQueue[Any]) -> Any:
    """The next task that is done; None when the cluster has been gone or empty for long."""
    patience = PATIENCE
    while patience > 0:
        try:
            return done.get(timeout=LOOK_SECONDS)
        except Empty:
            patience = PATIENCE if _has_workers(client) else patience - LOOK_SECONDS
    return None


def _has_workers(client: Any) -> bool:
    with suppress(OSError, TimeoutError):
        return client.status == "running" and bool(client.nthreads())
    return False


def _answer(future: Any) -> EventSummary | str:
    """What became of the event."""
    try:
        answer: EventSummary | str = future.result()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return answer


def _make(
    settings: SimulationSettings, folder: Path, number: int, begun: Path
) -> EventSummary | str:
    """In a worker of the cluster.

    Dask gives the tasks of a worker that died to others, those too whose results it still held.
    The file `begun` tells what became of the first: the event that it was at is not left to kill
    one worker after the other, and one that was done is not made again. It stays as long as the
    scheduler may ask again, which it does until it has heard that the answer was taken.
    """
    with _one_at_a_time:
        try:
            begun.touch(exist_ok=False)
        except FileExistsError:
            known = begun.read_bytes()
            answer: EventSummary | str = pickle.loads(known) if known else "its worker died"
            return answer
        answer = _maker(settings, folder).make(number)
        with atomic_write(begun) as temporary:
            temporary.write_bytes(pickle.dumps(answer))
        return answer


@cache
def _maker(settings: SimulationSettings, folder: Path) -> Maker:
    return Maker(settings, folder)
