"""Many events through one track finder: track files, a summary for people and one for programs."""

import glob
import json
import logging
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError, printable
from hitgraph.event.event import Event
from hitgraph.event.fits import fits_path, write_fits
from hitgraph.event.hit_classes import classes_path, write_classes
from hitgraph.event.source import EventSource
from hitgraph.event.track_clusters import (
    clusters_on_tracks,
    shared_clusters,
    track_clusters_path,
    write_track_clusters,
)
from hitgraph.event.trackml import write_submission
from hitgraph.event.vertices import write_vertices
from hitgraph.files import atomic_write
from hitgraph.kernels.jit import compile_time
from hitgraph.observe import StageRecord
from hitgraph.records import SUMMARY, digest, is_damaged, read_summary, remove_records, write_record
from hitgraph.state import State
from hitgraph.tracks.parameters.stage import PARAMETERS, fitted_tracks
from hitgraph.tracks.vertices.stage import VERTEX, found_vertices
from hitgraph.workers import HERE, Workers

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


class OpenedHere:
    """A track finder that every other process opens for itself, at its first event."""

    def __init__(self, opening: Callable[[], Finder], opened: Finder | None = None) -> None:
        self.opening, self._finder = opening, opened

    def __reduce__(self) -> tuple[type["OpenedHere"], tuple[Callable[[], Finder]]]:
        return OpenedHere, (self.opening,)

    def run(self, event: Event) -> Found:
        """As the finder's."""
        self._finder = self._finder or self.opening()
        return self._finder.run(event)


_WRITTEN = (  # of an event
    "tracks.*",
    "trackclusters.*",
    "fits.parquet",
    "vertices.parquet",
    "attached.parquet",
    "classes.parquet",
)


@dataclass(frozen=True)
class Signature:
    """Who makes the tracks of a folder."""

    name: str  # for people
    fingerprint: str  # different for other weights or settings
    regions: str | None = None  # of events that it looks at, where these are not all

    def __str__(self) -> str:
        where = f" in {self.regions}" if self.regions else ""
        return f"{self.name}{where} (fingerprint {self.fingerprint})"

    def to_dict(self) -> dict[str, Any]:
        known = {"pipeline": self.name, "fingerprint": self.fingerprint}
        return known | ({"regions": self.regions} if self.regions else {})


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
    peak_memory_bytes: int = 0  # of its process so far
    n_region_hits: tuple[int, ...] | None = None  # that each region took; None: a full event
    threads: int = 0  # that numba and torch used; 0 = not known
    compile_seconds: float = 0.0  # kernels compiled meanwhile, which is in the times of stages
    shared_clusters: float | None = None  # on several tracks / on tracks; None without clusters

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
    """Where the tracks of an event stand: `<event>-tracks.csv`, `.parquet` or `.root`."""
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
    maker, fingerprint = (str(content.get(key, "?")) for key in ("pipeline", "fingerprint"))
    theirs = Signature(maker, fingerprint, content.get("regions"))
    same = theirs.fingerprint == signature.fingerprint
    stay = sorted(written if resume else written - asked)
    if stay and not same:
        made = f"that {theirs} made" if content else f"and no {SUMMARY} that says what made them"
        raise SettingsError(
            f"{out}: holds tracks of {_some(stay)} {made}, now it is {signature}: "
            "give another folder, or the same pipeline, or remove them"
        )
    if again and not resume and not force:
        raise SettingsError(
            f"{out}: holds tracks of {_some(sorted(again))} already: --resume keeps them and goes "
            "on, --force makes them anew, or give another folder"
        )
    if not resume:
        for event in again:
            for what in _WRITTEN:
                for path in out.glob(f"{glob.escape(event)}-{what}"):
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
    workers: Workers = HERE,
    advance: Callable[[], None] = lambda: None,
) -> Run:
    """Write the tracks and the record of each event.

    An event that cannot be read or reconstructed is noted and left out. With `resume` events
    whose tracks and record are there are passed over; where the record is damaged, a warning says
    so, and both are made anew. Without `cells` they are not read. Several
    `workers` get a copy of the finder each, which has to be picklable. Ctrl-C ends the run after
    the events that are written. Raises HitgraphError when `out` cannot be written.
    """
    done: dict[str, EventRun] = {}
    failed: dict[str, str] = {}
    interrupted = False
    todo = list(events_left(sources, out, suffix) if resume else sources)
    left = {source.name for source in todo}
    skipped = [source.name for source in sources if source.name not in left]
    for _ in skipped:
        advance()
    for source in todo if resume else ():
        if is_damaged(out, source.name):
            said = f"{source.name}: its record in {out} is damaged: it is made anew"
            _log.warning("%s", printable(said))
    write = partial(_one_event, finder, signature, out, suffix, cells)
    try:
        with closing(workers.share(write, todo, out)) as results:
            for source, result in results:
                if isinstance(result, InputError):
                    failed[source.name] = str(result)
                    content = {"event": source.name, "failed": str(result)}
                    write_record(out, signature.to_dict() | content)
                else:
                    done[source.name] = result
                advance()
    except KeyboardInterrupt:
        interrupted = True
    in_order = tuple(done[source.name] for source in todo if source.name in done)
    return Run(in_order, failed, tuple(skipped), interrupted)


