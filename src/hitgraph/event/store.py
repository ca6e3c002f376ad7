"""The event store: four parquet tables an event, one detectors table and one note a folder."""

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place, kind_of
from hitgraph.event.checks import TABLES
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField, named, to_json
from hitgraph.event.modules import MADE_KEY, detector_columns, made_of
from hitgraph.event.modules import read_detectors as read_detectors
from hitgraph.files import atomic_write

FILE_NAME = re.compile(
    r"(?s)(?P<event>.+)\.(?P<table>hits|cells|particles|truth|clusters|spacepoints)\.parquet"
)
DETECTORS_NAME = "detectors.parquet"
INFO_NAME = "dataset.json"
HARD_KEY = "hard_collision"
FIRST_COLLISION = 1  # of a simulated event: the hard process or the gun, where there is one
FIELD_BEFORE = 2.0  # Tesla along z, in which events were simulated that name no field
# of what hitgraph reads in there; anything else may stand beside
INFO_TYPES: dict[str, tuple[type, str]] = {
    "world": (str, "a name"),
    "preset": (str, "a name"),
    "seed": (int, "a whole number"),
    "settings": (dict, "an object {...}"),
    "versions": (dict, "an object {...}"),
    "events": (list, "a list of numbers"),
    "volumes": (list, "a list of numbers"),
}


def file_name(event_name: str, table: str) -> str:
    """Name of the file that holds one table ('hits', ...) of an event."""
    return f"{event_name}.{table}.parquet"


def write_event(event: Event, folder: str | Path, made: dict[str, Any] | None = None) -> None:
    """Write the tables that the event has to `folder`; the hits last, so that an event whose
    hits are there is complete. Tables of an earlier event of that name which this one does not
    have are removed. `made`, how the event was made, goes into the files as well, and the name of
    the event's field and the number of its hard process. Raises HitgraphError if the folder cannot
    be written."""
    note = ((made or {}) | note_of(event)) or None
    for name in reversed(TABLES):
        path = Path(folder) / file_name(event.name, name)
        table = getattr(event, name)
        if table is None:
            path.unlink(missing_ok=True)
        else:
            columns = {field.name: getattr(table, field.name) for field in fields(table)}
            write_parquet(columns, path, note)


def note_of(event: Event) -> dict[str, Any]:
    """What the event itself tells about how it was made: its field and its hard process."""
    note: dict[str, Any] = {}
    if event.field is not None:
        note["field"] = event.field.name
    if event.hard_collision is not None:
        note[HARD_KEY] = event.hard_collision
    return note


def write_detectors(detector: Detector, path: str | Path) -> None:
    """Write the module table as parquet with TrackML's column names; a folder: into it.

    The detector's field and its beam pipe go into the file's metadata.
    """
    path = Path(path)
    made: dict[str, Any] = {} if detector.field is None else {"field": to_json(detector.field)}
    made |= {} if detector.pipe is None else {"pipe": list(detector.pipe)}
    path = path / DETECTORS_NAME if path.is_dir() else path
    write_parquet(detector_columns(detector), path, made or None)


def write_dataset_info(folder: str | Path, info: dict[str, Any]) -> None:
    """Write how the events of a folder were made (settings, seed, versions) as dataset.json."""
    with atomic_write(Path(folder) / INFO_NAME) as path:
        path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def read_dataset_info(folder: str | Path) -> dict[str, Any]:
    """How the events of a folder were made, as dataset.json says, or else the first event.

    Empty where neither does. Raises InputError for a file that is no JSON object, and where one of
    INFO_TYPES is something else.
    """
    info = _dataset_file(Path(folder))
    return _made(Path(folder)) if info is None else info


def _dataset_file(folder: Path) -> dict[str, Any] | None:
    """The content of dataset.json; None without."""
    place = Place(folder / INFO_NAME)
    if kind_of(place.path) != "file":
        return None
    try:
        info = json.loads(place.read())
    except RecursionError as error:
        raise InputError(f"{place}: is too deep: remove it or write it again") from error
    except ValueError as error:
        raise InputError(f"{place}: is not JSON ({error}): remove it or write it again") from error
    if not isinstance(info, dict):
        raise InputError(
            f"{place}: holds {type(info).__name__} where an object {{...}} is expected"
        )
    for key, (kind, expected) in INFO_TYPES.items():
        if key in info and not isinstance(info[key], kind):
            raise InputError(
                f"{place}: {key} is {json.dumps(info[key])[:40]} where {expected} is expected: "
                "correct it, or remove the file"
            )
    return info


def preset_of(events: Iterable[Path]) -> str | None:
    """With which presets the events at these paths were simulated, in words, where they tell."""
    folders = {path.parent for path in events}
    presets = {read_dataset_info(folder).get("preset") for folder in folders}
    known = sorted(str(preset) for preset in presets if preset is not None)
    return " and ".join(known) or None


def world_of(events: Iterable[Path]) -> str | None:
    """The world that all events at these paths are of (`hitgraph simulate --world`), or None."""
    worlds = {read_dataset_info(folder).get("world") for folder in {path.parent for path in events}}
    return str(next(iter(worlds))) if len(worlds) == 1 and None not in worlds else None


def _made(folder: Path) -> dict[str, Any]:
    """What the first event in a folder keeps about how it was made; empty without."""
    for path in sorted(folder.glob(file_name("*", "hits")))[:1]:
        return made_of(Place(path))
    return {}


def note_of_event(hits: Place) -> dict[str, Any]:
    """How an event was made: what its file of hits keeps, else the dataset.json beside it."""
    made = made_of(hits)
    if not made and hits.member is None:
        made = _dataset_file(hits.folder) or {}
    return made


def hard_collision_made(made: dict[str, Any], where: object) -> int | None:
    """The number of the hard process, or of the gun, that a note on how events were made tells."""
    if HARD_KEY in made:
        number = made[HARD_KEY]
        if isinstance(number, int) and number > 0:
            return number
        raise InputError(f"{where}: {HARD_KEY} is {number!r} where a number from 1 is expected")
    settings = made.get("settings")
    if not isinstance(settings, dict):
        return None
    has_one = settings.get("hard", "none") != "none" or settings.get("gun") is not None
    return FIRST_COLLISION if has_one else None


def field_made(
    made: dict[str, Any], known: MagneticField | None, where: object
) -> MagneticField | None:
    """The field that a note on how events were made tells; else `known`, that of their detector.

    Raises InputError naming `where` where it tells one that cannot be.
    """
    settings = made.get("settings")
    if "field" in made or not isinstance(settings, dict):
        return named(made.get("field"), known, where)
    # Simulations from before the setting had one field.
    return named(settings.get("field", FIELD_BEFORE), known, where)


def write_parquet(
    columns: dict[str, NDArray[Any]], path: str | Path, made: dict[str, Any] | None = None
) -> None:
    """Write columns of equal length as one parquet file (zstd, with checksums), or nothing.

    `made`, how they were made, becomes part of the file's metadata.
    """
    floats = [name for name, values in columns.items() if values.dtype.kind == "f"]
    rising = [name for name in ("hit_id", "particle_id") if name in columns]
    buffer = pa.BufferOutputStream()
    pyarrow.parquet.write_table(
        pa.table(columns, metadata=None if made is None else {MADE_KEY: json.dumps(made)}),
        buffer,
        compression="zstd",
        compression_level=6,
        use_dictionary=[name for name in columns if name not in (*floats, *rising)],
        use_byte_stream_split=floats,
        column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
    )
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
