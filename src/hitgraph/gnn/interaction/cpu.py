"""The interaction network on a CPU, for inference: one pass over the edges a round.

A tile of edges goes through both layers of the edge network and its gate without leaving the
first-level cache; states are updated in place, so a round reads and writes each once and allocates
nothing. Messages are never stored: a hit sums the states of its edges, weighed by their gates, when
it is updated, and with it the parts p, q of the split first layer of the next round. The last
round ends in the logits: its messages would reach no edge.
"""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.gnn.interaction.weights import round_weights, two_layers
from hitgraph.kernels.blocks import in_blocks, in_parallel
from hitgraph.kernels.groups import group_by_hit
from hitgraph.kernels.jit import formula, step
from hitgraph.kernels.rows import add_scaled, begin_row, dot, normalise_row
from hitgraph.kernels.scalars import exp
from hitgraph.kernels.tiles import COLUMNS, ROWS, pad, padded, relu_tile, sum_tile
from hitgraph.nn.blocks import as_numpy

if TYPE_CHECKING:
    from hitgraph.gnn.interaction import InteractionNetwork, Round

BLOCK = 64  # edges whose gates are computed together
EDGES = 128 * BLOCK  # what is worth a task
HITS = 2048  # the same; both of whole tiles
_LIMIT = np.float32(8.0)  # of standardised inputs, as in hitgraph.nn.blocks.Standardise
_SHUT = np.float32(40.0)  # a gate with less than minus this lets nothing through
_ONE = np.float32(1.0)


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
    (from_start, out_of), (into_start, into) = in_parallel(
        lambda ends: group_by_hit(ends, n_hits), (first, second)
    )
    # Arrays of torch begin with a cache line, those of numpy anywhere: a vector in two lines takes
    # two loads.
    hits = torch.zeros(padded(n_hits), width).numpy()  # whole tiles
    hits[:n_hits, : settings.hidden] = network.encode_hits(network.standardise_hits(x)).numpy()
    edges = torch.empty(padded(n_edges), width).numpy()
    parts = torch.empty(2, len(hits), inner).numpy()
    gates = np.ones(n_edges, np.float32)
    logits = np.empty(n_edges, np.float32)

    rounds = [
        round_weights(cast("Round", network.rounds[k % len(network.rounds)]))
        for k in range(settings.steps)
    ]
    encoder = two_layers(network.encode_edges, inner, width)
    classifier = two_layers(network.classify, inner, width)
    classify = pad(classifier.first, width, inner)
    last = np.ascontiguousarray(classifier.second[:, 0])
    scaling = network.standardise_edges
    mean, per_std = as_numpy(scaling.mean), np.float32(1.0) / as_numpy(scaling.std)
    attributes = np.ascontiguousarray(edge_attr.numpy())

    def room() -> tuple[NDArray[Any], ...]:
        return _room(attributes.shape[1], inner, width)

    def start(lo: int, hi: int) -> None:
        _encode(lo, hi, attributes, mean, per_std, *encoder, edges, room())

    def project(lo: int, hi: int) -> None:
        _project(lo, hi, hits, *rounds[0].of_hits, *parts, room())

    def update_edges(lo: int, hi: int) -> None:
        _update_edges(
            lo, hi, first, second, *parts, edges, *now.of_edges, now.gate, now.gate_bias,
            settings.residual, settings.gated, is_last, gates,
            classify, classifier.first_bias, last, classifier.second_bias[0], logits, room(),
        )  # fmt: skip

    def update_hits(lo: int, hi: int) -> None:
        _update_hits(
            lo, hi, hits, settings.hidden, edges, gates, from_start, out_of, into_start, into,
            *now.of_nodes, settings.residual, *following.of_hits, *parts, room(),
        )  # fmt: skip

    in_blocks(start, n_edges, EDGES)
    in_blocks(project, len(hits), HITS)
    for number, now in enumerate(rounds):  # noqa: B007  (the tasks read it)
        is_last = number == len(rounds) - 1
        in_blocks(update_edges, n_edges, EDGES)
        if not is_last:
            following = rounds[number + 1]
            in_blocks(update_hits, len(hits), HITS)
    return torch.from_numpy(logits)


