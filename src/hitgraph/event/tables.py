"""Columns out of CSV, parquet and ROOT, each with the type asked for, or a clear error."""

import difflib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from hitgraph.errors import InputError, printable
from hitgraph.event.archive import Place, gunzip, require_size
from hitgraph.event.event_rows import EventRow, columns_of, read_lists
from hitgraph.event.trees import Tree, branches_of, read_branches

Columns = dict[str, NDArray[Any]]
Types = Mapping[str, np.dtype[Any]]
Defaults = Mapping[str, float]

EXACT_IN_FLOAT = 2**53  # every integer up to here survives a trip through a 64-bit float
_log = logging.getLogger(__name__)

BYTES_PER_VALUE = 8
SAME_WORD = 0.8  # similarity of names from which one is taken for the other, damaged
USUAL_ADVICE = "correct or remove this row"
SHOWN_VALUE, SHOWN_LIST = 40, 300  # characters of a file that a message repeats


def read_columns(
    place: Place,
    types: Types,
    optional: Defaults | None = None,
    fill: Defaults | None = None,
    meanings: Mapping[str, str] | None = None,
) -> Columns:
    """The columns named in `types`, as numpy arrays of those dtypes, rows in file order.

    Parquet or CSV (gzipped or not) by the file's name, a tree of a ROOT file, or one event of a
    file of many. Other columns are ignored, and so is the order of columns. A column named in
    `optional` may be missing: it is that number in every row. A column named in `fill` may have
    empty cells and NaN: they become that number, which may be NaN. `meanings` says what is expected
    of a column where a number does not fit into its type.
    Raises InputError for missing or repeated columns, a value of another kind, an empty cell, NaN
    and infinity, and for tables too large to be right.
    """
    optional, fill, meanings = optional or {}, fill or {}, meanings or {}
    if isinstance(place, Tree):
        wanted = _wanted_columns(branches_of(place), place, types, optional)
        found = _from_values(read_branches(place, wanted), place, types, fill, meanings)
    elif isinstance(place, EventRow):
        wanted = _wanted_columns(columns_of(place), place, types, optional)
        found = _from_values(read_lists(place, wanted), place, types, fill, meanings)
    elif place.name.endswith(".parquet"):
        found = _from_parquet(place.read(), place, types, optional, fill, meanings)
    else:
        found = _from_csv(gunzip(place.read(), place), place, types, optional, fill, meanings)
    length = len(next(iter(found.values())))
    missing = set(types) - set(found)
    added = {name: np.full(length, optional[name], types[name]) for name in missing}
    return {name: (found | added)[name] for name in types}


def row_name(place: Place, row: int) -> str:
    """How a message names the row with this index: counted from 1, for CSV with its line."""
    line = "" if place.name.endswith((".parquet", ".root")) else f" (line {_line_of(place, row)})"
    return f"{place}: row {row + 1}{line}"


def header_names(place: Place) -> list[str]:
    """The names of the columns of a CSV file."""
    return _header(gunzip(place.read(), place))[0]


