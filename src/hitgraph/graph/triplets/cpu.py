"""The two networks of the triplet filter on a CPU: triplets, then edges by their triplets. Kernels.

Work on triplets is dealt out by middle hit: all that is written belongs to the edges of that hit
alone. LANES triplets or edges are judged side by side.
"""

import numpy as np

from hitgraph.graph.triplets.rows import LANES, LOGIT, N_EDGE_INPUTS, fill_edge_inputs
from hitgraph.graph.triplets.search import INPUTS, SCRATCH, fill_inputs, triplets_within_reach
from hitgraph.kernels.jit import kernel, step
from hitgraph.kernels.rows import add_scaled
from hitgraph.kernels.scalars import exp, log
from hitgraph.kernels.tiles import COLUMNS, ROWS, relu_tile

NO_TRIPLET = np.float32(-12.0)  # logit of an edge's best triplet where it has none
_NONE = np.float32(0.0)
SUM_FLOOR = np.float32(1e-5)  # added to the sum of odds before its logarithm
_VANISHING = np.float32(80.0)  # the odds of a logit as low as that are nothing
_HITS = 2048  # middle hits whose triplets are listed at a time
# Of the standardised inputs, as in hitgraph.nn.blocks.Standardise, and of logits in odds.
_LIMIT = np.float32(8.0)


@step
def _network(inputs, at, weights, scratch):  # type: ignore[no-untyped-def]
    """Logits (LANES,) of inputs[at:], (n_inputs, LANES), which are standardised in place.

    They come to the last of the scratch (`_scratch`). Neurons are the rows of a tile and triplets
    or edges its columns.
    """
    mean, per_std, w1, b1, w2, b2, last, last_bias = weights
    rows, zeros, same_row, layers, logit = scratch
    for column in range(len(mean)):
        shift, scale = mean[column], per_std[column]
        for lane in range(LANES):
            value = (inputs[at + column * LANES + lane] - shift) * scale
            value = value if value > -_LIMIT else -_LIMIT  # min, max keep loops from vectors
            inputs[at + column * LANES + lane] = value if value < _LIMIT else _LIMIT
    after = len(w1) * LANES
    for top in range(0, LANES, COLUMNS):
        for j in range(0, len(w1), ROWS):
            for r in range(ROWS):
                rows[r] = (j + r) * COLUMNS
            relu_tile(
                layers, j * LANES + top, LANES, b1, rows, zeros, same_row, 0,
                w1, j * len(mean), len(mean), 1, inputs, at + top, LANES, len(mean),
            )  # fmt: skip
        for j in range(0, len(w2), ROWS):
            for r in range(ROWS):
                rows[r] = (j + r) * COLUMNS
            relu_tile(
                layers, after + j * LANES + top, LANES, b2, rows, zeros, same_row, 0,
                w2, j * len(w1), len(w1), 1, layers, top, LANES, len(w1),
            )  # fmt: skip
    for lane in range(LANES):
        logit[lane] = last_bias
    for j in range(len(w2)):
        add_scaled(logit, 0, last[j], layers, after + j * LANES, LANES)


@kernel
def _scratch(weights):  # type: ignore[no-untyped-def]
    """What `_network` works in: rows, zeros, same_row, layers and the logits."""
    _, _, w1, _, w2, _, _, _ = weights
    return (
        np.zeros(ROWS, np.intp),
        np.zeros(COLUMNS, np.float32),
        np.zeros(ROWS, np.intp),
        np.empty((len(w1) + len(w2)) * LANES, np.float32),
        np.empty(LANES, np.float32),
    )


@kernel
def support_edges(  # type: ignore[no-untyped-def]
    first_hit, last_hit, source, target, into_start, into, from_start, out_of,
    points, edge_rows, reach_phi, reach_z, weights, support,
):  # fmt: skip
    """The triplets of `list_triplets`, judged by a network.

    support (n_edges, 4): the best logit and the sum of odds over the triplets that lead from
    inside into an edge, and the same over those that lead on from it outward.
    """
    inputs, hits = np.empty(SCRATCH, np.float32), np.empty(3 * LANES, np.uint32)
    odds, scratch = np.empty(LANES, np.float32), _scratch(weights)
    for begin in range(first_hit, last_hit, _HITS):
        first_edges, second_edges, n = triplets_within_reach(
            begin, min(begin + _HITS, last_hit), source, target, into_start, into,
            from_start, out_of, points, reach_phi, reach_z,
        )  # fmt: skip
        _support_edges(
            first_edges, second_edges, n, source, target, points, edge_rows, weights, support,
            inputs, hits, odds, scratch,
        )  # fmt: skip


@step
def _support_edges(  # type: ignore[no-untyped-def]
    first_edges, second_edges, n, source, target, points, edge_rows, weights, support,
    inputs, hits, odds, scratch,
):  # fmt: skip
    logit = scratch[4]
    for begin in range(0, n, LANES):
        fill_inputs(
            inputs, hits, first_edges, second_edges, begin, source, target, points, edge_rows
        )
        _network(inputs, INPUTS, weights, scratch)
        for k in range(LANES):
            limited = logit[k] if logit[k] < _LIMIT else _LIMIT
            odds[k] = exp(limited if limited > -_VANISHING else -_VANISHING)
        for k in range(min(LANES, n - begin)):
            e, f = first_edges[begin + k], second_edges[begin + k]
            support[f, 0] = max(support[f, 0], logit[k])
            support[f, 1] += odds[k]
            support[e, 2] = max(support[e, 2], logit[k])
            support[e, 3] += odds[k]


@kernel
def clear_support(lo, hi, support):  # type: ignore[no-untyped-def]
    """That of edges [lo, hi) which are in no triplet."""
    for e in range(lo, hi):
        support[e, 0], support[e, 1] = NO_TRIPLET, _NONE
        support[e, 2], support[e, 3] = NO_TRIPLET, _NONE


@kernel
def take_logarithms(lo, hi, support):  # type: ignore[no-untyped-def]
    """Of the sums of odds of edges [lo, hi), with a floor."""
    for e in range(lo, hi):
        support[e, 1] = log(support[e, 1] + SUM_FLOOR)
        support[e, 3] = log(support[e, 3] + SUM_FLOOR)


@kernel
def judge_edges(lo, hi, source, target, points, edge_rows, support, weights, judged):  # type: ignore[no-untyped-def]
    """New logits judged[lo:hi]: the old ones and what the edge network adds to them."""
    inputs = np.empty(N_EDGE_INPUTS * LANES, np.float32)
    ends, s = np.empty(3 * LANES, np.uint32), np.empty(16 * LANES, np.float32)
    _judge_edges(
        lo, hi, source, target, points, edge_rows, support, weights, judged,
        inputs, ends, s, _scratch(weights),
    )  # fmt: skip


@step
def _judge_edges(  # type: ignore[no-untyped-def]
    lo, hi, source, target, points, edge_rows, support, weights, judged, inputs, ends, s, scratch
):
    logit = scratch[4]
    for begin in range(lo, hi, LANES):
        end = min(begin + LANES, hi)
        fill_edge_inputs(begin, end, source, target, points, edge_rows, support, ends, s, inputs)
        _network(inputs, 0, weights, scratch)
        for e in range(begin, end):
            judged[e] = edge_rows[e, LOGIT] + logit[e - begin]