def _room(n_inputs: int, inner: int, width: int) -> tuple[NDArray[Any], ...]:
    """What a task works in: hidden layer and rows of a tile, zeros, and places of rows."""
    return (
        torch.empty(ROWS * inner).numpy(),
        torch.empty(ROWS * max(3 * width, n_inputs)).numpy(),
        np.zeros(max(inner, width), np.float32),
        *np.zeros((4, ROWS), np.intp),
    )


@step
def _encode(  # type: ignore[no-untyped-def]
    lo, hi, attributes, mean, per_std, first, first_bias, second, second_bias, edges, room
):
    n, m, width = len(mean), len(first_bias), len(second_bias)
    hidden, scaled, zeros, same_row, _, _, _ = room
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


@step
def _project(lo, hi, hits, source, target, bias, p, q, room):  # type: ignore[no-untyped-def]
    """Hit parts of the first layer: p = hits W_s + b_1 and q = hits W_t; lo, hi in whole tiles."""
    _, _, zeros, same_row, _, _, _ = room
    for top in range(lo, hi, ROWS):
        _project_tile(top, hits, source, target, bias, p, q, zeros, same_row)


@formula
def _project_tile(top, hits, source, target, bias, p, q, zeros, same_row):  # type: ignore[no-untyped-def]
    """`_project` of ROWS hits; a part of its caller: so many arrays take long to hand over."""
    width, m = source.shape
    for j in range(0, m, COLUMNS):
        sum_tile(
            p, top * m + j, m, bias, same_row, zeros, same_row, j,
            hits, top * width, width, 1, source, j, m, width,
        )  # fmt: skip
        sum_tile(
            q, top * m + j, m, zeros, same_row, zeros, same_row, j,
            hits, top * width, width, 1, target, j, m, width,
        )  # fmt: skip


@step
def _update_edges(  # type: ignore[no-untyped-def]
    lo, hi, first, second, p, q, edges, edge_part, edge_out, edge_bias, gate, gate_bias,
    residual, gated, is_last, gates,
    classify, classify_bias, last, last_bias, logits, room,
):  # fmt: skip
    m, width = edge_out.shape
    hidden, _, zeros, same_row, p_rows, q_rows, e_rows = room
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
                    logits[top + r] = last_bias + dot(hidden, r * m, last, 0, m)
        if is_last or not gated:
            continue
        for k in range(begin, end):
            gates[k] = gate_bias + dot(gate, 0, edges, k * width, width)
        for k in range(begin, end):
            opening = -_SHUT if gates[k] < -_SHUT else gates[k]  # what is not a number stays it
            gates[k] = _ONE / (_ONE + exp(-(_SHUT if opening > _SHUT else opening)))


@step
def _update_hits(  # type: ignore[no-untyped-def]
    lo, hi, hits, n_real, edges, gates, from_start, out_of, into_start, into,
    first, first_bias, second, second_bias, residual, source, target, bias, p, q, room,
):  # fmt: skip
    """Hits lo to hi (whole tiles) after the messages of their edges."""
    m, width = second.shape
    hidden, rows, zeros, same_row, h_rows, _, _ = room
    n_hits = len(from_start) - 1
    for top in range(lo, hi, ROWS):
        for r in range(ROWS):
            hit, at = top + r, r * 3 * width
            begin_row(rows, at, hits, hit * width, width)
            if hit < n_hits:
                for place in range(from_start[hit], from_start[hit + 1]):
                    edge = out_of[place]
                    add_scaled(rows, at + width, gates[edge], edges, edge * width, width)
                for place in range(into_start[hit], into_start[hit + 1]):
                    edge = into[place]
                    add_scaled(rows, at + 2 * width, gates[edge], edges, edge * width, width)
            normalise_row(rows, at, 3 * width, 3 * n_real)
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
        _project_tile(top, hits, source, target, bias, p, q, zeros, same_row)
