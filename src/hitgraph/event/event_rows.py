"""Parquet files with one event a row and, in each of its columns, a list with a number a hit."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from hitgraph.errors import InputError
from hitgraph.event.archive import Place, require_size

EVENT = "event_id"  # the column that tells the event of a row
SHOWN = 300  # characters of a file that a message repeats


@dataclass(frozen=True)
class EventRow(Place):
    """One row of such a file; messages name its event."""

    row: int = 0
    event: int = 0
    size: int = 0  # bytes, its share of the file

    def __str__(self) -> str:
        return f"{self.path}: event {self.event}"

    def read(self) -> bytes:
        """All that the file has of the event, by which it is told from others."""
        sink = pa.BufferOutputStream()
        table = _row_of(self, tuple(columns_of(self)))
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        content: bytes = sink.getvalue().to_pybytes()
        return content


def event_rows(path: Path) -> dict[int, EventRow]:
    """The rows of a file by their event_id. Raises InputError where one is there twice."""
    with _explained(path):
        file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        if EVENT not in file.schema_arrow.names:
            raise InputError(
                f"{path}: has no column {EVENT}; one event a row is expected (found: "
                f"{', '.join(file.schema_arrow.names)[:SHOWN]})"
            )
        column = file.read(columns=[EVENT], use_threads=False)[EVENT]
    if not pa.types.is_integer(column.type) or column.null_count:
        raise InputError(f"{path}: column {EVENT} holds {column.type} where numbers are expected")
    share = path.stat().st_size // max(len(column), 1)
    rows: dict[int, EventRow] = {}
    for row, event in enumerate(column.to_pylist()):
        if event in rows:
            raise InputError(
                f"{path}: rows {rows[event].row + 1} and {row + 1} are both of event {event}"
            )
        rows[event] = EventRow(path, None, row, event, share)
    return rows


def columns_of(place: EventRow) -> list[str]:
    """The names of the columns of its file."""
    with _explained(place.path):
        names: list[str] = pyarrow.parquet.read_schema(place.path).names
    return names


def read_lists(place: EventRow, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The values of some columns for this event.

    Raises InputError for a column that holds no lists, and for lists of different lengths.
    """
    table, found = _row_of(place, tuple(names)), {}
    for name in names:
        kind = table[name].type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            raise InputError(
                f"{place}: column {name} holds {str(kind)[:SHOWN]} where a list with a number a "
                "row is expected"
            )
        values = pa.compute.list_flatten(table[name])
        found[name] = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"{place}: its lists have different lengths ({told[:SHOWN]})")
    return found


def _row_of(place: EventRow, names: tuple[str, ...]) -> pa.Table:
    """The event's row of these columns. The last groups of rows are kept: events come in turn."""
    stamp = place.path.stat().st_mtime_ns
    begin = 0
    for number, size in enumerate(_sizes(place.path, stamp)):
        if place.row < begin + size:
            table = _read_group(place.path, stamp, number, names)
            return table.slice(place.row - begin, 1)
        begin += size
    raise InputError(f"{place}: has gone since the file was listed: list the events again")


@lru_cache(maxsize=64)
def _sizes(path: Path, stamp: int) -> tuple[int, ...]:  # noqa: ARG001
    """Rows of each group."""
    with _explained(path):
        metadata = pyarrow.parquet.read_metadata(path)
        return tuple(metadata.row_group(k).num_rows for k in range(metadata.num_row_groups))


@lru_cache(maxsize=2)
def _read_group(path: Path, stamp: int, number: int, names: tuple[str, ...]) -> pa.Table:  # noqa: ARG001
    with _explained(path):
        file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        require_size(max(0, file.metadata.row_group(number).total_byte_size), Place(path))
        return file.read_row_group(number, columns=list(names), use_threads=False)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What Arrow stumbles over becomes InputError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).partition("\n")[0].rstrip(".")[:SHOWN]
        raise InputError(
            f"{path}: not a parquet file, or damaged or cut short ({reason}): copy, download or "
            "make it again"
        ) from error
