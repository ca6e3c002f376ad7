"""How well clusters of hits are those of the truth, whatever they are of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


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
