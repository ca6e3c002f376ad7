"""Folders of tracks beside the truth: which files belong together, and how each folder does."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph._version import __version__
from hitgraph.errors import InputError
from hitgraph.evaluation.fit_quality import FitQuality, combine_fits, fit_quality
from hitgraph.evaluation.metrics import MIN_TRACK_HITS, Counted, Metrics, combine, evaluate
from hitgraph.evaluation.track_clusters import evaluate_clusters
from hitgraph.evaluation.worlds import WorldQuality, judge_of
from hitgraph.event.event import Event, number_of
from hitgraph.event.fits import fits_path, method_of, read_fits
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.source import EventSource, require_different_names
from hitgraph.event.store import preset_of, world_of
from hitgraph.event.trackml import read_tracks
from hitgraph.records import require_same_event
from hitgraph.settings import to_dict
from hitgraph.text import printable
from hitgraph.workers import HERE, Workers

SUFFIXES = ("-tracks.csv", "-tracks.csv.gz", "-tracks.parquet", "-tracks.root")

TracksFiles = dict[str, Path]  # file of tracks by event name


@dataclass(frozen=True)
class Problem:
    """Something that kept an event out of the comparison."""

    where: str  # event or file
    message: str


@dataclass(frozen=True)
class Comparison:
    """The same events, reconstructed in several ways."""

    folders: dict[str, Path]  # by column name
    metrics: dict[str, Metrics]  # by column name; over the same events in every column
    problems: tuple[Problem, ...]
    min_track_hits: int
    selection: Selection  # the particles whose efficiency it is
    preset: str | None  # how the events were simulated, where the truth folder tells
    fits: dict[str, FitQuality]  # by column name; of the events with fitted tracks, where any has
    world: str | None = None  # that the events are of, where it is no tracker
    of_world: dict[str, WorldQuality] = field(default_factory=dict)  # by column name

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events that were evaluated."""
        return next(iter(self.metrics.values())).events

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content = {
            "hitgraph": __version__,
            "preset": self.preset,
            "min_track_hits": self.min_track_hits,
            "selection": to_dict(self.selection),
            "events": list(self.events),
            "skipped": [
                {"where": problem.where, "reason": problem.message} for problem in self.problems
            ],
            "tracks": {
                name: {"folder": str(self.folders[name]), **metrics.to_dict()}
                for name, metrics in self.metrics.items()
            },
            "fits": {name: fits.to_dict() for name, fits in self.fits.items()},
        }
        if self.of_world:
            found = {name: one.to_dict() for name, one in self.of_world.items()}
            content |= {"world": self.world, "of_world": found}
        return content


def compare(
    folders: Sequence[Path],
    sources: Sequence[EventSource],
    min_track_hits: int = MIN_TRACK_HITS,
    numbers: tuple[int, int] | None = None,
    on_event: Callable[[], None] = lambda: None,
    selection: Selection = SELECTED,
    workers: Workers = HERE,
    counted: Counted = "hits",
) -> Comparison:
    """Evaluate the tracks in every folder against the truth of every event.

    An event enters all columns or none: where its tracks are missing or bad in one folder, or its
    truth is, it becomes a problem and the others go on. With `numbers` (first, end), as `sources`
    were chosen, tracks of other events are passed over. `selection` are the particles that count.
    `workers` share the events; `on_event` is called after each. With `counted` "clusters" all that
    is counted as hits are the clusters that hits are made of. Raises InputError if a folder has
    no tracks, or no event is left.
    """
    require_different_names(sources)
    columns = name_columns(folders)
    files = {name: _numbered(find_tracks(folder), numbers) for name, folder in columns.items()}
    problems = _unmatched(files, sources)
    metrics: dict[str, list[Metrics]] = {name: [] for name in columns}
    fits: dict[str, list[FitQuality]] = {name: [] for name in columns}
    of_world: dict[str, list[WorldQuality]] = {name: [] for name in columns}
    some = [source for source in sources if any(source.name in found for found in files.values())]
    world = world_of(source.path for source in sources)
    judge = partial(
        _evaluate_event,
        files=files,
        min_track_hits=min_track_hits,
        selection=selection,
        world=world,
        counted=counted,
    )
    results = {}
    for _ in range(len(sources) - len(some)):
        on_event()
    with closing(workers.share(judge, some)) as judged:
        for source, result in judged:
            results[source.name] = result
            on_event()
    for source in some:
        result = results[source.name]
        if isinstance(result, InputError):
            problems.append(Problem(source.name, str(result)))
            continue
        one, fitted, judged_by_world = result
        for name in columns:
            metrics[name].append(one[name])
        for name, quality in fitted.items():
            fits[name].append(quality)
        for name, own in judged_by_world.items():
            of_world[name].append(own)
    if not any(metrics.values()):
        raise InputError(
            "no event could be evaluated: "
            + "; ".join(f"{problem.where}: {problem.message}" for problem in problems)
        )
    return Comparison(
        folders=columns,
        metrics={name: combine(found) for name, found in metrics.items()},
        problems=tuple(problems),
        min_track_hits=min_track_hits,
        selection=selection,
        preset=preset_of(source.path for source in sources),
        fits={name: combine_fits(found) for name, found in fits.items() if found},
        world=world,
        of_world=_together(world, of_world),
    )


