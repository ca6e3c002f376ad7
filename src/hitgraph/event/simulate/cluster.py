"""Events shared among the workers of a Dask cluster (extra `dist`)."""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.event.simulate.folder import EventSummary, discard
from hitgraph.event.simulate.outcome import ATTEMPTS, SimulationRun
from hitgraph.event.simulate.settings import SimulationSettings
from hitgraph.event.simulate.work import Maker

CONNECT_SECONDS = 10

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
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--dask {address}: no Dask scheduler answers there ({error}): give the address "
            "that `dask scheduler` printed, like tcp://host:8786"
        ) from error


def share_on_cluster(
    settings: SimulationSettings,
    folder: Path,
    numbers: Iterable[int],
    client: Any,
    result: SimulationRun,
    advance: Callable[[], None],
) -> None:
    """Make the events `numbers` with the workers of the cluster that `client` is connected to.

    An event that fails, or whose worker dies, is tried again and then reported in `result`.
    """
    from distributed import as_completed

    attempts: dict[int, int] = {}
    futures: dict[Any, int] = {}

    def submit(number: int) -> Any:
        attempts[number] = attempts.get(number, 0) + 1
        future = client.submit(
            _make, settings, folder.absolute(), number, pure=False, key=_key(number, attempts)
        )
        futures[future] = number
        return future

    with client.as_current():
        try:
            pending = as_completed([submit(number) for number in numbers])
            for future in pending:
                number = futures.pop(future)
                answer = future.result() if future.status == "finished" else _why(future)
                if isinstance(answer, EventSummary):
                    result.done.append(answer)
                    advance()
                    continue
                discard(folder, number)
                if attempts[number] < ATTEMPTS:
                    log.warning("event %d failed (%s), trying again", number, answer)
                    pending.add(submit(number))
                else:
                    result.failed[number] = answer
                    advance()
        finally:
            client.cancel(list(futures), force=True)


def _key(number: int, attempts: dict[int, int]) -> str:
    from uuid import uuid4

    return f"hitgraph-event-{number}-attempt-{attempts[number]}-{uuid4().hex[:8]}"


def _why(future: Any) -> str:
    """Why a task has no result: its worker died too often, or it was cancelled."""
    error = future.exception() if future.status == "error" else None
    return f"{type(error).__name__}: {error}" if error else f"the task was {future.status}"


def _make(settings: SimulationSettings, folder: Path, number: int) -> EventSummary | str:
    """In a worker of the cluster."""
    with _one_at_a_time:
        return _maker(settings, folder).make(number)


@cache
def _maker(settings: SimulationSettings, folder: Path) -> Maker:
    return Maker(settings, folder)
