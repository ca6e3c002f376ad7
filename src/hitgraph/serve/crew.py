"""The processes that do the work, one request each at a time; the dead and late are replaced."""

import asyncio
import json
import logging
import socket
import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from hitgraph.errors import HitgraphError
from hitgraph.serve.worker import Answer

PATIENCE = (1.0, 30.0)  # seconds before a worker that did not start is tried again: least, most

STDERR = 2  # descriptor

_log = logging.getLogger(__name__)


class BusyError(HitgraphError):
    """There are as many requests as may wait."""


class DiedError(HitgraphError):
    """The process that was at work on a request died."""


class Worker:
    """A process of `command`, as `hitgraph.serve.worker` describes it."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process, self._from, self._to = process, reader, writer
        self._at_work = True  # it loads

    @staticmethod
    async def start(command: Sequence[str]) -> "Worker":
        """A process that was started; it may take a while until it is ready."""
        # Not asyncio's own processes: one that is cancelled while it starts is waited for for ever.
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs:
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=STDERR,  # what a library prints is no answer
                start_new_session=True,  # Ctrl-C is for the one who started it
            )
        return Worker(process, reader, writer)

    async def greet(self) -> dict[str, Any]:
        """The metadata of its model, once it is ready. Raises HitgraphError where it cannot be."""
        told = await self._head()
        if "error" in told:
            raise HitgraphError(told["error"])
        self._at_work = False
        metadata: dict[str, Any] = told["metadata"]
        return metadata

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def is_free(self) -> bool:
        """Whether it can be asked: it is there, and has answered all that it was asked."""
        return self.alive and not self._at_work

    async def ask(self, body: bytes | bytearray, json_length: int | None) -> Answer:
        """What the worker answers to the body of a request. Raises DiedError."""
        self._at_work = True
        head = {"size": len(body), "json_length": json_length}
        with suppress(ConnectionError):  # it died; reading will say so
            self._to.write(json.dumps(head).encode() + b"\n")
            self._to.write(body)
            await self._to.drain()
        told = await self._head()
        try:
            content = await self._from.readexactly(told["body"])
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._died() from error
        self._at_work = False
        return Answer(**told | {"body": content})

    async def kill(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self._to.close()
        await asyncio.to_thread(self.process.wait)

    async def _head(self) -> dict[str, Any]:
        try:
            line = await self._from.readline()
        except ConnectionError:
            line = b""
        if not line.endswith(b"\n"):
            raise await self._died()
        told: dict[str, Any] = json.loads(line)
        return told

    async def _died(self) -> DiedError:
        code = await asyncio.to_thread(self.process.wait)
        killed = ": killed, as the system does where memory runs out" if code == -9 else ""
        return DiedError(f"the process that was at work died (exit status {code}{killed})")


class Crew:
    """So many workers, and a bound on the requests that are theirs."""

    def __init__(self, command: Sequence[str], size: int, queue: int) -> None:
        self.size, self.queue = size, queue
        self.inside = 0  # requests that are read, wait or are worked on
        self.busy = 0  # workers that are at work
        self.restarts = 0
        self.metadata: dict[str, Any] = {}
        self._command = command
        self._crew: set[Worker] = set()
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._hiring: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def start(self) -> None:
        """Return when all workers are ready; HitgraphError where one cannot be."""
        await self._hire()
        await asyncio.gather(*(self._hire() for _ in range(self.size - 1)))

    async def stop(self) -> None:
        """Kill all workers."""
        self._stopped = True
        for task in self._hiring:
            task.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in self._crew))

    @property
    def ready(self) -> int:
        """Workers that are there, at work or not."""
        return sum(worker.alive for worker in self._crew)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None, None]:
        """A place for a request; BusyError where none is left."""
        if self.inside >= self.size + self.queue:
            raise BusyError(
                f"{self.size} requests are worked on and {self.queue} wait, as many as may: try "
                "again later"
            )
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[Worker, None]:
        """The next worker that is free; one that died or is left at work is replaced."""
        while not (worker := await self._idle.get()).is_free():
            self._replace(worker)
        self.busy += 1
        try:
            yield worker
        finally:
            self.busy -= 1
            if worker.is_free():
                self._idle.put_nowait(worker)
            else:
                self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        if self._stopped:
            return
        self.restarts += 1
        task = asyncio.get_running_loop().create_task(self._hire_instead(worker))
        self._hiring.add(task)
        task.add_done_callback(self._hiring.discard)

    async def _hire_instead(self, worker: Worker) -> None:
        await worker.kill()
        self._crew.discard(worker)
        patience, most = PATIENCE
        while True:
            try:
                return await self._hire()
            except (HitgraphError, OSError) as error:
                _log.warning("a worker cannot be started (%s), trying again", error)
                await asyncio.sleep(patience)
                patience = min(2 * patience, most)

    async def _hire(self) -> None:
        worker = await Worker.start(self._command)
        try:
            self.metadata = await worker.greet()
        except BaseException:
            await worker.kill()
            raise
        self._crew.add(worker)
        self._idle.put_nowait(worker)
