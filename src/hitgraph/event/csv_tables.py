"""Columns out of CSV: quickly, and with care where something does not parse."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from hitgraph.errors import InputError, printable
from hitgraph.event.archive import Place
from hitgraph.event.table_errors import (
    EXACT_IN_FLOAT,
    SHOWN_LIST,
    USUAL_ADVICE,
    Columns,
    Defaults,
    Types,
    require_finite,
    row_name,
    start_of,
    type_name,
    wanted_columns,
)

_log = logging.getLogger(__name__)


def from_csv(
    data: bytes,
    place: Place,
    types: Types,
    optional: Defaults,
    fill: Defaults,
    meanings: Mapping[str, str],
) -> Columns:
    """The wanted columns of a CSV file; `read_columns` says which errors there are."""
    _require_utf8(data, place)
    names, start = header_of(data)
    wanted = wanted_columns(names, place, types, optional)
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
            columns[name] = require_finite(column.to_numpy(), place, name)
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


def header_of(data: bytes) -> tuple[list[str], int]:
    """Column names, and where the rows start. Lines may end in \\n, \\r\\n or \\r."""
    end = data.find(b"\n")
    start = len(data) if end < 0 else end + 1
    old = data.find(b"\r", 0, start)
    if old >= 0 and data[old + 1 : old + 2] != b"\n":
        start = old + 1
    line = data[:start].decode("utf-8-sig", errors="replace").strip()
    return [name.strip().strip('"') for name in line.split(",")], start


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
            f"{place}: is not a CSV table ({start_of(str(error), SHOWN_LIST)})"
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
                f"{type_name(dtype)} is expected: correct or remove this row"
            )
        text = text.fill_null(str(fill[name]))
    try:
        values = text.cast(pa.from_numpy_dtype(dtype)).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = _slow_numbers(text.to_pylist(), place, name, dtype, meaning)
    return require_finite(values, place, name, name in fill)


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
            expected = meaning if impossible else type_name(dtype)
            advice = USUAL_ADVICE if impossible else _advice(text, dtype)
            raise InputError(
                f"{row_name(place, row)}: column {name} is {start_of(text)!r} where {expected} is "
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
