"""The interaction network on a CPU, for inference: one pass over the edges a round.

A tile of edges goes through both layers of the edge network, its gate and its messages without
leaving the first-level cache; states are updated in place, so a round reads and writes each once
and allocates nothing. The last round ends in the logits: its messages would reach no edge. Hits
are updated in the same way, and the parts p, q of the split first layer of the next round with
them.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.kernels.tiles import (
    COLUMNS,
    ROWS,
    add_scaled,
    pad,
    padded,
    relu_tile,
    sum_tile,
)

if TYPE_CHECKING:
    from hitgraph.gnn.interaction import InteractionNetwork, Round

Float32 = NDArray[np.float32]

BLOCK = 64  # edges whose gates are computed together
SPAN = 64  # hits of which a part of the edges remembers that it touched one
PARTS = 4  # the edges are cut into as many parts, summed apart: the same sums for any thread count
_LIMIT = np.float32(8.0)  # of standardised inputs, as in hitgraph.graph.networks.Standardise
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_EPSILON = np.float32(1e-5)  # of torch's layer norm


class Two(NamedTuple):
    """A two-layer network, transposed and padded to whole tiles: a -> relu(a V + c) W + d."""

    first: Float32  # (n_inputs, m)
    first_bias: Float32  # (m,)
    second: Float32  # (m, w)
    second_bias: Float32  # (w,)


def score_edges(
    network: "InteractionNetwork", x: Tensor, edge_index: Tensor, edge_attr: Tensor
) -> Tensor:
    """The logits (n_edges,) of network(x, edge_index, edge_attr), to float32 rounding.

    All on the CPU in float32; fastest where consecutive edges touch hits with near rows.
    """
    settings = network.settings
    n_hits, n_edges = len(x), edge_index.shape[1]
    width, inner = padded(settings.hidden), padded(settings.mlp_hidden)
    first, second = (np.ascontiguousarray(ends) for ends in edge_index.numpy())
    spans = -(-n_hits // SPAN)
    hits = np.zeros((spans * SPAN, width), np.float32)
    hits[:n_hits, : settings.hidden] = network.encode_hits(network.standardise_hits(x)).numpy()
    edges = np.empty((padded(n_edges), width), np.float32)  # whole tiles
    parts = np.zeros((2, len(hits), inner), np.float32)
    messages = np.zeros((2, PARTS, len(hits), width), np.float32)
    touched = np.zeros((2, PARTS, spans), np.bool_)
    logits = np.empty(n_edges, np.float32)

    bounds = [n_edges * part // PARTS // ROWS * ROWS for part in range(PARTS)] + [n_edges]
    rounds = [
        _round(cast("Round", network.rounds[k % len(network.rounds)]))
        for k in range(settings.steps)
    ]
    encoder = _two(network.encode_edges, inner, width)
    classifier = _two(network.classify, inner, width)
    classify = pad(classifier.first, width, inner)
    last = np.ascontiguousarray(classifier.second[:, 0])
    scaling = network.standardise_edges
    mean, per_std = _numpy(scaling.mean), np.float32(1.0) / _numpy(scaling.std)
    attributes = np.ascontiguousarray(edge_attr.numpy())

    ends = [spans * part // PARTS * SPAN for part in range(PARTS + 1)]
    with ThreadPoolExecutor(min(PARTS, torch.get_num_threads())) as pool:

        def over_edges(task: Callable[[int, int, int], None]) -> None:
            list(pool.map(task, range(PARTS), bounds[:-1], bounds[1:]))

        def over_hits(task: Callable[[int, int], None]) -> None:
            list(pool.map(task, ends[:-1], ends[1:]))

        def start(part: int, lo: int, hi: int) -> None:
            _encode(lo, hi, attributes, mean, per_std, *encoder, edges)
            _touch(lo, hi, first, second, touched[:, part])

        def project(lo: int, hi: int) -> None:
            _project(lo, hi, hits, *rounds[0].of_hits, *parts)

        def update_edges(part: int, lo: int, hi: int) -> None:
            _update_edges(
                lo, hi, first, second, *parts, edges, *now.of_edges, now.gate, now.gate_bias,
                settings.residual, settings.gated, is_last, *messages[:, part],
                classify, classifier.first_bias, last, classifier.second_bias[0], logits,
            )  # fmt: skip

        def update_hits(lo: int, hi: int) -> None:
            _update_hits(
                lo, hi, hits, settings.hidden, *messages, *touched, *now.of_nodes,
                settings.residual, *following.of_hits, *parts,
            )  # fmt: skip

        over_edges(start)
        over_hits(project)
        for step, now in enumerate(rounds):  # noqa: B007  (the tasks read it)
            is_last = step == len(rounds) - 1
            over_edges(update_edges)
            if not is_last:
                following = rounds[step + 1]
                over_hits(update_hits)
    return torch.from_numpy(logits)


class _Weights(NamedTuple):
    """Of one round."""

    of_edges: tuple[Float32, Float32, Float32]  # W_1, W_2 and the bias b_2
    gate: Float32  # (w,)
    gate_bias: np.float32
    of_hits: tuple[Float32, Float32, Float32]  # both hit parts of the first layer, b_1
    of_nodes: Two  # of the normalised hit state and message sums, 3 w inputs


def _round(module: "Round") -> _Weights:
    hidden, inner = module.edge_out.weight.shape
    width, m = padded(hidden), padded(inner)
    gate, gate_bias = np.zeros(width, np.float32), np.float32(0.0)
    if module.gate is not None:
        gate = pad(_numpy(module.gate.weight)[0], width)
        gate_bias = np.float32(module.gate.bias.item())
    node = _two(module.node, m, width)
    # The scale and shift of the layer norm go into the layer after it.
    scale, shift = (_numpy(value) for value in (module.normalise.weight, module.normalise.bias))
    bias = pad(shift @ node.first + node.first_bias, m)
    spread = np.zeros((3 * width, m), np.float32)
    for part in range(3):
        rows = slice(part * hidden, (part + 1) * hidden)
        spread[part * width : part * width + hidden] = scale[rows, None] * node.first[rows]
    return _Weights(
        (
            pad(_numpy(module.edge_part.weight).T, width, m),
            pad(_numpy(module.edge_out.weight).T, m, width),
            pad(_numpy(module.edge_out.bias), width),
        ),
        gate,
        gate_bias,
        (
            pad(_numpy(module.source_part.weight).T, width, m),
            pad(_numpy(module.target_part.weight).T, width, m),
            pad(_numpy(module.edge_part.bias), m),
        ),
        Two(spread, bias, node.second, node.second_bias),
    )


def _two(network: nn.Sequential, inner: int, width: int) -> Two:
    one, _, other = network
    assert isinstance(one, nn.Linear)
    assert isinstance(other, nn.Linear)
    return Two(
        pad(_numpy(one.weight).T, one.in_features, inner),
        pad(_numpy(one.bias), inner),
        pad(_numpy(other.weight).T, inner, width),
        pad(_numpy(other.bias), width),
    )


def _numpy(tensor: Tensor) -> Float32:
    array: Float32 = tensor.detach().numpy()
    return array


@njit(cache=True, nogil=True)
def _touch(lo, hi, first, second, touched):  # type: ignore[no-untyped-def]
    """Mark the spans of hits that the edges lo to hi send a message to."""
    for edge in range(lo, hi):
        touched[0, first[edge] // SPAN] = True
        touched[1, second[edge] // SPAN] = True


@njit(fastmath={"contract"}, cache=True, nogil=True, error_model="numpy")
def _encode(  # type: ignore[no-untyped-def]
    lo, hi, attributes, mean, per_std, first, first_bias, second, second_bias, edges
):
    n, m, width = len(mean), len(first_bias), len(second_bias)
    scaled, hidden = np.empty(ROWS * n, np.float32), np.empty(ROWS * m, np.float32)
    same_row, zeros = np.zeros(ROWS, np.intp), np.zeros(max(m, width), np.float32)
    for top in range(lo, hi, ROWS):
        for r in range(ROWS):
            edge = min(top + r, hi - 1)
            for k in range(n):
                value = (attributes[edge, k] - mean[k]) * per_std[k]
                value = -_LIMIT if value < -_LIMIT else value
                scaled[r * n + k] = _LIMIT if value > _LIMIT else value
        for j in range(0, m, COLUMNS):
            relu_tile(
                hidden, j, m, first_bias, same_row, zeros, same_row, j,
                scaled, 0, n, 1, first, j, m, n,
            )  # fmt: skip
        for j in range(0, width, COLUMNS):
            sum_tile(
                edges, top * width + j, width, second_bias, same_row, zeros, same_row, j,
                hidden, 0, m, 1, second, j, width, m,
            )  # fmt: skip


@njit(fastmath={"contract"}, cache=True, nogil=True, error_model="numpy")
def _project(lo, hi, hits, source, target, bias, p, q):  # type: ignore[no-untyped-def]
    """Hit parts of the first layer: p = hits W_s + b_1 and q = hits W_t; lo, hi in whole tiles."""
    width, m = source.shape
    same_row, zeros = np.zeros(ROWS, np.intp), np.zeros(m, np.float32)
    for top in range(lo, hi, ROWS):
        for j in range(0, m, COLUMNS):
            sum_tile(
                p, top * m + j, m, bias, same_row, zeros, same_row, j,
                hits, top * width, width, 1, source, j, m, width,
            )  # fmt: skip
            sum_tile(
                q, top * m + j, m, zeros, same_row, zeros, same_row, j,
                hits, top * width, width, 1, target, j, m, width,
            )  # fmt: skip


@njit(
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"}, cache=True, nogil=True,
    error_model="numpy",
)  # fmt: skip
def _update_edges(  # type: ignore[no-untyped-def]
    lo, hi, first, second, p, q, edges, edge_part, edge_out, edge_bias, gate, gate_bias,
    residual, gated, is_last, outgoing, incoming,
    classify, classify_bias, last, last_bias, logits,
):  # fmt: skip
    m, width = edge_out.shape
    hidden = np.empty(ROWS * m, np.float32)
    weight = np.empty(BLOCK, np.float32)
    p_rows, q_rows, e_rows, same_row = (
        np.zeros(ROWS, np.intp),
        np.zeros(ROWS, np.intp),
        np.zeros(ROWS, np.intp),
        np.zeros(ROWS, np.intp),
    )
    zeros = np.zeros(max(m, width), np.float32)
    if residual:
        for r in range(ROWS):
            e_rows[r] = r * width
    for begin in range(lo, hi, BLOCK):
        end = min(begin + BLOCK, hi)
        for top in range(begin, end, ROWS):
            for r in range(ROWS):
                edge = min(top + r, hi - 1)
                p_rows[r], q_rows[r] = first[edge] * m, second[edge] * m
            for j in range(0, m, COLUMNS):
                relu_tile(
                    hidden, j, m, p, p_rows, q, q_rows, j,
                    edges, top * width, width, 1, edge_part, j, m, width,
                )  # fmt: skip
            if residual:
                for r in range(ROWS):
                    e_rows[r] = (top + r) * width
                for j in range(0, width, COLUMNS):
                    sum_tile(
                        edges, top * width + j, width, edges, e_rows, edge_bias, same_row, j,
                        hidden, 0, m, 1, edge_out, j, width, m,
                    )  # fmt: skip
            else:
                for j in range(0, width, COLUMNS):
                    sum_tile(
                        edges, top * width + j, width, zeros, same_row, edge_bias, same_row, j,
                        hidden, 0, m, 1, edge_out, j, width, m,
                    )  # fmt: skip
            if is_last:
                for j in range(0, m, COLUMNS):
                    relu_tile(
                        hidden, j, m, classify_bias, same_row, zeros, same_row, j,
                        edges, top * width, width, 1, classify, j, m, width,
                    )  # fmt: skip
                for r in range(min(ROWS, end - top)):
                    total = last_bias
                    for j in range(m):
                        total += hidden[r * m + j] * last[j]
                    logits[top + r] = total
        if is_last:
            continue
        if gated:
            for k in range(end - begin):
                total = gate_bias
                for j in range(width):
                    total += gate[j] * edges[begin + k, j]
                weight[k] = total
            for k in range(end - begin):
                weight[k] = _ONE / (_ONE + np.exp(-weight[k]))
        else:
            weight[:] = _ONE
        for k in range(end - begin):
            edge = begin + k
            row = edge * width
            add_scaled(outgoing, first[edge] * width, weight[k], edges, row, width)
            add_scaled(incoming, second[edge] * width, weight[k], edges, row, width)


@njit(
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"}, cache=True, nogil=True,
    error_model="numpy",
)  # fmt: skip
def _update_hits(  # type: ignore[no-untyped-def]
    lo, hi, hits, n_real, outgoing, incoming, touched_out, touched_in,
    first, first_bias, second, second_bias, residual, source, target, bias, p, q,
):  # fmt: skip
    """Hits lo to hi (whole spans) after their messages, which are set to zero again."""
    m, width = second.shape
    rows = np.empty(ROWS * 3 * width, np.float32)
    hidden = np.empty(ROWS * m, np.float32)
    h_rows, same_row = np.zeros(ROWS, np.intp), np.zeros(ROWS, np.intp)
    zeros = np.zeros(max(m, width), np.float32)
    count = np.float32(3 * n_real)
    for top in range(lo, hi, ROWS):
        span = top // SPAN
        for r in range(ROWS):
            at = r * 3 * width
            for j in range(width):
                rows[at + j] = hits[top + r, j]
                rows[at + width + j] = _ZERO
                rows[at + 2 * width + j] = _ZERO
            for part in range(PARTS):
                row = (part * len(hits) + top + r) * width
                if touched_out[part, span]:
                    add_scaled(rows, at + width, _ONE, outgoing, row, width)
                    outgoing[part, top + r] = _ZERO
                if touched_in[part, span]:
                    add_scaled(rows, at + 2 * width, _ONE, incoming, row, width)
                    incoming[part, top + r] = _ZERO
            # Columns beyond the real ones are zero, so they count in the sums as nothing.
            total = _ZERO
            for j in range(3 * width):
                total += rows[at + j]
            mean = total / count
            square = _ZERO
            for j in range(3 * width):
                square += (rows[at + j] - mean) * (rows[at + j] - mean)
            square -= np.float32(3 * (width - n_real)) * mean * mean
            per_deviation = _ONE / np.sqrt(square / count + _EPSILON)
            for j in range(3 * width):
                rows[at + j] = (rows[at + j] - mean) * per_deviation
        for j in range(0, m, COLUMNS):
            relu_tile(
                hidden, j, m, first_bias, same_row, zeros, same_row, j,
                rows, 0, 3 * width, 1, first, j, m, 3 * width,
            )  # fmt: skip
        for r in range(ROWS):
            h_rows[r] = (top + r) * width
        for j in range(0, width, COLUMNS):
            if residual:
                sum_tile(
                    hits, top * width + j, width, hits, h_rows, second_bias, same_row, j,
                    hidden, 0, m, 1, second, j, width, m,
                )  # fmt: skip
            else:
                sum_tile(
                    hits, top * width + j, width, zeros, same_row, second_bias, same_row, j,
                    hidden, 0, m, 1, second, j, width, m,
                )  # fmt: skip
        for j in range(0, m, COLUMNS):
            sum_tile(
                p, top * m + j, m, bias, same_row, zeros, same_row, j,
                hits, top * width, width, 1, source, j, m, width,
            )  # fmt: skip
            sum_tile(
                q, top * m + j, m, zeros, same_row, zeros, same_row, j,
                hits, top * width, width, 1, target, j, m, width,
            )  # fmt: skip
