"""Many events into one folder, shared among worker processes; resumable."""

import contextlib
import logging
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from hitgraph._version import __version__
from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.event.checks import TABLES
from hitgraph.event.simulate.fatras import build_detector
from hitgraph.event.simulate.geometry import read_geometry
from hitgraph.event.simulate.settings import SimulationSettings
from hitgraph.event.simulate.simulator import Simulator, event_name, require_simulation
from hitgraph.event.store import (
    DETECTORS_NAME,
    file_name,
    read_dataset_info,
    write_dataset_info,
    write_detectors,
    write_event,
)

ATTEMPTS = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EventSummary:
    """What one simulated event holds and took."""

    number: int
    hits: int
    cells: int
    particles: int
    seconds: float
    bytes: int


@dataclass
class SimulationRun:
    """What became of the events asked for."""

    done: list[EventSummary] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)  # complete before, with `resume`
    failed: dict[int, str] = field(default_factory=dict)  # why, after the second attempt
    seconds: float = 0.0


def simulate(
    settings: SimulationSettings,
    folder: str | Path,
    numbers: Iterable[int],
    workers: int = 1,
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> SimulationRun:
    """Simulate the events `numbers` into the store `folder`, and call `advance` after each.

    An event that fails, or whose worker dies, is tried once more and then reported in the
    result. An interruption leaves complete events only; `resume` skips these. Raises
    MissingExtraError without pyacts or Pythia, SettingsError where the folder holds events and
    `resume` is not given or the settings differ, HitgraphError if it cannot be written.
    """
    require_simulation()
    started = time.perf_counter()
    folder = Path(folder)
    info = _prepare(folder, settings, resume)
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
            write_detectors(read_geometry(build_detector())[0], folder / DETECTORS_NAME)
        if queue:
            _share(settings, folder, queue, min(workers, len(queue)), result, advance)
    finally:
        write_dataset_info(folder, info | {"events": _complete_events(folder)})
    result.done.sort(key=lambda one: one.number)
    result.seconds = time.perf_counter() - started
    return result


def is_complete(folder: Path, number: int) -> bool:
    """Whether all four tables of event `number` are in `folder`."""
    return all(path.is_file() for path in _tables(folder, number))


def _tables(folder: Path, number: int) -> list[Path]:
    return [folder / file_name(event_name(number), table) for table in TABLES]


def _discard(folder: Path, number: int) -> None:
    """Remove what is there of an incomplete event, temporary files too."""
    if not is_complete(folder, number):
        for path in (*_tables(folder, number), *folder.glob(f".{event_name(number)}.*.part")):
            with contextlib.suppress(OSError):
                path.unlink()


def _complete_events(folder: Path) -> list[int]:
    names = [path.name.split(".")[0] for path in folder.glob(file_name("event*", "hits"))]
    numbers = {int(name[5:]) for name in names if name[5:].isdecimal()}
    return sorted(number for number in numbers if is_complete(folder, number))


# ---------------------------------------------------------------- the folder


def _prepare(folder: Path, settings: SimulationSettings, resume: bool) -> dict[str, Any]:
    """Write dataset.json before the work, or check that the one there says the same."""
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file, give a folder to write the events to")
    info = dataset_info(settings)
    found = read_dataset_info(folder) if folder.is_dir() else {}
    has_events = folder.is_dir() and any(folder.glob(file_name("*", "hits")))
    if (found or has_events) and not resume:
        raise SettingsError(
            f"{folder}: holds events already: add --resume to make the missing ones with the "
            "same settings, or give another folder"
        )
    if has_events and not found:
        raise SettingsError(
            f"{folder}: holds events but no dataset.json that says how they were made: "
            "give another folder"
        )
    if found:
        _check_same(folder, found, info)
    write_dataset_info(folder, info | {"events": _complete_events(folder)})
    return info


def dataset_info(settings: SimulationSettings) -> dict[str, Any]:
    """What dataset.json says about events made with `settings`, without the event numbers."""
    plain = asdict(settings)
    return {
        "preset": plain.pop("preset"),
        "seed": plain.pop("seed"),
        "settings": plain,
        "versions": {
            "hitgraph": __version__,
            "pyacts": version("pyacts"),
            "pythia8mc": version("pythia8mc"),
            "numpy": version("numpy"),
        },
    }


def _check_same(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key in ("preset", "seed", "settings", "versions"):
        was, now = found.get(key), wanted[key]
        if isinstance(was, dict) and isinstance(now, dict):
            # The generators' versions decide the events, ours and numpy's need not.
            keys = ("pyacts", "pythia8mc") if key == "versions" else now.keys()
            different = [
                f"{one} {was.get(one)} (now {now[one]})" for one in keys if was.get(one) != now[one]
            ]
        else:
            different = [f"{key} {was} (now {now})"] if was != now else []
        if different:
            raise SettingsError(
                f"{folder}: its events were made with {', '.join(different)}: resume with the "
                "settings in dataset.json, or give another folder"
            )


# ---------------------------------------------------------------- the workers


class _Worker:
    """A process with a simulator, and the event it is at work on."""

    def __init__(self, settings: SimulationSettings, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(settings, folder, theirs), daemon=True)
        with _ignoring_interrupts():  # inherited by the process from its first moment on
            self.process.start()
        theirs.close()
        self.number: int | None = None

    def start(self, number: int) -> None:
        self.number = number
        with contextlib.suppress(BrokenPipeError):  # it died; receive() will say so
            self.pipe.send(number)

    def receive(self) -> EventSummary | str:
        """The finished event's summary, or why it failed."""
        try:
            answer: EventSummary | str = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return f"its process died (exit status {self.process.exitcode})"
        return answer

    def stop(self) -> None:
        self.pipe.close()  # an idle worker ends by itself
        if self.number is not None:
            self.process.kill()
        self.process.join()


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # no signals to handle here
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _share(
    settings: SimulationSettings,
    folder: Path,
    queue: deque[int],
    n_workers: int,
    result: SimulationRun,
    advance: Callable[[], None],
) -> None:
    attempts: dict[int, int] = {}
    workers: list[_Worker] = []
    try:
        while queue or any(worker.number is not None for worker in workers):
            for worker in workers:
                if queue and worker.number is None:
                    worker.start(queue.popleft())
            while queue and len(workers) < n_workers:
                workers.append(_Worker(settings, folder))
                workers[-1].start(queue.popleft())
            ready = wait([worker.pipe for worker in workers if worker.number is not None])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                answer, number = worker.receive(), worker.number
                assert number is not None
                worker.number = None
                if not worker.process.is_alive():
                    workers.remove(worker)
                    worker.stop()
                if isinstance(answer, EventSummary):
                    result.done.append(answer)
                    advance()
                    continue
                _discard(folder, number)
                attempts[number] = attempts.get(number, 0) + 1
                if attempts[number] < ATTEMPTS:
                    log.warning("event %d failed (%s), trying again", number, answer)
                    queue.append(number)
                else:
                    result.failed[number] = answer
                    advance()
    finally:
        for worker in workers:
            worker.stop()
            if worker.number is not None:
                _discard(folder, worker.number)


def _work(settings: SimulationSettings, folder: Path, pipe: Connection) -> None:
    """The worker process: event numbers in, summaries or reasons of failure out.

    It was started deaf to Ctrl-C, which reaches the parent; that ends it and tidies up.
    """
    simulator: Simulator | None = None
    while True:
        try:
            number: int = pipe.recv()
        except EOFError:
            return
        answer: EventSummary | str
        try:
            simulator = simulator or Simulator(settings)
            answer = simulate_event(simulator, folder, number)
        except HitgraphError as error:
            answer = str(error)
        except Exception as error:  # anything from the generators: report it, go on
            answer = f"{type(error).__name__}: {error}"
        pipe.send(answer)


def simulate_event(simulator: Simulator, folder: Path, number: int) -> EventSummary:
    """Simulate and store one event."""
    started = time.perf_counter()
    event = simulator.event(number)
    write_event(event, folder)
    assert event.cells is not None
    assert event.particles is not None
    return EventSummary(
        number=number,
        hits=len(event.hits),
        cells=len(event.cells),
        particles=len(event.particles),
        seconds=round(time.perf_counter() - started, 3),
        bytes=sum(path.stat().st_size for path in _tables(folder, number)),
    )