def _together(
    world: str | None, parts: Mapping[str, Sequence[WorldQuality]]
) -> dict[str, WorldQuality]:
    """The events of each column, as their world combines them; nothing for trackers."""
    judge = judge_of(world)
    if judge is None:
        return {}
    return {name: judge.combine(found) for name, found in parts.items()}


def name_columns(folders: Sequence[Path]) -> dict[str, Path]:
    """Names that tell the folders apart: the last part of each path, more parts where needed.

    Control characters are written out, and bytes that are no text. Raises InputError for a folder
    that is given twice.
    """
    full = [Path(os.path.normpath(folder.absolute())) for folder in folders]
    if len(set(full)) < len(full):
        raise InputError(f"{next(f for f in full if full.count(f) > 1)}: is given twice")
    names: list[str] = []
    for depth in range(1, max((len(path.parts) for path in full), default=0) + 1):
        names = [printable(str(Path(*path.parts[-depth:]))) for path in full]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, folders, strict=True))


def find_tracks(folder: Path) -> TracksFiles:
    """The files `<event>-tracks.csv[.gz]`, `.parquet` or `.root` of a folder, by event name.

    Raises InputError if there is none, or two of one event.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder of tracks")
    found: TracksFiles = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None:
            continue
        event = path.name.removesuffix(suffix)
        if event in found:
            raise InputError(
                f"{path}: {found[event].name} holds tracks of the same event; remove one of them"
            )
        found[event] = path
    if not found:
        raise InputError(
            f"{folder}: no tracks in there (looked for EVENT-tracks.csv, .parquet or .root as "
            "`hitgraph reconstruct` writes them)"
        )
    return found


def read_labels(event: Event, path: Path) -> NDArray[np.int64]:
    """(n_hits,) the track of each hit of the event as the file says, -1 for none.

    Hits that the file does not name are on no track. Raises InputError naming a hit_id that the
    event does not have, and where the record beside the file is of another event of that name.
    """
    require_same_event(path, event)
    hit_id, track_id = read_tracks(path)
    order = np.argsort(event.hits.hit_id, kind="stable")
    known = event.hits.hit_id[order]
    slot = np.minimum(np.searchsorted(known, hit_id), len(known) - 1)
    strange = known[slot] != hit_id
    if strange.any():
        raise InputError(
            f"{path}: hit_id {hit_id[strange][0]} is no hit of {event.name} "
            f"({int(strange.sum())} of {len(hit_id)} are not): these are tracks of another event"
        )
    labels = np.full(event.n_hits, -1, dtype=np.int64)
    labels[order[slot]] = np.where(track_id > 0, track_id, -1)
    return labels


def _numbered(files: TracksFiles, numbers: tuple[int, int] | None) -> TracksFiles:
    if numbers is None:
        return files
    first, end = numbers
    return {name: path for name, path in files.items() if first <= number_of(name) < end}


def _evaluate_event(
    source: EventSource,
    files: Mapping[str, TracksFiles],
    min_track_hits: int,
    selection: Selection,
    counted: Counted,
    world: str | None,
) -> tuple[dict[str, Metrics], dict[str, FitQuality], dict[str, WorldQuality]]:
    missing = [name for name, found in files.items() if source.name not in found]
    if missing:
        raise InputError(f"has no tracks in {', '.join(missing)}: left out of every column")
    judge = judge_of(world)
    event = source.read(cells=judge is not None and judge.CELLS)
    metrics, fits, of_world = {}, {}, {}
    for name, found in files.items():
        tracks = found[source.name]
        labels = read_labels(event, tracks)
        if counted == "clusters":
            metrics[name] = evaluate_clusters(event, tracks, min_track_hits, selection)
        else:
            metrics[name] = evaluate(event, labels, min_track_hits, selection)
        if judge is not None:
            of_world[name] = judge.judge(event, labels, tracks, min_track_hits)
        fitted = fits_path(tracks.parent, source.name)
        if not fitted.is_file():
            continue
        if fitted.stat().st_mtime < tracks.stat().st_mtime:
            raise InputError(
                f"{fitted}: is older than {tracks.name}, so it is of other tracks: fit them again "
                "with `hitgraph fit`, or remove it"
            )
        quality = fit_quality(event, labels, read_fits(fitted), selection)
        fits[name] = replace(quality, method=method_of(fitted))
    return metrics, fits, of_world


def _unmatched(files: Mapping[str, TracksFiles], sources: Sequence[EventSource]) -> list[Problem]:
    """Events without any tracks, and tracks without an event among those asked for."""
    asked, found = {source.name for source in sources}, set().union(*files.values())
    if not asked & found:
        raise InputError(
            f"no tracks belong to these events: the truth has {_some(asked)}, "
            f"the tracks are of {_some(found) or 'none of these numbers'}"
        )
    problems = []
    if asked - found:
        problems.append(
            Problem(
                _some(asked - found),
                "no tracks in any folder: reconstruct them, or choose events with --events A:B",
            )
        )
    if found - asked:
        problems.append(
            Problem(_some(found - asked), "there are tracks, but no such event is in the truth")
        )
    return problems


def _some(names: set[str], most: int = 3) -> str:
    listed = sorted(names)
    if len(listed) <= most:
        return ", ".join(listed)
    return f"{', '.join(listed[:most])} and {len(listed) - most} more"
