"""Many events into one folder, shared among processes or a Dask cluster; resumable."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from hitgraph.event.store import DETECTORS_NAME, write_dataset_info, write_detectors
from hitgraph.simulate.card import check_card
from hitgraph.simulate.cluster import connect, share_on_cluster
from hitgraph.simulate.fatras import build_detector
from hitgraph.simulate.folder import complete_events, is_complete, prepare
from hitgraph.simulate.geometry import read_geometry
from hitgraph.simulate.outcome import SimulationRun
from hitgraph.simulate.processes import share
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.simulator import require_simulation


def simulate(
    settings: SimulationSettings,
    folder: str | Path,
    numbers: Iterable[int],
    workers: int = 1,
    dask: str | None = None,
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> SimulationRun:
    """Simulate the events `numbers` into the store `folder`, and call `advance` after each.

    `workers` processes of this machine share them, or the workers of the Dask cluster whose
    scheduler has the address `dask`. An event that fails, or whose worker dies, is tried once
    more and then reported in the result. An interruption leaves complete events only; `resume`
    skips these. Raises MissingExtraError without pyacts, Pythia or (with `dask`) Dask,
    SettingsError where a card is wrong, the cluster does not answer, or the folder holds events
    and `resume` is not given or the settings differ, HitgraphError if it cannot be written.
    """
    require_simulation()
    if settings.card:
        check_card(settings.card)
    with closing(connect(dask)) if dask is not None else nullcontext() as client:
        return _simulate(settings, Path(folder), numbers, workers, client, resume, advance)


def _simulate(
    settings: SimulationSettings,
    folder: Path,
    numbers: Iterable[int],
    workers: int,
    client: Any,
    resume: bool,
    advance: Callable[[], None],
) -> SimulationRun:
    started = time.perf_counter()
    info = prepare(folder, settings, resume)
    result = SimulationRun()
    queue: deque[int] = deque()
    for number in numbers:
        if is_complete(folder, number):
            result.skipped.append(number)
            advance()
        else:
            queue.append(number)
    try:
        if not (folder / DETECTORS_NAME).is_file():
            detector = read_geometry(build_detector())[0]
            write_detectors(replace(detector, field=settings.field), folder / DETECTORS_NAME)
        if queue and client is not None:
            share_on_cluster(settings, folder, queue, client, result, advance)
        elif queue:
            share(settings, folder, queue, min(workers, len(queue)), result, advance)
    finally:
        write_dataset_info(folder, info | {"events": complete_events(folder)})
    result.done.sort(key=lambda one: one.number)
    result.seconds = time.perf_counter() - started
    return result
