"""Services in processes of their own, and plain HTTP to talk to them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

from tests.serve.puppet import COMMAND

FRONT = """
import signal, sys
from hitgraph.serve.app import Limits
from hitgraph.serve.front import FrontSettings, serve
signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line has it
size, seconds, receive, *command = sys.argv[1:]
limits = Limits(int(size), float(seconds), float(receive))
settings = FrontSettings(port=0, workers=1, queue=1, limits=limits)
serve(settings, command, lambda address: print("at", address, flush=True))
"""


class Reply(NamedTuple):
    status: int
    content: Any  # of the JSON, or the bytes of what is none
    headers: dict[str, str]


class Address:
    """Where a service listens."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.host = address.removeprefix("http://")

    def ask(self, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str) -> Reply:
        """GET, or POST of a body; in headers _ stands for -."""
        connection = HTTPConnection(self.host, timeout=60)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body, told)
        response = connection.getresponse()
        content, kind = response.read(), response.headers.get("Content-Type", "")
        connection.close()
        found = json.loads(content) if kind == "application/json" else content
        return Reply(response.status, found, dict(response.headers))

    def metric(self, name: str) -> float:
        """One of the metrics; 0 where it was not counted yet."""
        text = self.ask("/metrics").content.decode()
        values = [line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(values[0]) if values else 0.0


@contextmanager
def started(words: Sequence[str]) -> Iterator[Address]:
    """A service whose first line on standard output ends with its address; killed at the end."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert "at http://" in line, "it did not start"
            yield Address(process, line.split()[-1])
        finally:
            process.kill()


def with_puppet(size: int = 1000, seconds: float = 60.0, receive: float = 60.0) -> Any:
    """A service with one worker, which a request tells what to do; one request may wait."""
    limits = (str(size), str(seconds), str(receive))
    return started((sys.executable, "-c", FRONT, *limits, *COMMAND))
