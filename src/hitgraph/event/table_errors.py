"""What is wrong with a table, told with its file, row and column."""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place, gunzip
from hitgraph.event.trees import Tree

Columns = dict[str, NDArray[Any]]
Types = Mapping[str, np.dtype[Any]]
Defaults = Mapping[str, float]
EXACT_IN_FLOAT = 2**53  # every integer up to here survives a trip through a 64-bit float
SAME_WORD = 0.8  # similarity of names from which one is taken for the other, damaged
USUAL_ADVICE = "correct or remove this row"
SHOWN_VALUE, SHOWN_LIST = 40, 300  # characters of a file that a message repeats


def row_name(place: Place, row: int) -> str:
    """How a message names the row with this index: counted from 1, for CSV with its line."""
    line = "" if place.name.endswith((".parquet", ".root")) else f" (line {_line_of(place, row)})"
    return f"{place}: row {row + 1}{line}"


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


def wanted_columns(names: list[str], place: Place, types: Types, optional: Defaults) -> list[str]:
    """Those of the wanted columns that the file has."""
    missing = [name for name in types if name not in names and name not in optional]
    if missing:
        found = ", ".join(name or "(unnamed)" for name in names) if any(names) else "nothing"
        where = "the tree has to have" if isinstance(place, Tree) else "the first line has to name"
        raise InputError(
            f"{place}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)} "
            f"(found: {start_of(found, SHOWN_LIST)}): {where} the columns "
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
                f"{place}: column {start_of(close[0])!r} is not known and column {name} is "
                f"missing: rename it to {name}, or remove it"
            )


def require_finite(
    values: NDArray[Any], place: Place, name: str, nan_too: bool = False
) -> NDArray[Any]:
    """The values; InputError names the first that is infinite or, without `nan_too`, NaN."""
    if values.dtype.kind == "f":
        finite = ~np.isinf(values) if nan_too else np.isfinite(values)
        if not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            raise InputError(
                f"{row_name(place, row)}: column {name} is {values[row]!s} where a finite number "
                f"is expected ({int((~finite).sum())} such rows): correct or remove them"
            )
    return values


def start_of(text: str, most: int = SHOWN_VALUE) -> str:
    """The start of a text that a file may have made long."""
    return text if len(text) <= most else f"{text[:most]}..."


def type_name(dtype: np.dtype[Any]) -> str:
    """What is expected of a column, in words."""
    bits = f"{8 * dtype.itemsize}-bit integer"
    return {"i": f"a {bits}", "u": f"an unsigned {bits}"}.get(dtype.kind, "a number")
