"""The event store: four parquet tables an event, one detectors table and one note a folder."""

import contextlib
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
from hitgraph.event.archive import Place
from hitgraph.event.checks import TABLES
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField, named, to_json
from hitgraph.event.modules import MADE_KEY, detector_columns
from hitgraph.event.modules import read_detectors as read_detectors
from hitgraph.files import atomic_write, read_json

FILE_NAME = re.compile(r"(?P<event>.+)\.(?P<table>hits|cells|particles|truth)\.parquet")
DETECTORS_NAME = "detectors.parquet"
INFO_NAME = "dataset.json"


def file_name(event_name: str, table: str) -> str:
    """Name of the file that holds one table ('hits', ...) of an event."""
    return f"{event_name}.{table}.parquet"


def write_event(event: Event, folder: str | Path, made: dict[str, Any] | None = None) -> None:
    """Write the tables that the event has to `folder`; the hits last, so that an event whose
    hits are there is complete. Tables of an earlier event of that name which this one does not
    have are removed. `made`, how the event was made, goes into the files as well. Raises
    HitgraphError if the folder cannot be written."""
    for name in reversed(TABLES):
        path = Path(folder) / file_name(event.name, name)
        table = getattr(event, name)
        if table is None:
            path.unlink(missing_ok=True)
        else:
            columns = {field.name: getattr(table, field.name) for field in fields(table)}
            write_parquet(columns, path, made)


def write_detectors(detector: Detector, path: str | Path) -> None:
    """Write the module table as parquet with TrackML's column names; a folder: into it.

    The detector's field goes into the file's metadata.
    """
    path = Path(path)
    made = None if detector.field is None else {"field": to_json(detector.field)}
    path = path / DETECTORS_NAME if path.is_dir() else path
    write_parquet(detector_columns(detector), path, made)


def write_dataset_info(folder: str | Path, info: dict[str, Any]) -> None:
    """Write how the events of a folder were made (settings, seed, versions) as dataset.json."""
    with atomic_write(Path(folder) / INFO_NAME) as path:
        path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def read_dataset_info(folder: str | Path) -> dict[str, Any]:
    """How the events of a folder were made, as dataset.json says, or else the first event.

    Empty where neither does.
    """
    place = Path(folder) / INFO_NAME
    if not place.is_file():
        return _made(Path(folder))
    info = read_json(place)
    for key, kind in (("preset", str), ("settings", dict), ("versions", dict), ("events", list)):
        if not isinstance(info.get(key, kind()), kind):
            raise InputError(
                f"{place}: {key} is {type(info[key]).__name__} where {kind.__name__} is expected: "
                "remove it or write it again"
            )
    return info


def preset_of(events: Iterable[Path]) -> str | None:
    """With which presets the events at these paths were simulated, in words, where they tell."""
    folders = {path.parent for path in events}
    presets = {read_dataset_info(folder).get("preset") for folder in folders}
    known = sorted(str(preset) for preset in presets if preset is not None)
    return " and ".join(known) or None


def _made(folder: Path) -> dict[str, Any]:
    """What the first event in a folder keeps about how it was made; empty without."""
    for path in sorted(folder.glob(file_name("*", "hits")))[:1]:
        return made_of(Place(path))
    return {}


def made_of(place: Place) -> dict[str, Any]:
    """What a parquet file keeps about how it was made; empty where it keeps nothing."""
    if not place.name.endswith(".parquet"):
        return {}
    with contextlib.suppress(pa.ArrowException, OSError, ValueError, RecursionError, InputError):
        notes = pyarrow.parquet.read_schema(pa.BufferReader(place.read())).metadata or {}
        made = json.loads(notes.get(MADE_KEY, b"{}"))
        return made if isinstance(made, dict) else {}
    return {}


def field_of_event(hits: Place, known: MagneticField | None) -> MagneticField | None:
    """The field that an event's file of hits tells; else `known`, that of its detector."""
    settings = made_of(hits).get("settings")
    return named(settings.get("field"), known) if isinstance(settings, dict) else known


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
