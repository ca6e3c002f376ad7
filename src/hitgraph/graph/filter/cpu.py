"""The edge filter on a CPU: pair features and network in one pass over the candidates.

A block of pairs goes from the hits to its logits without leaving the first-level cache, and
nothing of the size of the candidate list is written but the logits.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.jit import formula, kernel
from hitgraph.kernels.tiles import COLUMNS, ROWS, pad, padded, relu_tile
from hitgraph.nn.blocks import as_numpy
from hitgraph.pairs import GEOMETRY_FEATURES, PAIR_FEATURES
from hitgraph.pairs.block import BLOCK, FEATURES_AT, N_FEATURES, fill_block, hit_table

if TYPE_CHECKING:
    from hitgraph.graph.filter import FilterNetwork

Float32 = NDArray[np.float32]
_TASK = 256 * BLOCK  # pairs, what is worth a task
_LIMIT = np.float32(8.0)  # of the standardised inputs, as in hitgraph.nn.blocks.Standardise


class Weights(NamedTuple):
    """A filter's weights, transposed and padded with zeros to the width w of a tile."""

    mean: Float32  # (n_inputs,) of the pair features and further inputs
    per_std: Float32  # (n_inputs,)
    pair: Float32  # (n_inputs, w) first layer
    bias: Float32  # (w,) the part of it that pairs have
    hidden: Float32  # (n_layers - 1, w, w)
    hidden_bias: Float32  # (n_layers - 1, w)
    last: Float32  # (w,)
    last_bias: np.float32


def score_pairs(
    network: "FilterNetwork",
    hits: Hits,
    edge_index: Tensor,
    detector: Detector,
) -> Tensor:
    """Logits (n_edges,) float32 of candidate edges (2, n_edges): those of the network in torch.

    All on the CPU. They agree with torch's to float32 rounding (a few 1e-5 of the largest logit).
    """
    first, second = (np.ascontiguousarray(ends) for ends in edge_index.numpy())
    weights = _weights(network)
    width = len(weights.last)
    table = outer = np.zeros((1, width), np.float32)
    inner = weights.bias[None]
    if network.use_pairs:
        table = hit_table(hits, detector)
    if network.use_hits:
        scaled = network.standardise_hits(hits.take(network.hit_inputs))
        inner, outer = (
            pad(part(scaled).detach().numpy(), len(hits), width)
            for part in (network.inner, network.outer)
        )
        inner += weights.bias
    logits = np.empty(len(first), np.float32)

    def task(begin: int, end: int) -> None:
        _score(
            begin, end, table, first, second, inner, outer,
            network.use_pairs, len(weights.mean) == N_FEATURES, network.use_hits, *weights, logits,
        )  # fmt: skip

    in_blocks(task, len(first), _TASK)
    return torch.from_numpy(logits)


def _weights(network: "FilterNetwork") -> Weights:
    layers = [layer for layer in network.rest if isinstance(layer, nn.Linear)]
    width = padded(network.settings.hidden)
    mean, per_std, bias = (np.zeros(n, np.float32) for n in (0, 0, width))
    pair = np.zeros((0, width), np.float32)
    if network.use_pairs:
        # The kernel computes all columns; those that the network does not see weigh nothing.
        scaling = network.standardise_pairs
        seen = [PAIR_FEATURES.index(name) for name in network.pair_inputs]
        n_columns = len(GEOMETRY_FEATURES) if max(seen) < len(GEOMETRY_FEATURES) else N_FEATURES
        mean, per_std = np.zeros(n_columns, np.float32), np.zeros(n_columns, np.float32)
        mean[seen], per_std[seen] = as_numpy(scaling.mean), np.float32(1.0) / as_numpy(scaling.std)
        pair = np.zeros((n_columns, width), np.float32)
        pair[seen, : network.settings.hidden] = as_numpy(network.pair.weight).T
        bias = pad(as_numpy(network.pair.bias), width)
    hidden = [pad(as_numpy(layer.weight).T, width, width) for layer in layers[:-1]]
    biases = [pad(as_numpy(layer.bias), width) for layer in layers[:-1]]
    return Weights(
        mean,
        per_std,
        pair,
        bias,
        np.array(hidden, np.float32).reshape(-1, width, width),
        np.array(biases, np.float32).reshape(-1, width),
        pad(as_numpy(layers[-1].weight)[0], width),
        np.float32(layers[-1].bias.item()),
    )


@kernel
def _score(  # type: ignore[no-untyped-def]
    lo, hi, table, first, second, inner, outer, use_pairs, clusters, use_hits,
    mean, per_std, pair, _bias, hidden, hidden_bias, last, last_bias, logits,
):  # fmt: skip
    width, n_inputs = len(last), len(mean)
    scratch = np.empty(FEATURES_AT + N_FEATURES * BLOCK, np.float32)
    size = ROWS * width + 3 * COLUMNS
    layers = np.empty(2 * size, np.float32)  # the layer before and the one after, in turn
    inner_rows, outer_rows = np.zeros(ROWS, np.intp), np.zeros(ROWS, np.intp)
    same_row = np.zeros(ROWS, np.intp)
    zeros = np.zeros(hidden_bias.size, np.float32)
    for begin in range(lo, hi, BLOCK):
        end = min(begin + BLOCK, hi)
        if use_pairs:
            fill_block(scratch, table, first, second, begin, end, clusters)
            for column in range(n_inputs):
                if per_std[column] == np.float32(0.0):  # not seen, whatever it holds
                    for k in range(BLOCK):
                        scratch[FEATURES_AT + column * BLOCK + k] = np.float32(0.0)
                else:
                    _standardise(
                        scratch, FEATURES_AT + column * BLOCK, mean[column], per_std[column]
                    )
        for top in range(begin, end, ROWS):
            if use_hits:
                for r in range(ROWS):
                    edge = min(top + r, end - 1)
                    inner_rows[r], outer_rows[r] = first[edge] * width, second[edge] * width
            pairs_at = FEATURES_AT + top - begin
            for j in range(0, width, COLUMNS):
                relu_tile(
                    layers, j, width, inner, inner_rows, outer, outer_rows, j,
                    scratch, pairs_at, 1, BLOCK, pair, j, width, n_inputs,
                )  # fmt: skip
            before, after = 0, size
            for layer in range(len(hidden)):
                for j in range(0, width, COLUMNS):
                    relu_tile(
                        layers, after + j, width,
                        hidden_bias, same_row, zeros, same_row, layer * width + j,
                        layers, before, width, 1, hidden, layer * width * width + j, width, width,
                    )  # fmt: skip
                before, after = after, before
            for r in range(min(ROWS, end - top)):
                total = last_bias
                for j in range(width):
                    total += layers[before + r * width + j] * last[j]
                logits[top + r] = total


@formula
def _standardise(scratch, start, mean, per_std):  # type: ignore[no-untyped-def]
    for k in range(BLOCK):
        value = (scratch[start + k] - mean) * per_std
        # written so that what is not a number stays it, as in torch
        value = -_LIMIT if value < -_LIMIT else value
        scratch[start + k] = _LIMIT if value > _LIMIT else value
