"""Many events through one track finder: track files, a summary for people and one for programs."""

import json
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource
from hitgraph.event.trackml import write_submission
from hitgraph.files import atomic_write
from hitgraph.records import StageRecord

SUMMARY = "run.json"


class Found(Protocol):
    """What a track finder makes of an event."""

    @property
    def labels(self) -> NDArray[np.int64]: ...  # (n_hits,) track of each hit, -1 = none
    @property
    def n_tracks(self) -> int: ...
    @property
    def stages(self) -> tuple[StageRecord, ...]: ...


class Finder(Protocol):
    """A Pipeline, or something that stands beside it."""

    def run(self, event: Event) -> Found: ...


@dataclass(frozen=True)
class Signature:
    """Who makes the tracks of a folder."""

    name: str  # for people
    fingerprint: str  # different for other weights or settings

    def __str__(self) -> str:
        return f"{self.name} (fingerprint {self.fingerprint})"


@dataclass(frozen=True)
class EventRun:
    """What was done with one event."""

    event: str
    n_hits: int
    n_tracks: int
    read_seconds: float
    stages: tuple[StageRecord, ...]
    shared_fraction: float | None = None  # hits that several tracks claimed / hits on tracks

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Run:
    """What was done with all of them."""

    done: tuple[EventRun, ...]
    failed: dict[str, str]  # event -> why
    skipped: tuple[str, ...]  # complete before this run
    interrupted: bool = False  # Ctrl-C came before the last event


def tracks_path(folder: Path, event: str, suffix: str) -> Path:
    """Where the tracks of an event stand: `<event>-tracks.csv` or `.parquet`."""
    return folder / f"{event}-tracks.{suffix}"


def claim(out: Path, signature: Signature, events: Sequence[str], resume: bool) -> None:
    """Note in `out` who makes its tracks, before the first of `events` is done.

    Raises SettingsError where it would mix them with tracks that something else made and that
    stay: with `resume` all there are, otherwise those of other events.
    """
    written = {path.name.rpartition("-tracks.")[0] for path in out.glob("*-tracks.*")}
    stay = sorted(written if resume else written.difference(events))
    content = _read_summary(out / SUMMARY)
    theirs = Signature(str(content.get("pipeline", "?")), str(content.get("fingerprint", "?")))
    same = theirs.fingerprint == signature.fingerprint
    if stay and not same:
        raise SettingsError(
            f"{out}: holds tracks of {stay[0]}"
            + (f" and {len(stay) - 1} more events" if len(stay) > 1 else "")
            + (
                f" that {theirs} made, now it is {signature}"
                if content
                else f", and no {SUMMARY} that says what made them, now it is {signature}"
            )
            + ": give another folder, or the same pipeline, or remove them"
        )
    kept = _events_of(content) if same else []
    _write_summary(out, signature, {"events": kept, "failed": {}})


def reconstruct(
    finder: Finder,
    sources: Sequence[EventSource],
    out: Path,
    *,
    cells: bool = True,
    suffix: str = "csv",
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Run:
    """Write the tracks of each event; an event that cannot be read is noted and left out.

    Without `cells` they are not read. Ctrl-C ends the run after the events that are written.
    Raises HitgraphError when `out` cannot be written.
    """
    done: list[EventRun] = []
    failed: dict[str, str] = {}
    skipped: list[str] = []
    interrupted = False
    try:
        for source in sources:
            path = tracks_path(out, source.name, suffix)
            if resume and path.is_file():
                skipped.append(source.name)
            else:
                try:
                    done.append(_one_event(finder, source, path, cells))
                except InputError as error:
                    failed[source.name] = str(error)
            advance()
    except KeyboardInterrupt:
        interrupted = True
    return Run(tuple(done), failed, tuple(skipped), interrupted)


def _one_event(finder: Finder, source: EventSource, path: Path, cells: bool) -> EventRun:
    start = perf_counter()
    event = source.read(cells=cells)
    read_seconds = perf_counter() - start
    result = finder.run(event)
    write_submission(path, event.name, event.hits.hit_id, result.labels + 1)
    return EventRun(
        event.name,
        event.n_hits,
        result.n_tracks,
        read_seconds,
        result.stages,
        getattr(result, "shared_fraction", None),  # a pipeline never shares hits
    )


def write_summary(run: Run, signature: Signature, out: Path) -> Path:
    """Write `run.json` beside the tracks; events of earlier runs in it are kept."""
    events = {entry["event"]: entry for entry in _events_of(_read_summary(out / SUMMARY))}
    events |= {entry.event: entry.to_dict() for entry in run.done}
    content = {"events": [events[name] for name in sorted(events)], "failed": run.failed}
    return _write_summary(out, signature, {"peak_memory_bytes": peak_memory(), **content})


def _write_summary(out: Path, signature: Signature, more: dict[str, Any]) -> Path:
    content = {"pipeline": signature.name, "fingerprint": signature.fingerprint, **more}
    path = out / SUMMARY
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def _read_summary(path: Path) -> dict[str, Any]:
    """What an earlier run noted; nothing where its summary is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _events_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Its events; none where the summary is damaged."""
    entries = content.get("events")
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and "event" in entry]


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def stage_means(run: Run) -> list[dict[str, float | str | None]]:
    """Mean of every number of each stage over the events that were done."""
    rows: list[dict[str, float | str | None]] = []
    for same in zip(*(entry.stages for entry in run.done), strict=True):
        row: dict[str, float | str | None] = {"stage": same[0].name}
        for key in ("seconds", "edges", "efficiency", "target_efficiency", "purity"):
            values = [getattr(stage, key) for stage in same]
            known = [value for value in values if value is not None]
            row[key] = float(np.mean(known)) if known else None
        rows.append(row)
    return rows