def refuse(
    bad: NDArray[np.bool_],
    place: Place,
    name: str,
    values: NDArray[Any],
    expected: str,
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Raise InputError naming the first value that is `bad`, where one is.

    `rows` are those of the values in the file where they are not all of them.
    """
    if bad.any():
        first, more = int(np.argmax(bad)), int(bad.sum())
        row = first if rows is None else int(rows[first])
        raise InputError(
            f"{row_name(place, row)}: column {name} is {values[first]!s} where {expected} is "
            "expected" + (f" ({more} such rows)" if more > 1 else "")
        )


def _line_of(place: Place, row: int) -> int:
    """Line of a CSV file on which a row stands; empty lines between them are no rows."""
    try:
        lines = gunzip(place.read(), place).splitlines()
    except InputError:  # it was there a moment ago
        return row + 2
    rows = (number for number, line in enumerate(lines[1:], start=2) if line)
    return next((number for index, number in enumerate(rows) if index == row), row + 2)


def _from_csv(
    data: bytes,
    place: Place,
    types: Types,
    optional: Defaults,
    fill: Defaults,
    meanings: Mapping[str, str],
) -> Columns:
    _require_utf8(data, place)
    names, start = _header(data)
    wanted = _wanted_columns(names, place, types, optional)
    if not data.endswith((b"\n", b"\r")):
        _log.warning(
            "%s", printable(f"{place}: the last line has no end: the file may be cut short")
        )
    if not data[start:].strip():
        return {name: np.empty(0, types[name]) for name in wanted}
    try:
        table = _parse_csv(data, names, {n: pa.from_numpy_dtype(types[n]) for n in wanted})
    except pa.ArrowInvalid:
        # something does not parse: take the text and convert each column with care
        table = _text_table(data, place, names, wanted)
        texts = {name: table[name].combine_chunks() for name in wanted}
        return {
            name: _from_text(text, place, name, types[name], fill, meanings.get(name))
            for name, text in texts.items()
        }
    columns = {}
    for name in wanted:
        column = table[name]
        if column.null_count:
            text = _text_table(data, place, names, [name])[name].combine_chunks()
            columns[name] = _from_text(text, place, name, types[name], fill, meanings.get(name))
        else:
            columns[name] = _require_finite(column.to_numpy(), place, name)
    return columns


def _require_utf8(data: bytes, place: Place) -> None:
    if data.isascii():
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(data[: error.start + 1].splitlines())
        raise InputError(
            f"{place}: line {line} is not UTF-8 text (byte {data[error.start]:#04x} at offset "
            f"{error.start}): expected a CSV table; save it as UTF-8"
        ) from error


def _header(data: bytes) -> tuple[list[str], int]:
    """Column names, and where the rows start. Lines may end in \\n, \\r\\n or \\r."""
    end = data.find(b"\n")
    start = len(data) if end < 0 else end + 1
    old = data.find(b"\r", 0, start)
    if old >= 0 and data[old + 1 : old + 2] != b"\n":
        start = old + 1
    line = data[:start].decode("utf-8-sig", errors="replace").strip()
    return [name.strip().strip('"') for name in line.split(",")], start


def _wanted_columns(names: list[str], place: Place, types: Types, optional: Defaults) -> list[str]:
    """Those of the wanted columns that the file has."""
    missing = [name for name in types if name not in names and name not in optional]
    if missing:
        found = ", ".join(name or "(unnamed)" for name in names) if any(names) else "nothing"
        where = "the tree has to have" if isinstance(place, Tree) else "the first line has to name"
        raise InputError(
            f"{place}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)} "
            f"(found: {_short(found, SHOWN_LIST)}): {where} the columns "
            f"{', '.join(name for name in types if name not in optional)}"
        )
    repeated = [name for name in types if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"{place}: column {repeated[0]} is there {names.count(repeated[0])} times: keep one"
        )
    _require_no_misspelling(names, place, types)
    return [name for name in types if name in names]


def _require_no_misspelling(names: list[str], place: Place, types: Types) -> None:
    """Raise InputError where a column that may be missing is there under a damaged name."""
    unknown = [name for name in names if name not in types]
    for name in types if unknown else ():
        close = [] if name in names else difflib.get_close_matches(name, unknown, 1, SAME_WORD)
        if close:
            raise InputError(
                f"{place}: column {_short(close[0])!r} is not known and column {name} is missing: "
                f"rename it to {name}, or remove it"
            )


def _parse_csv(data: bytes, names: list[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    # columns that nobody asked for get names by position: theirs may be empty or repeated
    unique = [name if name in types else f"#{place}" for place, name in enumerate(names)]
    return pyarrow.csv.read_csv(
        pa.BufferReader(data),
        # A process that ends soon after a read in several threads is sometimes aborted by Arrow.
        read_options=pyarrow.csv.ReadOptions(column_names=unique, skip_rows=1, use_threads=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=True
        ),
    )


def _text_table(data: bytes, place: Place, names: list[str], wanted: Iterable[str]) -> pa.Table:
    try:
        return _parse_csv(data, names, dict.fromkeys(wanted, pa.string()))
    except pa.ArrowInvalid as error:
        for number, line in enumerate(data.splitlines(), start=1):
            values = line.count(b",") + 1
            if line and values != len(names):
                raise InputError(
                    f"{place}: line {number} has {values} values where the first line names "
                    f"{len(names)} columns: the file may be cut short; copy or download it again"
                ) from error
        raise InputError(
            f"{place}: is not a CSV table ({_short(str(error), SHOWN_LIST)})"
        ) from error


def _from_text(
    text: pa.StringArray,
    place: Place,
    name: str,
    dtype: np.dtype[Any],
    fill: Defaults,
    meaning: str | None,
) -> NDArray[Any]:
    """Numbers of one column from its text, where the quick way failed."""
    if text.null_count:
        if name not in fill:
            row = int(np.flatnonzero(text.is_null())[0])
            raise InputError(
                f"{row_name(place, row)}: column {name} has no value (empty or NaN) where "
                f"{_kind(dtype)} is expected: correct or remove this row"
            )
        text = text.fill_null(str(fill[name]))
    try:
        values = text.cast(pa.from_numpy_dtype(dtype)).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = _slow_numbers(text.to_pylist(), place, name, dtype, meaning)
    return _require_finite(values, place, name, name in fill)


def _slow_numbers(
    texts: list[str], place: Place, name: str, dtype: np.dtype[Any], meaning: str | None
) -> NDArray[Any]:
    """Also takes whole numbers written as floats (7.0), as long as no digit can be lost."""
    values = []
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    for row, text in enumerate(texts):
        number = _number(text.strip(), dtype)
        if number is None or (limits and not limits.min <= number <= limits.max):
            impossible = meaning is not None and _is_large(text, dtype)
            expected = meaning if impossible else _kind(dtype)
            advice = USUAL_ADVICE if impossible else _advice(text, dtype)
            raise InputError(
                f"{row_name(place, row)}: column {name} is {_short(text)!r} where {expected} is "
                f"expected: {advice}"
            )
        values.append(number)
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
        return np.array(values, dtype if limits else float).astype(dtype)


def _number(text: str, dtype: np.dtype[Any]) -> int | float | None:
    if "_" in text:  # Python's own thousands separator
        return None
    try:
        return int(text) if dtype.kind in "iu" else float(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    exact = dtype.kind in "iu" and value.is_integer() and abs(value) <= EXACT_IN_FLOAT
    return int(value) if exact else None


def _is_large(text: str, dtype: np.dtype[Any]) -> bool:
    """Whether it is a number that integers of this type, or of 64-bit floats, do not reach."""
    try:
        return dtype.kind in "iu" and abs(float(text)) > min(np.iinfo(dtype).max, EXACT_IN_FLOAT)
    except ValueError:
        return False


def _advice(text: str, dtype: np.dtype[Any]) -> str:
    large = _is_large(text, dtype)
    if large and text.strip().lstrip("+-").isdecimal():
        return "it does not fit; if these are unsigned identifiers, number them anew from 1"
    if large:
        return "its last digits were lost on the way through a float; write the table again"
    return USUAL_ADVICE


def _from_parquet(
    data: bytes,
    place: Place,
    types: Types,
    optional: Defaults,
    fill: Defaults,
    meanings: Mapping[str, str],
) -> Columns:
    try:
        file = pyarrow.parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        wanted = _wanted_columns(file.schema_arrow.names, place, types, optional)
        _require_small(file.metadata, len(wanted), place)
        # with threads, Arrow now and then aborts a process that ends soon (apache/arrow 34314)
        table = file.read(columns=wanted, use_threads=False)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = _short(str(error).partition("\n")[0].rstrip("."), SHOWN_LIST)
        raise InputError(
            f"{place}: not a parquet file, or damaged or cut short ({reason}): "
            "copy, download or make it again"
        ) from error
    values = {name: table[name] for name in wanted}
    return _from_values(values, place, types, fill, meanings)


def _from_values(
    values: Mapping[str, pa.ChunkedArray],
    place: Place,
    types: Types,
    fill: Defaults,
    meanings: Mapping[str, str],
) -> Columns:
    return {
        name: _from_arrow(column, place, name, types[name], fill, meanings.get(name))
        for name, column in values.items()
    }


def _require_small(metadata: Any, n_columns: int, place: Place) -> None:
    """Raise InputError before columns are decompressed that take more memory than is allowed.

    Sizes of single columns are not asked for: Arrow aborts the process where their statistics
    are damaged.
    """
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(max(0, group.num_rows) for group in groups))
    unpacked = sum(max(0, group.total_byte_size) for group in groups)
    require_size(max(unpacked, BYTES_PER_VALUE * rows * n_columns), place)


def _from_arrow(
    column: pa.ChunkedArray,
    place: Place,
    name: str,
    dtype: np.dtype[Any],
    fill: Defaults,
    meaning: str | None,
) -> NDArray[Any]:
    target = pa.from_numpy_dtype(dtype)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InputError(
            f"{place}: column {name} holds {_short(str(kind))} values where {_kind(dtype)} is "
            "expected"
        )
    if column.null_count:
        if name not in fill:
            row = int(np.flatnonzero(column.is_null())[0])
            raise InputError(
                f"{row_name(place, row)}: column {name} has no value where {_kind(dtype)} is "
                "expected: correct or remove this row"
            )
        if pa.types.is_floating(target):
            column = column.cast(pa.float64())
        column = column.fill_null(fill[name])
    if pa.types.is_integer(target) and pa.types.is_floating(kind):
        values = column.to_numpy()
        if name in fill:
            values = np.where(np.isnan(values), fill[name], values)
        _require_fitting(values, place, name, dtype, meaning)
        bad = ~((np.abs(values) <= EXACT_IN_FLOAT) & (values == np.rint(values)))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"{row_name(place, row)}: column {name} is {values[row]} where {_kind(dtype)} is "
                "expected: write the table again with integers"
            )
        column = pa.chunked_array([pa.array(values.astype(np.int64))])
    elif pa.types.is_integer(target):
        _require_fitting(column.to_numpy(), place, name, dtype, meaning)
    values = column.cast(target, safe=pa.types.is_integer(target)).to_numpy()
    return _require_finite(values, place, name, name in fill)


def _require_fitting(
    values: NDArray[Any], place: Place, name: str, dtype: np.dtype[Any], meaning: str | None
) -> None:
    limits = np.iinfo(dtype)
    large = (values < limits.min) | (values > limits.max)
    refuse(large, place, name, values, meaning or _kind(dtype))


def _require_finite(
    values: NDArray[Any], place: Place, name: str, nan_too: bool = False
) -> NDArray[Any]:
    if values.dtype.kind == "f":
        finite = ~np.isinf(values) if nan_too else np.isfinite(values)
        if not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            raise InputError(
                f"{row_name(place, row)}: column {name} is {values[row]!s} where a finite number "
                f"is expected ({int((~finite).sum())} such rows): correct or remove them"
            )
    return values


def _short(text: str, most: int = SHOWN_VALUE) -> str:
    """The start of a text that a file may have made long."""
    return text if len(text) <= most else f"{text[:most]}..."


def _kind(dtype: np.dtype[Any]) -> str:
    bits = f"{8 * dtype.itemsize}-bit integer"
    return {"i": f"a {bits}", "u": f"an unsigned {bits}"}.get(dtype.kind, "a number")
