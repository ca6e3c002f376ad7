"""Many events through one track finder: track files, a summary for people and one for programs."""

import glob
import json
import logging
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import HitgraphError, InputError, SettingsError, reason
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource
from hitgraph.event.trackml import write_submission
from hitgraph.files import atomic_write
from hitgraph.observe import StageRecord
from hitgraph.records import (
    SUMMARY,
    digest,
    read_summary,
    remove_records,
    write_record,
)

LARGEST_NUMBER = 2**63 - 1  # of an event, in the files of tracks

_log = logging.getLogger(__name__)


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

    def to_dict(self) -> dict[str, Any]:
        return {"pipeline": self.name, "fingerprint": self.fingerprint}


@dataclass(frozen=True)
class EventRun:
    """What was done with one event."""

    event: str
    n_hits: int
    digest: str  # tells it from other events of that name, see hitgraph.records
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


def claim(
    out: Path,
    signature: Signature,
    events: Sequence[str],
    resume: bool = False,
    force: bool = False,
) -> None:
    """Note in `out` who makes its tracks, before the first of `events` is done.

    Tracks of `events` that are there stay with `resume` and are removed with `force`; without
    either, and where tracks that something else made would stay beside the new ones, it raises
    SettingsError and changes nothing.
    """
    written = {path.name.rpartition("-tracks.")[0] for path in out.glob("*-tracks.*")}
    asked = set(events)
    again = written & asked
    content = read_summary(out, tolerant=True)
    theirs = Signature(str(content.get("pipeline", "?")), str(content.get("fingerprint", "?")))
    same = theirs.fingerprint == signature.fingerprint
    stay = sorted(written if resume else written - asked)
    if stay and not same:
        maker = f"that {theirs} made" if content else f"and no {SUMMARY} that says what made them"
        raise SettingsError(
            f"{out}: holds tracks of {_some(stay)} {maker}, now it is {signature}: "
            "give another folder, or the same pipeline, or remove them"
        )
    if again and not resume and not force:
        raise SettingsError(
            f"{out}: holds tracks of {_some(sorted(again))} already: --resume keeps them and goes "
            "on, --force makes them anew, or give another folder"
        )
    if not resume:
        for event in again:
            for path in out.glob(f"{glob.escape(event)}-tracks.*"):
                path.unlink()
        remove_records(out, events)
    kept = [
        entry
        for entry in (content.get("events", []) if same else [])
        if resume or entry["event"] not in asked
    ]
    _write_summary(out, signature, {"events": kept, "failed": {}})


def _some(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more events" if len(names) > 1 else "")


def reconstruct(
    finder: Finder,
    signature: Signature,
    sources: Sequence[EventSource],
    out: Path,
    *,
    cells: bool = True,
    suffix: str = "csv",
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Run:
    """Write the tracks and the record of each event.

    An event that cannot be read or reconstructed is noted and left out. With `resume` events
    whose tracks and record are there are passed over. Without `cells` they are not read. Ctrl-C
    ends the run after the events that are written. Raises HitgraphError when `out` cannot be
    written.
    """
    done: list[EventRun] = []
    failed: dict[str, str] = {}
    skipped: list[str] = []
    interrupted = False
    known: set[str] = set()
    if resume:
        known = {entry["event"] for entry in read_summary(out, tolerant=True).get("events", [])}
    try:
        for source in sources:
            path = tracks_path(out, source.name, suffix)
            # The record is written last: without it the tracks may be of a run that was killed.
            if source.name in known and path.is_file():
                skipped.append(source.name)
            else:
                result = _one_event(finder, source, path, cells)
                if isinstance(result, EventRun):
                    done.append(result)
                    content = result.to_dict()
                else:
                    failed[source.name] = result
                    content = {"event": source.name, "failed": result}
                write_record(out, signature.to_dict() | content)
            advance()
    except KeyboardInterrupt:
        interrupted = True
    return Run(tuple(done), failed, tuple(skipped), interrupted)


def _one_event(finder: Finder, source: EventSource, path: Path, cells: bool) -> EventRun | str:
    """Write the tracks of one event; what was done, or why it could not be."""
    try:
        start = perf_counter()
        event = source.read(cells=cells)
        if event.number > LARGEST_NUMBER:
            raise InputError(
                f"{source.path}: its number, {event.number}, is above {LARGEST_NUMBER}, the "
                "largest that a file of tracks can hold: give the event another name"
            )
        read_seconds = perf_counter() - start
        result = finder.run(event)
        write_submission(path, event.name, event.hits.hit_id, result.labels + 1)
    except InputError as error:
        return str(error)
    except HitgraphError:  # the results cannot be written: those of the next event neither
        raise
    except Exception as error:  # it costs this event only
        _log.debug("%s:", source.name, exc_info=error)
        return reason(error)
    return EventRun(
        event.name,
        event.n_hits,
        digest(event),
        result.n_tracks,
        read_seconds,
        result.stages,
        getattr(result, "shared_fraction", None),  # a pipeline never shares hits
    )


def write_summary(signature: Signature, out: Path) -> Path:
    """Write `run.json` beside the tracks: the records of all events."""
    content = read_summary(out, tolerant=True)
    together = {"events": content.get("events", []), "failed": content.get("failed", {})}
    return _write_summary(out, signature, {"peak_memory_bytes": peak_memory(), **together})


def _write_summary(out: Path, signature: Signature, more: dict[str, Any]) -> Path:
    path = out / SUMMARY
    with atomic_write(path) as temporary:
        text = json.dumps(signature.to_dict() | more, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


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