def events_left(sources: Sequence[EventSource], out: Path, suffix: str) -> Iterator[EventSource]:
    """Those whose tracks or record are not in `out`, or whose record is damaged.

    The record is written last: without it the tracks may be of a run that was killed.
    """
    known = {entry["event"] for entry in read_summary(out, tolerant=True).get("events", [])}
    for source in sources:
        there = source.name in known and tracks_path(out, source.name, suffix).is_file()
        if not there or is_damaged(out, source.name):
            yield source


def _one_event(
    finder: Finder, signature: Signature, out: Path, suffix: str, cells: bool, source: EventSource
) -> EventRun:
    """Write the tracks of one event, then its record."""
    start = perf_counter()
    event = source.read(cells=cells)
    read_seconds = perf_counter() - start
    with compile_time() as compiled:
        result = finder.run(event)
    path = tracks_path(out, source.name, suffix)
    shared = _write_clusters(result, event, track_clusters_path(out, source.name, suffix))
    write_submission(path, event.name, event.hits.hit_id, result.labels + 1)
    _write_found(result, event, path, signature)
    _write_classes(result, event, out)
    run = EventRun(
        event.name,
        event.n_hits,
        digest(event),
        result.n_tracks,
        read_seconds,
        result.stages,
        getattr(result, "shared_fraction", None),  # a pipeline never shares hits
        peak_memory(),
        getattr(result, "n_region_hits", None),
        numba.get_num_threads(),
        sum(compiled),
        shared,
    )
    write_record(out, signature.to_dict() | run.to_dict())
    return run


def _write_clusters(result: Found, event: Event, path: Path) -> float | None:
    """Write the clusters of tracks, where hits have any; the share that several tracks have."""
    if event.clusters is None:
        return None
    track, cluster = clusters_on_tracks(event, result.labels)
    write_track_clusters(path, event.name, track + 1, cluster)
    return shared_clusters(cluster)


def _write_found(result: Found, event: Event, path: Path, signature: Signature) -> None:
    """Parameters of the tracks in the file `path`, and vertices, where a pipeline has found any."""
    state: State | None = getattr(result, "state", None)
    if state is None:
        return
    track_id, out = np.arange(1, state.n_tracks + 1), path.parent
    if PARAMETERS in state.names:
        write_fits(fitted_tracks(state, track_id), fits_path(out, event.name), "pipeline")
    if VERTEX in state.names:
        method = f"pipeline {signature.fingerprint}"
        write_vertices(found_vertices(state, track_id), out, event.name, method, path)


def _write_classes(result: Found, event: Event, out: Path) -> None:
    """Classes of the hits beside the tracks, where a pipeline has found any."""
    state: State | None = getattr(result, "state", None)
    if state is not None and "classes" in state.hit:
        shares = state.hit["classes"].cpu().numpy()
        write_classes(event.hits.hit_id, shares, classes_path(out, event.name))


def write_summary(signature: Signature, out: Path) -> Path:
    """Write `run.json` beside the tracks: the records of all events.

    Those too that other processes write meanwhile, whichever ends last.
    """
    written = ""
    while True:
        content = read_summary(out, tolerant=True)
        together = {"events": content.get("events", []), "failed": content.get("failed", {})}
        text = json.dumps(together)  # in which one NaN is like another
        if text == written:
            return out / SUMMARY
        peaks = (entry.get("peak_memory_bytes", 0) for entry in together["events"])
        peak = max(peak_memory(), *peaks, 0)
        _write_summary(out, signature, {"peak_memory_bytes": peak, **together})
        written = text


def _write_summary(out: Path, signature: Signature, more: dict[str, Any]) -> None:
    with atomic_write(out / SUMMARY) as temporary:
        text = json.dumps(signature.to_dict() | more, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


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
