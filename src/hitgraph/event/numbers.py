"""Rows of tables found by their numbers: hit_id, particle_id, cluster_id."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.event import Int64
from hitgraph.event.table_errors import Columns, row_name


def one_each(columns: Columns, place: Place, hit_id: Int64, what: str, advice: str) -> Columns:
    """Rows in the order of the hits. Raises InputError where one is of no hit, or a hit has none.

    `hit_id` (n_hits,) rises.
    """
    ordered = sorted_by_id(columns, "hit_id", place)
    require_hits(columns["hit_id"], place, hit_id)
    if len(columns["hit_id"]) < len(hit_id):
        lacking = np.setdiff1d(hit_id, columns["hit_id"])
        raise InputError(
            f"{place}: no {what} for {len(lacking)} of {len(hit_id)} hits (the first is hit_id "
            f"{lacking[0]}): {advice}"
        )
    return ordered


def require_hits(wanted: Int64, place: Place, hit_id: Int64) -> Int64:
    """Row of each wanted hit_id among the (rising) hit_id."""
    row = rows_of(wanted, hit_id)
    unknown = row < 0
    if unknown.any():
        first = int(np.argmax(unknown))
        raise InputError(
            f"{row_name(place, first)}: hit_id {wanted[first]} is not in the table of hits "
            f"({int(unknown.sum())} such rows): the tables must be of the same event"
        )
    return row


def rows_of(wanted: Int64, ids: Int64) -> Int64:
    """Index of each wanted id among the (rising, different) ids; -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    first, last = int(ids[0]), int(ids[-1])
    span = last - first + 1
    if span > 8 * len(ids) or max(-first, last) > 2**62:  # sparse, or close to overflow
        row = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return np.where(ids[row] == wanted, row, -1)
    table = np.full(span + 2, -1)  # one slot before and one behind for ids out of range
    table[ids - (first - 1)] = np.arange(len(ids))
    return table[np.clip(wanted, first - 1, first + span) - (first - 1)]


def sorted_by_id(columns: Columns, name: str, place: Place) -> Columns:
    """Rows by rising id. Raises InputError if one is there twice."""
    ids: NDArray[Any] = columns[name]
    if (ids[1:] > ids[:-1]).all():
        return columns
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(repeated):
        first, second = order[repeated[0]], order[repeated[0] + 1]
        raise InputError(
            f"{row_name(place, int(second))}: {name} {ids[second]} is already in row {first + 1} "
            f"({len(repeated)} such rows): each may be there once"
        )
    return {name: values[order] for name, values in columns.items()}
