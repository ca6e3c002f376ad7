"""One event made and stored: the piece of work that processes and clusters share."""

import time
from pathlib import Path

from hitgraph.event.event import Event
from hitgraph.event.store import write_event
from hitgraph.simulate.folder import AnySettings, EventSummary, dataset_info, tables
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.simulator import Simulator
from hitgraph.simulate.worlds import EventMaker


class Maker:
    """Makes events of one kind into one folder; its generators start with the first event."""

    def __init__(self, settings: AnySettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._simulator: EventMaker | None = None

    def make(self, number: int) -> EventSummary:
        """The finished event's summary."""
        self._simulator = self._simulator or simulator_of(self._settings)
        started, cpu_started = time.perf_counter(), time.process_time()
        event = self._simulator.event(number)
        write_event(event, self._folder, dataset_info(self._settings))
        assert event.particles is not None
        return EventSummary(
            number=number,
            hits=len(event.hits),
            cells=_cells(event),
            particles=len(event.particles),
            seconds=round(time.perf_counter() - started, 3),
            cpu_seconds=round(time.process_time() - cpu_started, 3),
            bytes=sum(path.stat().st_size for path in tables(self._folder, number)),
        )


def simulator_of(settings: AnySettings) -> EventMaker:
    """What makes events with these settings. Raises MissingExtraError without what it needs."""
    if isinstance(settings, SimulationSettings):
        return Simulator(settings)
    return settings.simulator()


def _cells(event: Event) -> int:
    """Channels that fired; an event of space points has them counted with its clusters."""
    if event.clusters is not None:
        return int(event.clusters.n_cells.sum())
    assert event.cells is not None
    return len(event.cells)
