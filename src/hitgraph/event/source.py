"""Finding events: by prefix, in a folder, in a zip or tar, in a store, in ROOT files."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from hitgraph.errors import InputError, printable
from hitgraph.event import acts_csv, colliderml, modules, root, store, trackml
from hitgraph.event.archive import (
    ARCHIVE_SUFFIXES,
    Place,
    files_in,
    folders_in,
    is_archive,
    kind_of,
)
from hitgraph.event.checks import read_tables
from hitgraph.event.event import Event, number_of
from hitgraph.fingerprint import LENGTH

LOOKED_FOR = (
    "EVENT.hits.parquet, EVENT-hits.csv, EVENT-hits.csv.gz, EVENT.event.root or, of ACTS, "
    "EVENT-measurements.csv, with EVENT like event000001000; of ColliderML, a folder "
    "NAME_tracker_hits"
)
MAX_NAME = 200  # bytes; file names have at most 255, and results get names from the event
MAX_NUMBER = 2**63 - 1  # tables of tracks have the number in a column of 64-bit integers


@dataclass(frozen=True)
class EventSource:
    """Where one event stands; nothing of it is read before `read`."""

    name: str  # for example event000001000; made printable
    path: Path  # prefix of its files: folder (or archive, and folder in it) and name, printable
    files: tuple[tuple[str, Place], ...]  # table ('hits', ...) and its file, in reading order
    detectors: Place | None
    size: int  # bytes of all its files, unpacked from the archive
    problem: str | None = None  # why it cannot be read, where its name already tells

    @property
    def number(self) -> int:
        """The event number, the digits at the end of the name."""
        return number_of(self.name)

    @property
    def has_cells(self) -> bool:
        """Whether there is a table of cells. Raises InputError for a ROOT file that is none."""
        files = dict(self.files)
        return "cells" in (root.tables_in(files[root.WHOLE]) if root.WHOLE in files else files)

    def fingerprint(self) -> str:
        """What tells the event from others: its name and what its files hold, wherever they are."""
        content = hashlib.sha256()
        try:
            for table, place in sorted(self.files):
                content.update(table.encode() + hashlib.sha256(place.read()).digest())
        except InputError:
            return f"{self.name} cannot be read"
        return f"{self.name} {content.hexdigest()[:LENGTH]}"

    def read(self, cells: bool = True) -> Event:
        """Read and check the event; without its cells, which are most of the file, if not wanted.

        Raises InputError naming file, row and column where a table is not what it has to be, and
        where the event has a name that results cannot have.
        """
        if self.problem is not None:
            raise InputError(
                f"{self.path}: {self.problem}: give the files of this event another name"
            )
        files = dict(self.files)
        if root.WHOLE in files:
            files = root.tables_in(files[root.WHOLE])
        files = {table: place for table, place in files.items() if cells or table != "cells"}
        detector = None if self.detectors is None else modules.cached_detectors(self.detectors)
        known = None if detector is None else detector.field
        if colliderml.HITS in files:
            event = colliderml.read_event_row(self.name, files, detector)
            return replace(event, field=known)
        if acts_csv.MEASUREMENTS in files:
            event = acts_csv.read_acts_tables(self.name, files, detector)
            return replace(event, field=known)
        event = read_tables(self.name, files, detector)
        made = store.note_of_event(files["hits"])
        return replace(
            event,
            field=store.field_made(made, known, files["hits"]),
            hard_collision=store.hard_collision_made(made, files["hits"]),
        )


def list_events(
    paths: Sequence[str | Path],
    detectors: str | Path | None = None,
    numbers: tuple[int, int] | None = None,
) -> list[EventSource]:
    """The events at each path, in that order, those of one path by number; none twice.

    A path is a prefix (`.../event000001000`), one file of an event, a folder, a zip or tar, or
    a prefix inside one (`train.zip/event000001000`). `detectors` is the module table of all of
    them; else each has the one beside it, if any. `numbers` (first, end) keeps the events
    first <= number < end. Raises InputError if a path has no event, or none is left.
    """
    given = None if detectors is None else Place(Path(detectors))
    if given is not None and kind_of(given.path) != "file":
        raise InputError(f"{given}: there is no such detectors table")
    found: dict[tuple[tuple[str, Place], ...], EventSource] = {}
    for path in paths:
        for source in _events_at(Path(path), given):
            found.setdefault(source.files, source)
    events = list(found.values())
    if numbers is None:
        return events
    first, end = numbers
    kept = [event for event in events if first <= event.number < end]
    if not kept:
        there = sorted(event.number for event in events)
        raise InputError(
            f"no event has a number from {first} to {end - 1}: there are {len(there)} events, "
            f"{there[0]} to {there[-1]}"
        )
    return kept


def read_event(path: str | Path, detectors: str | Path | None = None) -> Event:
    """Read the one event at `path` (see `list_events`); InputError if there are several."""
    events = list_events([path], detectors)
    if len(events) > 1:
        raise InputError(
            f"{path}: holds {len(events)} events where one is asked for: name one, "
            f"for example {events[0].path}"
        )
    return events[0].read()


def require_different_names(events: Iterable[EventSource]) -> None:
    """Raise InputError if two events have one name, so that their results would be one file."""
    seen: dict[str, EventSource] = {}
    for event in events:
        if event.name in seen:
            raise InputError(
                f"{event.name} is there twice, as {seen[event.name].path} and {event.path}: their "
                "results would have the same file name; give them in two runs"
            )
        seen[event.name] = event


def _shown(text: str) -> str:
    """A name as it can stand in a message and in the name of a file with results."""
    text = printable(text).replace("\n", "\\n")
    return text if len(text.encode()) <= MAX_NAME else f"{text[: MAX_NAME // 4]}..."


def _problem_of(name: str) -> str | None:
    """Why no results can be written or shown for an event of this name."""
    if len(name.encode(errors="replace")) > MAX_NAME:
        return f"its name is longer than {MAX_NAME} bytes"
    if _shown(name) != name:
        return "its name has characters that cannot be shown"
    if number_of(name) > MAX_NUMBER:
        return (
            f"the number at the end of its name is above {MAX_NUMBER}, more than the column "
            "event_id of its tracks can hold"
        )
    return None


def _events_at(path: Path, detectors: Place | None) -> list[EventSource]:
    if colliderml.is_folder_of_hits(path):
        return _of_colliderml(path, detectors)
    archive = next((part for part in (path, *path.parents) if is_archive(part)), None)
    folder = kind_of(path) == "folder"
    if folder or path == archive:
        events = _group(files_in(path), path, detectors)
        if not events and folder:
            inside = folders_in(path)
            files = {place: size for one in inside for place, size in files_in(one).items()}
            events = _group(files | files_in(path), path, detectors)
        if not events:
            raise InputError(f"{path}: no event in there (looked for {LOOKED_FOR})")
        return _one_form(events)
    top = path.parent if archive is None else archive
    if archive is None and kind_of(top) != "folder":
        raise InputError(f"{path}: there is no such file or folder")
    listed = files_in(top)
    table = _table_of(path, acts_csv.prefixes(listed))
    name = table[0] if table else path.name.rstrip("-.")  # left over from tab completion
    events = [
        event
        for event in _group(listed, top, detectors)
        if event.path == path.parent / name
        and (table is None or path in [Path(str(place)) for _, place in event.files])
    ]
    if events:
        return _one_form(events)
    if kind_of(path) == "file":
        raise InputError(
            f"{path}: is no event (looked for a file named {LOOKED_FOR}; for a folder; for an "
            f"archive ending in {', '.join(ARCHIVE_SUFFIXES)})"
        )
    raise InputError(
        f"{path}: there is no such file or folder, and no event of that name (looked for "
        f"{store.file_name(name, 'hits')}, {trackml.file_name(name, 'hits')}[.gz])"
    )


def _of_colliderml(path: Path, detectors: Place | None) -> list[EventSource]:
    folder = path.parent if path.suffix == ".parquet" else path
    there = {Path(str(place)): place for place in files_in(folder)}
    beside = detectors or _detectors_beside(folder, folder, there)
    return [
        EventSource(
            name=f"event{number:09d}",
            path=Path(printable(str(folder))) / f"event{number:09d}",
            files=tuple(rows.items()),
            detectors=beside,
            size=sum(row.size for row in rows.values()),
        )
        for number, rows in colliderml.events_at(path).items()
    ]


def _group(files: Mapping[Place, int], top: Path, detectors: Place | None) -> list[EventSource]:
    """The events whose tables are among `files`, by number and name.

    An event that is there in several forms is given as often: as parquet, as CSV, as ROOT. Of a
    table that is there as .csv and .csv.gz the first is taken.
    """
    of_acts = acts_csv.prefixes(files)
    events: dict[tuple[Path, int], dict[str, Place]] = {}
    for place in files:
        found = _table_of(Path(str(place)), of_acts)
        if found is not None:
            name, table = found
            tables = events.setdefault((place.folder / name, _form(place)), {})
            if table not in tables or not place.name.endswith(".gz"):
                tables[table] = place
    by_path = {Path(str(place)): place for place in files}
    order = {place: number for number, place in enumerate(files)}
    sources = [
        EventSource(
            name=_shown(prefix.name),
            path=Path(printable(str(prefix.parent))) / _shown(prefix.name),
            files=tuple(sorted(tables.items(), key=lambda item: order[item[1]])),
            detectors=detectors or _detectors_beside(prefix.parent, top, by_path),
            size=sum(files[place] for place in tables.values()),
            problem=_problem_of(prefix.name),
        )
        for (prefix, _), tables in sorted(events.items())
    ]
    return sorted(sources, key=lambda source: (source.number, source.name))


def _one_form(events: list[EventSource]) -> list[EventSource]:
    """Each event once: the first of its forms."""
    forms: dict[Path, EventSource] = {}
    for event in events:
        forms.setdefault(event.path, event)
    return list(forms.values())


def _table_of(path: Path, of_acts: Set[Path]) -> tuple[str, str] | None:
    """Event and table that a file stands for; `of_acts` are the prefixes of events of ACTS."""
    match = acts_csv.FILE_NAME.fullmatch(path.name)
    if match is None or path.parent / match["event"] not in of_acts:
        names = (store.FILE_NAME, trackml.FILE_NAME, root.FILE_NAME)
        match = next((m for known in names if (m := known.fullmatch(path.name))), None)
    return None if match is None else (match["event"], match["table"])


def _form(place: Place) -> int:
    """Parquet before CSV before ROOT."""
    forms = (".parquet", "", ".root")
    return next(k for k in (0, 2, 1) if place.name.endswith(forms[k]))


def _detectors_beside(folder: Path, top: Path, files: Mapping[Path, Place]) -> Place | None:
    """The detectors table in the event's folder, in the folder or archive that was named, or
    beside that archive."""
    for name in modules.NAMES:
        for place in (files.get(folder / name), files.get(top / name)):
            if place is not None:
                return place
    if is_archive(top):
        for name in modules.NAMES:
            if kind_of(top.parent / name) == "file":
                return Place(top.parent / name)
    return None
