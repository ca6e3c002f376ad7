"""One event made and stored: the piece of work that processes and clusters share."""

import time
from pathlib import Path

from hitgraph.errors import HitgraphError
from hitgraph.event.store import write_event
from hitgraph.simulate.folder import EventSummary, dataset_info, tables
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.simulator import Simulator


class Maker:
    """Makes events of one kind into one folder; its generators start with the first event."""

    def __init__(self, settings: SimulationSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._simulator: Simulator | None = None

    def make(self, number: int) -> EventSummary | str:
        """The finished event's summary, or why it failed."""
        try:
            self._simulator = self._simulator or Simulator(self._settings)
            return self._store(self._simulator, number)
        except HitgraphError as error:
            return str(error)
        except Exception as error:  # anything from the generators: report it, go on
            return f"{type(error).__name__}: {error}"

    def _store(self, simulator: Simulator, number: int) -> EventSummary:
        started, cpu_started = time.perf_counter(), time.process_time()
        event = simulator.event(number)
        write_event(event, self._folder, dataset_info(self._settings))
        assert event.cells is not None
        assert event.particles is not None
        return EventSummary(
            number=number,
            hits=len(event.hits),
            cells=len(event.cells),
            particles=len(event.particles),
            seconds=round(time.perf_counter() - started, 3),
            cpu_seconds=round(time.process_time() - cpu_started, 3),
            bytes=sum(path.stat().st_size for path in tables(self._folder, number)),
        )
