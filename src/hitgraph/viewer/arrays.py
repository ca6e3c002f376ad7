"""Columns of numbers inside a page: compressed, in base64, with a list of where each begins."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTHS = (np.uint8, np.uint16, np.int32, np.int64)
_ALIGNED = 8  # bytes; JavaScript reads a column only from a multiple of its width


def packed(columns: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The columns as JSON: {"columns": [[name, type, offset, length], ...], "bytes": base64}.

    Integers get the narrowest type that holds them, other numbers float32; the bytes are
    compressed by zlib, little endian. `read_columns` in data.js is the way back.
    """
    entries, parts, offset = [], [], 0
    for name, column in columns.items():
        narrow = _narrowed(np.ascontiguousarray(column).reshape(-1))
        data = narrow.astype(narrow.dtype.newbyteorder("<")).tobytes()
        data += bytes(-len(data) % _ALIGNED)
        entries.append([name, narrow.dtype.name, offset, len(narrow)])
        parts.append(data)
        offset += len(data)
    content = base64.b64encode(zlib.compress(b"".join(parts), 9)).decode("ascii")
    return {"columns": entries, "bytes": content}


def _narrowed(column: NDArray[Any]) -> NDArray[Any]:
    if not np.issubdtype(column.dtype, np.integer):
        return column.astype(np.float32 if column.dtype != np.bool_ else np.uint8)
    low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
    fitting = (t for t in _WIDTHS if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return column.astype(next(fitting))
