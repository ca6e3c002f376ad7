"""Events shared among worker processes of this machine."""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hitgraph.processes import each_apart
from hitgraph.simulate.folder import EventSummary, discard
from hitgraph.simulate.outcome import ATTEMPTS, SimulationRun
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.work import Maker

log = logging.getLogger(__name__)


def share(
    settings: SimulationSettings,
    folder: Path,
    queue: deque[int],
    n_workers: int,
    result: SimulationRun,
    advance: Callable[[], None],
) -> None:
    """Make the events of `queue` in `n_workers` processes.

    An event that fails, or whose process dies, is tried again and then reported in `result`.
    """
    make = Maker(settings, folder).make
    todo = list(queue)
    try:
        for attempt in range(ATTEMPTS):
            again = []
            with closing(each_apart(make, todo, n_workers, patient=False)) as made:
                for number, answer in made:
                    if isinstance(answer, EventSummary):
                        result.done.append(answer)
                    elif attempt + 1 < ATTEMPTS:
                        log.warning("event %d failed (%s), trying again", number, answer)
                        again.append(number)
                        discard(folder, number)
                        continue
                    else:
                        result.failed[number] = str(answer)
                        discard(folder, number)
                    advance()
            todo = again
    finally:
        for number in queue:
            discard(folder, number)
