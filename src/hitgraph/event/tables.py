"""Columns out of CSV, parquet and ROOT, each with the type asked for, or a clear error."""

from collections.abc import Mapping

import numpy as np

from hitgraph.event.archive import Place, gunzip
from hitgraph.event.arrow_tables import from_parquet, from_values
from hitgraph.event.csv_tables import from_csv, header_of
from hitgraph.event.event_rows import EventRow, columns_of, read_lists
from hitgraph.event.table_errors import Columns, Defaults, Types, wanted_columns
from hitgraph.event.trees import Tree, branches_of, read_branches


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
        wanted = wanted_columns(branches_of(place), place, types, optional)
        found = from_values(read_branches(place, wanted), place, types, fill, meanings)
    elif isinstance(place, EventRow):
        wanted = wanted_columns(columns_of(place), place, types, optional)
        found = from_values(read_lists(place, wanted), place, types, fill, meanings)
    elif place.name.endswith(".parquet"):
        found = from_parquet(place.read(), place, types, optional, fill, meanings)
    else:
        found = from_csv(gunzip(place.read(), place), place, types, optional, fill, meanings)
    length = len(next(iter(found.values())))
    missing = set(types) - set(found)
    added = {name: np.full(length, optional[name], types[name]) for name in missing}
    return {name: (found | added)[name] for name in types}


def header_names(place: Place) -> list[str]:
    """The names of the columns of a CSV file."""
    return header_of(gunzip(place.read(), place))[0]
