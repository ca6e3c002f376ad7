"""Many events into one folder, shared among processes or a Dask cluster; resumable."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.store import DETECTORS_NAME, write_detectors
from hitgraph.simulate.card import check_card
from hitgraph.simulate.folder import AnySettings, discard, is_complete, note_events, prepare
from hitgraph.simulate.needs import require_simulation
from hitgraph.simulate.outcome import SimulationRun
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.stepping import detector_of
from hitgraph.simulate.work import Maker
from hitgraph.workers import HERE, Workers


def simulate(
    settings: AnySettings,
    folder: str | Path,
    numbers: Iterable[int],
    workers: Workers = HERE,
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> SimulationRun:
    """Simulate the events `numbers` into the store `folder`, and call `advance` after each.

    `workers` share them (hitgraph.workers). An event whose worker dies, or that fails in a way that
    nobody foresaw, is tried once more and then reported in the result. An interruption leaves
    complete events only; `resume` skips these. Raises MissingExtraError without pyacts or Pythia,
    SettingsError where a card is wrong, or the folder holds events and `resume` is not given or the
    settings differ, HitgraphError if it cannot be written.
    """
    if isinstance(settings, SimulationSettings):
        require_simulation(settings)
        if settings.card:
            check_card(settings.card)
    started = time.perf_counter()
    folder = Path(folder)
    info = prepare(folder, settings, resume)
    result = SimulationRun()
    queue: list[int] = []
    for number in numbers:
        if is_complete(folder, number):
            result.skipped.append(number)
            advance()
        else:
            queue.append(number)
    make = Maker(settings, folder).make
    try:
        if not (folder / DETECTORS_NAME).is_file():
            write_detectors(_detector(settings), folder / DETECTORS_NAME)
        with closing(workers.share(make, queue, folder, apart=True)) as made:
            for number, answer in made:
                if isinstance(answer, InputError):
                    result.failed[number] = str(answer)
                else:
                    result.done.append(answer)
                advance()
    finally:
        for number in queue:
            discard(folder, number)
        note_events(folder, info)
    result.done.sort(key=lambda one: one.number)
    result.seconds = time.perf_counter() - started
    return result


def _detector(settings: AnySettings) -> Detector:
    if isinstance(settings, SimulationSettings):
        return detector_of(settings)
    return settings.simulator().detector
