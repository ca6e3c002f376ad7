"""Columns out of parquet, and out of what Arrow holds in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place, require_size
from hitgraph.event.table_errors import (
    EXACT_IN_FLOAT,
    SHOWN_LIST,
    Columns,
    Defaults,
    Types,
    refuse,
    require_finite,
    row_name,
    start_of,
    type_name,
    wanted_columns,
)

BYTES_PER_VALUE = 8


def from_parquet(
    data: bytes,
    place: Place,
    types: Types,
    optional: Defaults,
    fill: Defaults,
    meanings: Mapping[str, str],
) -> Columns:
    """The wanted columns of a parquet file; `read_columns` says which errors there are."""
    try:
        file = pyarrow.parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        wanted = wanted_columns(file.schema_arrow.names, place, types, optional)
        _require_small(file.metadata, len(wanted), place)
        # with threads, Arrow now and then aborts a process that ends soon (apache/arrow 34314)
        table = file.read(columns=wanted, use_threads=False)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = start_of(str(error).partition("\n")[0].rstrip("."), SHOWN_LIST)
        raise InputError(
            f"{place}: not a parquet file, or damaged or cut short ({reason}): "
            "copy, download or make it again"
        ) from error
    values = {name: table[name] for name in wanted}
    return from_values(values, place, types, fill, meanings)


def from_values(
    values: Mapping[str, pa.ChunkedArray],
    place: Place,
    types: Types,
    fill: Defaults,
    meanings: Mapping[str, str],
) -> Columns:
    """Columns of Arrow as numpy arrays of their types."""
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
            f"{place}: column {name} holds {start_of(str(kind))} values where "
            f"{type_name(dtype)} is expected"
        )
    if column.null_count:
        if name not in fill:
            row = int(np.flatnonzero(column.is_null())[0])
            raise InputError(
                f"{row_name(place, row)}: column {name} has no value where {type_name(dtype)} is "
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
                f"{row_name(place, row)}: column {name} is {values[row]} where "
                f"{type_name(dtype)} is expected: write the table again with integers"
            )
        column = pa.chunked_array([pa.array(values.astype(np.int64))])
    elif pa.types.is_integer(target):
        _require_fitting(column.to_numpy(), place, name, dtype, meaning)
    values = column.cast(target, safe=pa.types.is_integer(target)).to_numpy()
    return require_finite(values, place, name, name in fill)


def _require_fitting(
    values: NDArray[Any], place: Place, name: str, dtype: np.dtype[Any], meaning: str | None
) -> None:
    limits = np.iinfo(dtype)
    large = (values < limits.min) | (values > limits.max)
    refuse(large, place, name, values, meaning or type_name(dtype))
