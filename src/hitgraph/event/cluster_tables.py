"""The tables of clusters and of space points: which clusters each hit is made of."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.detector import Detector
from hitgraph.event.double_sided import other_sides
from hitgraph.event.event import NO_CLUSTER, ClusterTable, Event, HitTable, Int64, SpacePointTable
from hitgraph.event.numbers import one_each, rows_of, sorted_by_id
from hitgraph.event.table_errors import Columns, refuse, row_name

NO_ROW = -1


def with_clusters(
    event: Event, columns: Mapping[str, Columns], files: Mapping[str, Place]
) -> Event:
    """The event with its tables `clusters` and `spacepoints`, checked against its hits.

    Raises InputError where one of them is missing, a hit has no row, a cluster is not there or
    on another module, and where two clusters are not on the two sides of one module.
    """
    for table, other in (("clusters", "spacepoints"), ("spacepoints", "clusters")):
        if table not in columns:
            raise InputError(
                f"{files[other]}: there is no table of {table} for it: {event.name}-spacepoints "
                f"says which of {event.name}-clusters each hit is made of; add it, or remove this"
            )
    place = files["spacepoints"]
    clusters = ClusterTable(**sorted_by_id(columns["clusters"], "cluster_id", files["clusters"]))
    advice = "every hit is made of one cluster or of two"
    ordered = one_each(columns["spacepoints"], place, event.hits.hit_id, "clusters", advice)
    points = SpacePointTable(**ordered)
    _require_known_modules(columns["clusters"], files["clusters"], event.detector)
    known = clusters.cluster_id
    for name in ("cluster_1", "cluster_2"):
        number = columns["spacepoints"][name]
        there = f"{known[0]} to {known[-1]}" if len(known) else "none"
        expected = f"one of the {len(known)} numbers in {files['clusters']}, {there},"
        refuse((rows_of(number, known) < 0) & (number != NO_CLUSTER), place, name, number, expected)
    whole = replace(event, clusters=clusters, spacepoints=points)
    require_sides(whole, place, columns["spacepoints"]["hit_id"])
    return whole


def cluster_rows(event: Event) -> NDArray[np.int64]:
    """(n_hits, 2) rows of each hit's clusters in the table of clusters, NO_ROW for no second.

    Raises InputError where the event has none.
    """
    clusters, points = require_clusters(event)
    numbers = np.stack([points.cluster_1, points.cluster_2], axis=1)
    rows = rows_of(numbers.reshape(-1), clusters.cluster_id).reshape(-1, 2)
    return np.where(numbers == NO_CLUSTER, NO_ROW, rows)


def require_clusters(event: Event) -> tuple[ClusterTable, SpacePointTable]:
    """The tables of clusters and space points, or InputError where an event has none."""
    if event.clusters is None or event.spacepoints is None:
        raise InputError(
            f"{event.name}: no clusters, so nobody knows what its hits are made of: put "
            f"{event.name}-clusters.csv and -spacepoints.csv beside the hits, or take hits as they "
            "are"
        )
    return event.clusters, event.spacepoints


def refuse_clusters(event: Event, what: str) -> None:
    """Raise InputError where the hits of an event are space points of clusters.

    `what` cannot be done then: "noise hits cannot be added".
    """
    if event.clusters is not None:
        raise InputError(
            f"{event.name}: its hits are space points made of clusters, and {what}: take events of "
            "a detector without double-sided strips"
        )


def _require_known_modules(clusters: Columns, place: Place, detector: Detector | None) -> None:
    if detector is None:
        return
    names = ("volume_id", "layer_id", "module_id")
    unknown = detector.find_modules(*(clusters[name] for name in names)) < 0
    expected = f"a module of the detectors table ({detector.n_modules} modules)"
    refuse(unknown, place, "module_id", clusters["module_id"], expected)


def require_sides(event: Event, place: Place, in_file: Int64) -> None:
    """Raise InputError where clusters of a hit are not on its module and the other side of it.

    `in_file` is hit_id row by row of the file, for messages.
    """
    clusters, points = require_clusters(event)
    rows = cluster_rows(event)
    first = _modules(event.hits, None)
    elsewhere = (first != _modules(clusters, rows[:, 0])).any(axis=1)
    second = _modules(clusters, rows[:, 1])
    paired = rows[:, 1] != NO_ROW
    if event.detector is None:  # what can be told without: one layer, two modules
        astray = (first[:, :2] != second[:, :2]).any(axis=1) | (first[:, 2] == second[:, 2])
    else:
        side = other_sides(event.detector)[event.detector.find_modules(*first.T)]
        astray = side != event.detector.find_modules(*second.T)
    for wrong, number, found, expected in (
        (elsewhere, points.cluster_1, _modules(clusters, rows[:, 0]), "of its hit"),
        (paired & astray, points.cluster_2, second, "on the other side of that of its hit"),
    ):
        if wrong.any():
            hit = int(np.argmax(wrong))
            row = int(np.flatnonzero(in_file == points.hit_id[hit])[0])
            raise InputError(
                f"{row_name(place, row)}: cluster {number[hit]} is on module {_said(found[hit])} "
                f"where the module {expected} {_said(first[hit])} is expected "
                f"({int(wrong.sum())} such hits): pair the clusters anew"
            )


def _modules(table: HitTable | ClusterTable, rows: NDArray[np.int64] | None) -> NDArray[np.int32]:
    """(n, 3) volume_id, layer_id and module_id of rows of a table, all rows without."""
    ids = np.stack([table.volume_id, table.layer_id, table.module_id], axis=1)
    return ids if rows is None else ids[rows]


def _said(module: NDArray[np.int32]) -> str:
    return "(volume {}, layer {}, module {})".format(*module.tolist())
