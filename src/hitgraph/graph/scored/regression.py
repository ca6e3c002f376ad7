"""Learning the score of a pair: additive logistic regression on binned variables.

The score of a pair is the logit of being a true edge, written as a sum of one table entry for
each variable (a generalised additive model), with tables of its own for each layer pair. Every
pass goes through the variables in turn and moves each table entry by a damped Newton step, so
the entries share what correlated variables both know, which a product of likelihood ratios
would count twice.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hitgraph.graph.scored.values import N_BINS
from hitgraph.kernels.scalars import within

PASSES = 12
_STEP = 0.6  # of a Newton step
_MAX_STEP = 1.0
_PRIOR = 2.0  # pulls an entry towards zero like this many pairs of probability 1/2 times four
_FLAT = 1e-6


def binning(
    values: NDArray[np.float32], window: NDArray[np.int64], n_windows: int, tail: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Equal bins between the `tail` quantiles of the true edges of each layer pair.

    values (n_variables, n_true), window (n_true,) the layer pair of each. Returns low and scale
    (n_windows, n_variables): bin = (value - low) * scale, the first and last bin take the rest.
    """
    low = np.zeros((n_windows, len(values)), np.float32)
    scale = np.ones((n_windows, len(values)), np.float32)
    order = np.argsort(window, kind="stable")
    edges = np.searchsorted(window[order], np.arange(n_windows + 1))
    for w in range(n_windows):
        members = order[edges[w] : edges[w + 1]]
        if len(members) == 0:
            continue
        first, last = np.quantile(values[:, members], [tail, 1.0 - tail], axis=1)
        width = np.maximum((last - first) / (N_BINS - 2), _FLAT * (1.0 + np.abs(first)))
        low[w] = first - width
        scale[w] = 1.0 / width
    return low, scale


@njit(cache=True)
def bins_of(values, window, low, scale):  # type: ignore[no-untyped-def]
    """(n_variables, n_pairs) uint8 table bins; arguments as of `binning`."""
    bins = np.empty(values.shape, np.uint8)
    for v in range(values.shape[0]):
        for k in range(values.shape[1]):
            place = (values[v, k] - low[window[k], v]) * scale[window[k], v]
            bins[v, k] = int(within(place, np.float32(0.0), np.float32(N_BINS - 1)))
    return bins


def fit_tables(
    bins: NDArray[np.uint8],
    truth: NDArray[np.float32],
    weight: NDArray[np.float32],
    window: NDArray[np.int64],
    n_windows: int,
    offset: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Base (n_windows,) and tables (n_windows, n_variables, N_BINS) of the logit less its offset.

    bins (n_variables, n_pairs), truth in {0, 1}, weight how many pairs a pair stands for,
    offset what is known of its logit beforehand.
    """
    n_true = np.bincount(window, weights=weight * truth, minlength=n_windows)
    n_all = np.bincount(window, weights=weight, minlength=n_windows)
    base = np.log((n_true + 0.5) / (n_all - n_true + 0.5)).astype(np.float32)
    tables = np.zeros((n_windows, len(bins), N_BINS), np.float32)
    score = base[window] + offset
    for _ in range(PASSES):
        for variable in range(len(bins)):
            _newton_step(bins[variable], truth, weight, window, score, tables[:, variable])
    return base, tables


@njit(cache=True, fastmath=True)
def _newton_step(bins, truth, weight, window, score, table):  # type: ignore[no-untyped-def]
    """Move the entries of one variable's tables, and the scores with them."""
    gradient = np.zeros(table.shape)
    curvature = np.zeros(table.shape)
    for k in range(len(bins)):
        probability = np.float32(1.0) / (np.float32(1.0) + np.exp(-score[k]))
        w, b = window[k], bins[k]
        gradient[w, b] += weight[k] * (truth[k] - probability)
        curvature[w, b] += weight[k] * probability * (np.float32(1.0) - probability)
    step = np.empty_like(table)
    for w in range(table.shape[0]):
        for b in range(table.shape[1]):
            move = gradient[w, b] - _PRIOR * table[w, b]
            move *= _STEP / (curvature[w, b] + _PRIOR)
            step[w, b] = min(max(move, -_MAX_STEP), _MAX_STEP)
            table[w, b] += step[w, b]
    for k in range(len(bins)):
        score[k] += step[window[k], bins[k]]


@njit(cache=True)
def scores_of(bins, window, base, tables):  # type: ignore[no-untyped-def]
    """(n_pairs,) float32 score of each pair."""
    score = np.empty(bins.shape[1], np.float32)
    for k in range(bins.shape[1]):
        total = base[window[k]]
        for v in range(bins.shape[0]):
            total += tables[window[k], v, bins[v, k]]
        score[k] = total
    return score
