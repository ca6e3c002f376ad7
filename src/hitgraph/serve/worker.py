"""A process that holds a pipeline and answers requests, one after the other.

    python -m hitgraph.serve.worker SETTINGS      # JSON of WorkerSettings

It is started by `hitgraph.serve.crew` and speaks with it through a socket, its standard input: a
line of JSON, then as many bytes as it says. Its first line is what the model is (`metadata`), or
why there is none (`error`).
"""

import json
import logging
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from hitgraph.errors import HitgraphError, InputError, reason

if TYPE_CHECKING:
    from hitgraph.serve.finder import TensorFinder

_log = logging.getLogger(__name__)

OK, BAD_REQUEST, FAILED = 200, 400, 500


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is to load, and how."""

    pipeline: str
    device: str = "cpu"
    precision: str = "auto"
    threads: int | None = None
    log_level: int = logging.WARNING

    def command(self) -> tuple[str, ...]:
        """The words that start a worker."""
        return (sys.executable, "-m", "hitgraph.serve.worker", json.dumps(asdict(self)))


@dataclass(frozen=True)
class Answer:
    """What goes back to a client, and what the metrics count."""

    status: int
    body: bytes
    json_length: int | None = None  # of the body, where bytes follow it
    hits: int = 0
    tracks: int = 0
    seconds: float = 0.0  # in the pipeline


def failure(status: int, why: str) -> Answer:
    """An error as the protocol has it."""
    return Answer(status, json.dumps({"error": why}).encode())


def main() -> None:
    settings = WorkerSettings(**json.loads(sys.argv[1]))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever ends a service tells all its processes
    logging.basicConfig(level=settings.log_level, format="%(message)s")
    with suppress(ConnectionError), socket.socket(fileno=0) as line:  # until its other end is gone
        source = line.makefile("rb")
        try:
            finder = _open(settings)
        except HitgraphError as error:
            return send(line, {"error": str(error)})
        send(line, {"metadata": finder.metadata})
        while text := source.readline():
            head = json.loads(text)
            body = source.read(head["size"])
            if len(body) < head["size"]:
                return None
            answer = answer_to(finder, body, head["json_length"])
            send(line, asdict(answer) | {"body": len(answer.body)}, answer.body)
    return None


def answer_to(finder: "TensorFinder", body: bytes, json_length: int | None) -> Answer:
    """The tracks that a request asks for, or what is wrong; raises nothing."""
    from hitgraph.serve.protocol import read_request, write_response

    try:
        request = read_request(body, json_length, finder.inputs)
        begun = perf_counter()
        result = finder.run(request.tensors)
        seconds = perf_counter() - begun
        content, length = write_response(request, result.labels, finder.metadata, seconds)
        n_hits, n_tracks = len(result.labels), result.n_tracks
        return Answer(OK, content, length, n_hits, n_tracks, seconds)
    except InputError as error:
        return failure(BAD_REQUEST, str(error))
    except HitgraphError as error:
        return failure(FAILED, str(error))
    except Exception as error:
        _log.warning("a request failed: %s", reason(error), exc_info=error)
        return failure(FAILED, reason(error))


def _open(settings: WorkerSettings) -> "TensorFinder":
    from hitgraph.serve.finder import TensorFinder
    from hitgraph.threads import set_threads

    set_threads(settings.threads)
    return TensorFinder.open(settings.pipeline, settings.device, settings.precision)


def send(line: socket.socket, head: dict[str, Any], body: bytes = b"") -> None:
    """A line of JSON and what follows it."""
    line.sendall(json.dumps(head).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
