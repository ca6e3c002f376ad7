"""How well clusters of hits are those of the truth, whatever they are of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


class Shares(NamedTuple):
    """The two sides of a clustering, for objects and for clusters, by rising numbers."""

    object_id: Int64  # (n_objects,)
    completeness: Float64  # (n_objects,) share of its hits in the cluster that has most of them
    cluster: Int64  # (n_clusters,)
    purity: Float64  # (n_clusters,) share of its hits that are of the object with most of them
    sizes: Int64  # (n_clusters,) hits


def adjusted_rand(truth: Int64, found: Int64) -> float:
    """The adjusted Rand index of two groupings (n,) of the same hits: 1 where they are the same.

    Pairs of hits that both put together, over what chance would, of what is possible (Hubert and
    Arabie, J. Classification 2 (1985) 193, equation 5). NaN for fewer than two hits.
    """
    if len(truth) < 2:
        return float("nan")
    _, both = np.unique(np.stack([truth, found]), axis=1, return_counts=True)
    together, of_truth, of_found = (
        _pairs(counts)
        for counts in (
            both,
            np.unique(truth, return_counts=True)[1],
            np.unique(found, return_counts=True)[1],
        )
    )
    by_chance = of_truth * of_found / _pairs(np.array([len(truth)]))
    most = (of_truth + of_found) / 2
    return float((together - by_chance) / (most - by_chance)) if most != by_chance else 1.0


class Matches(NamedTuple):
    """Which objects and clusters are each other's, by rising numbers."""

    found: Bool  # (n_objects,)
    real: Bool  # (n_clusters,) no fake


def matches(truth: Int64, found: Int64, weight: Float64, nothing: int) -> Matches:
    """Objects of `truth` and clusters of `found`, (n_hits,) each, that match.

    They do where the weight (n_hits,) of the hits in both is more than half of that of the hits in
    either. Hits of the object `nothing` belong to none, those with a label below 0 to no cluster.
    """
    real, on = truth != nothing, found >= 0
    objects, row = np.unique(truth[real], return_inverse=True)
    clusters, column = np.unique(found[on], return_inverse=True)
    place = np.full((2, len(truth)), -1)
    place[0, real], place[1, on] = row, column
    pairs, which = np.unique(place[:, real & on], axis=1, return_inverse=True)
    both = np.bincount(which.reshape(-1), weight[real & on], pairs.shape[1])
    of_object = np.bincount(row, weight[real], len(objects))[pairs[0]]
    of_cluster = np.bincount(column, weight[on], len(clusters))[pairs[1]]
    good = pairs[:, 2 * both > of_object + of_cluster - both]
    return Matches(
        np.isin(np.arange(len(objects)), good[0]), np.isin(np.arange(len(clusters)), good[1])
    )


def recognition_quality(truth: Int64, found: Int64, weight: Float64, nothing: int) -> float:
    """Matches over the mean number of objects and clusters: the RQ of arXiv 1801.00868, equation 2.

    The harmonic mean of the efficiency and of the share of clusters that are no fakes; arguments
    are those of `matches`. NaN without objects and clusters.
    """
    pairs = matches(truth, found, weight, nothing)
    total = len(pairs.found) + len(pairs.real)
    return 2 * int(pairs.found.sum()) / total if total else float("nan")


def singles(labels: Int64) -> Int64:
    """(n_hits,) the labels, and a label of its own for each hit that has none (-1).

    So that nothing is gained by leaving hits out.
    """
    alone = labels < 0
    own = labels.copy()
    own[alone] = labels.max(initial=-1) + 1 + np.arange(alone.sum())
    return own


def shares(truth: Int64, found: Int64, nothing: int) -> Shares:
    """Completeness of the objects `truth` and purity of the clusters `found`, (n_hits,) each.

    Hits of the object `nothing` belong to none: they count in the clusters that they are in, which
    are never theirs. Hits with a label below 0 are in no cluster.
    """
    real, on = truth != nothing, found >= 0
    object_id, n_hits = np.unique(truth[real], return_counts=True)
    cluster, sizes = np.unique(found[on], return_counts=True)
    pairs, counts = np.unique(np.stack([truth, found])[:, real & on], axis=1, return_counts=True)
    best, main = np.zeros(len(object_id)), np.zeros(len(cluster))
    np.maximum.at(best, np.searchsorted(object_id, pairs[0]), counts)
    np.maximum.at(main, np.searchsorted(cluster, pairs[1]), counts)
    return Shares(object_id, best / n_hits, cluster, main / sizes, sizes)


def _pairs(counts: Int64) -> float:
    return float((counts * (counts - 1) / 2).sum())
