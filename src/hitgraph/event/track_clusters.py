"""Tracks as the clusters they are made of, beside the files of tracks that name hits."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.cluster_tables import NO_ROW, cluster_rows, require_clusters
from hitgraph.event.event import Event, Int64, number_of
from hitgraph.event.table_errors import row_name
from hitgraph.event.tables import read_columns
from hitgraph.event.trackml import write_table
from hitgraph.event.trees import Tree

TREE = "trackclusters"  # of a ROOT file


def track_clusters_path(folder: Path, event: str, suffix: str) -> Path:
    """Where the clusters of an event's tracks stand: `<event>-trackclusters.csv`, for example."""
    return folder / f"{event}-trackclusters.{suffix}"


def clusters_on_tracks(event: Event, labels: NDArray[np.integer]) -> tuple[Int64, Int64]:
    """Track and cluster_id (n,) of every cluster on a track, each pair once, sorted by both.

    `labels` (n_hits,) is the track of each hit, below zero for none. Hits of a track that share a
    cluster give it once; hits of different tracks that do give it to each of them. Raises
    InputError where the event has no clusters.
    """
    clusters, _ = require_clusters(event)
    rows = cluster_rows(event)
    track = np.repeat(labels.astype(np.int64), 2)
    row = rows.reshape(-1)
    on = (track >= 0) & (row != NO_ROW)
    pairs = np.unique(np.stack([track[on], row[on]], axis=1), axis=0)
    return pairs[:, 0], clusters.cluster_id[pairs[:, 1]]


def shared_clusters(cluster_id: Int64) -> float:
    """Share of the clusters on tracks that are on several, of the pairs `clusters_on_tracks`."""
    counts = np.unique(cluster_id, return_counts=True)[1]
    return float(np.mean(counts > 1)) if len(counts) else 0.0


def write_track_clusters(
    path: str | Path, event_name: str, track_id: Int64, cluster_id: Int64
) -> None:
    """Write event_id, track_id, cluster_id, one row a cluster of a track; formats by the suffix.

    `track_id` (n,) counts from 1, as in the file of tracks.
    """
    event_id = np.full(len(track_id), number_of(event_name), np.int64)
    columns = {"event_id": event_id, "track_id": track_id, "cluster_id": cluster_id}
    write_table(path, columns, TREE)


def read_track_clusters(path: str | Path) -> tuple[Int64, Int64]:
    """track_id and cluster_id (n,) of the tracks of one event, rows in file order.

    Raises InputError for a track below 1, a cluster that is twice on a track and several events.
    """
    path = Path(path)
    place = Tree(path, tree=TREE) if path.suffix == ".root" else Place(path)
    types = dict.fromkeys(("event_id", "track_id", "cluster_id"), np.dtype(np.int64))
    columns = read_columns(place, types, optional={"event_id": 0})
    event, track, cluster = (columns[name] for name in types)
    pairs = np.stack([track, cluster], axis=1)
    first = np.unique(pairs, axis=0, return_index=True)[1]
    again = np.ones(len(pairs), bool)
    again[first] = False
    for bad, what in (
        (event != event[:1], "is of another event than the first row: split the file by event_id"),
        (track < 1, "names no track: tracks count from 1; leave out clusters on none"),
        (again, "is there before: a cluster is on a track once"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{row_name(place, row)}: cluster {cluster[row]} on track {track[row]} {what} "
                f"({int(bad.sum())} such rows)"
            )
    return track, cluster
