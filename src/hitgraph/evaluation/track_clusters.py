"""Tracks judged on the clusters they are made of, in place of their hits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.evaluation.metrics import Metrics, evaluate
from hitgraph.event.event import Event, Int64
from hitgraph.event.numbers import rows_of
from hitgraph.event.selection import Selection
from hitgraph.event.space_points import event_of_clusters
from hitgraph.event.track_clusters import read_track_clusters, track_clusters_path


def evaluate_clusters(
    event: Event, tracks: Path, min_clusters: int, selection: Selection
) -> Metrics:
    """As `evaluate`, with clusters in place of hits; `tracks` is the event's file of tracks.

    A cluster on several tracks counts on the one with more clusters (`one_track_each`).
    """
    clusters = event_of_clusters(event)
    labels = read_cluster_labels(clusters, tracks)
    return replace(evaluate(clusters, labels, min_clusters, selection), counted="clusters")


def read_cluster_labels(clusters: Event, tracks: Path) -> Int64:
    """(n_clusters,) the track of each cluster as the file beside that of tracks says, -1 for none.

    `clusters` is the event of clusters (`event_of_clusters`), `tracks` its file of tracks. Raises
    InputError where there is no such file, and where it names a cluster that the event lacks.
    """
    name, _, suffix = tracks.name.rpartition("-tracks.")
    path = track_clusters_path(tracks.parent, name, suffix)
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such file, which says of which clusters the tracks are: "
            "`hitgraph reconstruct` writes it for events with clusters; judge them on hits else"
        )
    track, cluster = read_track_clusters(path)
    known = clusters.hits.hit_id
    row = rows_of(cluster, known)
    if (row < 0).any():
        there = f"{known[0]} to {known[-1]}" if len(known) else "none"
        raise InputError(
            f"{path}: cluster {cluster[row < 0][0]} is none of the {len(known)} clusters of "
            f"{clusters.name}, {there} ({int((row < 0).sum())} of {len(row)} are not): these are "
            "tracks of another event"
        )
    return one_track_each(len(known), row, track)


def one_track_each(n_clusters: int, row: Int64, track: NDArray[np.integer]) -> Int64:
    """(n_clusters,) labels out of pairs (n,): a shared cluster goes to the track with more of them.

    Of tracks with equally many, to that of the lower number.
    """
    _, place, sizes = np.unique(track, return_inverse=True, return_counts=True)
    order = np.lexsort((-track, sizes[place]))  # the last one wins
    labels = np.full(n_clusters, -1, np.int64)
    labels[row[order]] = track[order]
    return labels
