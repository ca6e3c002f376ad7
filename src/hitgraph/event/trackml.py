"""TrackML's CSV files: their names, writing events as CSV, and files of tracks."""

import gzip
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.checks import TABLES
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event, Int64, number_of
from hitgraph.event.modules import detector_columns
from hitgraph.event.modules import read_detectors as read_detectors
from hitgraph.event.store import write_parquet
from hitgraph.event.table_errors import row_name
from hitgraph.event.tables import read_columns
from hitgraph.event.trees import Tree, write_trees
from hitgraph.files import atomic_write

FILE_NAME = re.compile(
    r"(?s)(?P<event>.+)-(?P<table>hits|cells|particles|truth|clusters|spacepoints)\.csv(\.gz)?"
)

NO_TRACK = 0  # track_id of a hit on no track
TRACKS = "tracks"  # the tree of a ROOT file

_INT64 = np.dtype(np.int64)


def file_name(event_name: str, table: str) -> str:
    """Name of the file that holds one table ('hits', ...) of an event, without .gz."""
    return f"{event_name}-{table}.csv"


def write_trackml(event: Event, folder: str | Path, compress: bool = False) -> None:
    """Write the tables that the event has to `folder` as CSV (`compress`: .csv.gz); hits last.

    Reading them gives the identical event: floats are written with as many digits as that needs.
    Files of an earlier event of that name are replaced. Raises HitgraphError if the folder
    cannot be written.
    """
    for name in reversed(TABLES):
        plain = Path(folder) / file_name(event.name, name)
        packed = plain.with_name(plain.name + ".gz")
        table = getattr(event, name)
        if table is not None:
            columns = {field.name: getattr(table, field.name) for field in fields(table)}
            write_csv(columns, packed if compress else plain)
        for stale in (plain, packed):
            if table is None or stale != (packed if compress else plain):
                stale.unlink(missing_ok=True)


def write_detectors_csv(detector: Detector, path: str | Path) -> None:
    """Write the module table as CSV with TrackML's columns (gzipped if `path` ends in .gz)."""
    write_csv(detector_columns(detector), path)


def write_submission(
    path: str | Path, event_name: str, hit_id: NDArray[Any], track_id: NDArray[Any]
) -> None:
    """Write the tracks of one event: event_id, hit_id, track_id, every hit once.

    `track_id` (n_hits,) is 1 or more; 0 or less (written as 0) = on no track. Parquet if `path`
    ends in .parquet, a tree `tracks` if it ends in .root (uproot), else CSV (gzipped if it ends in
    .gz).
    """
    columns = {
        "event_id": np.full(len(hit_id), number_of(event_name), np.int64),
        "hit_id": np.asarray(hit_id, np.int64),
        "track_id": np.maximum(np.asarray(track_id, np.int64), NO_TRACK),
    }
    write_table(path, columns, TRACKS)


def write_table(path: str | Path, columns: dict[str, NDArray[Any]], tree: str) -> None:
    """Write columns of equal length: parquet, a tree of a ROOT file, or CSV, by the suffix."""
    if Path(path).suffix == ".root":
        write_trees(path, {tree: columns})
        return
    write = write_parquet if Path(path).suffix == ".parquet" else write_csv
    write(columns, path)


def read_tracks(path: str | Path) -> tuple[Int64, Int64]:
    """hit_id and track_id, each (n_hits,), of the tracks of one event, sorted by hit_id.

    CSV (also .gz), parquet, or the tree `tracks` of a ROOT file. track_id 0 = on no track; the
    file may also have negative numbers or nothing there. Raises InputError for a hit that
    is there twice and for several events.
    """
    path = Path(path)
    place = Tree(path, tree=TRACKS) if path.suffix == ".root" else Place(path)
    types = dict.fromkeys(("event_id", "hit_id", "track_id"), _INT64)
    columns = read_columns(place, types, optional={"event_id": 0}, fill={"track_id": NO_TRACK})
    event_id, hit_id = columns["event_id"], columns["hit_id"]
    other = event_id != event_id[:1]
    if other.any():
        row = int(np.argmax(other))
        raise InputError(
            f"{row_name(place, row)}: event_id is {event_id[row]} after {event_id[0]}: a file of "
            "tracks holds one event; split it by event_id"
        )
    order = np.argsort(hit_id, kind="stable")
    repeated = np.flatnonzero(np.diff(hit_id[order]) == 0)
    if len(repeated):
        first, second = order[repeated[0]], order[repeated[0] + 1]
        raise InputError(
            f"{row_name(place, int(second))}: hit_id {hit_id[second]} is already in row "
            f"{first + 1} ({len(repeated)} such rows): a hit is on one track at most"
        )
    return hit_id[order], np.maximum(columns["track_id"][order], NO_TRACK)


def write_csv(columns: dict[str, NDArray[Any]], path: str | Path) -> None:
    """Write columns of equal length as one CSV file (gzipped if `path` ends in .gz), or nothing."""
    buffer = pa.BufferOutputStream()
    buffer.write((",".join(columns) + "\n").encode())
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(pa.table(columns), buffer, options)
    data = buffer.getvalue().to_pybytes()
    with atomic_write(path) as temporary:
        # no time stamp: the same event gives the same bytes
        temporary.write_bytes(
            gzip.compress(data, 6, mtime=0) if str(path).endswith(".gz") else data
        )
