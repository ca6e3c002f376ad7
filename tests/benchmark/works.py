"""Work for processes of their own, at a place where a new process can import it."""

import os
from multiprocessing.connection import Connection
from typing import Any

from hitgraph.benchmark.apart import Tell
from hitgraph.errors import InputError


def add(job: tuple[int, int], tell: Tell, _line: Connection) -> dict[str, Any]:
    tell("adding")
    return {"sum": sum(job), "threads": os.environ["NUMBA_NUM_THREADS"]}


def refuse(job: str, _tell: Tell, _line: Connection) -> None:
    raise InputError(f"{job}: is not here")


def break_down(_job: object, _tell: Tell, _line: Connection) -> None:
    raise ZeroDivisionError("a bug")


def die(_job: object, _tell: Tell, _line: Connection) -> None:
    os._exit(9)


def talk(_job: object, _tell: Tell, line: Connection) -> str:
    line.send(("ready", None))
    return f"heard {line.recv()}"
