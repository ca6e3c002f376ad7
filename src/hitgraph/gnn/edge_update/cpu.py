"""The edge half of a message-passing round on a CPU, in one pass over the edges.

Tile by tile, so that nothing of the size of the edge list is written but e', and only e and e' are
kept for the backward pass, which computes z anew. It is what makes training on a CPU affordable.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from hitgraph.gnn.edge_update.weights import Weights

TILE = 256  # edges at a time: their states and hidden layers stay in the first-level cache
PARTS = 4  # the edges are cut into as many parts, summed apart: the same sums for any thread count


def update_edges(
    edges: Tensor,
    inner: Tensor,
    outer: Tensor,
    edge_index: Tensor,
    weights: Weights,
    residual: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """What plain torch gives, to float32 rounding, for float32 tensors on the CPU."""
    gate, gate_bias = weights.gate, weights.gate_bias
    gated = gate is not None
    if gate is None or gate_bias is None:
        gate, gate_bias = edges.new_zeros(1, edges.shape[1]), edges.new_zeros(1)
    result: tuple[Tensor, Tensor, Tensor] = _Fused.apply(  # type: ignore[no-untyped-call]
        edges, inner, outer, edge_index, *weights[:4], gate, gate_bias, residual, gated
    )
    return result


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        *tensors, residual, gated = inputs
        arrays = _arrays(tensors)
        edges, inner = arrays[0], arrays[1]
        new_edges = np.empty_like(edges)
        outgoing = np.zeros((PARTS, len(inner), edges.shape[1]), np.float32)
        incoming = np.zeros_like(outgoing)
        _in_parts(
            lambda part, lo, hi: _forward(
                lo, hi, *arrays, residual, gated, new_edges, outgoing[part], incoming[part]
            ),
            len(edges),
        )
        result = torch.from_numpy(new_edges)
        ctx.save_for_backward(*tensors, result)
        ctx.options = residual, gated
        return result, torch.from_numpy(outgoing.sum(0)), torch.from_numpy(incoming.sum(0))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *arrays, new_edges = _arrays(ctx.saved_tensors)
        edges, inner, outer, _, first, _, second, _, gate, _ = arrays
        residual, gated = ctx.options
        given = _arrays(gradients)
        d_edges = np.empty_like(edges)
        sums = [
            np.zeros((PARTS, *array.shape), np.float32)
            for array in (inner, outer, first.T, first[:, 0], second.T, *gate, *gate, gate[0, :1])
        ]
        _in_parts(
            lambda part, lo, hi: _backward(
                lo,
                hi,
                *arrays[:7],
                *arrays[8:],
                new_edges,
                residual,
                gated,
                *given,
                d_edges,
                *(array[part] for array in sums),
            ),
            len(edges),
        )
        d_inner, d_outer, d_first, d_first_bias, d_second, d_second_bias, d_gate, d_gate_bias = (
            torch.from_numpy(array.sum(0)) for array in sums
        )
        return (
            torch.from_numpy(d_edges),
            d_inner,
            d_outer,
            None,
            d_first.T,
            d_first_bias,
            d_second.T,
            d_second_bias,
            d_gate[None],
            d_gate_bias,
            None,
            None,
        )


def _arrays(tensors: Any) -> list[Any]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _in_parts(task: Any, n_edges: int) -> None:
    bounds = [n_edges * part // PARTS for part in range(PARTS + 1)]
    with ThreadPoolExecutor(min(PARTS, torch.get_num_threads())) as pool:
        list(pool.map(task, range(PARTS), bounds[:-1], bounds[1:]))


@njit(fastmath=True, cache=True, nogil=True)
def _hidden(tile, source, target, inner, outer, first_bias):  # type: ignore[no-untyped-def]
    """Turn the products W_1 e of a tile of edges into z, in place."""
    for k in range(len(tile)):
        s, t = source[k], target[k]
        for j in range(tile.shape[1]):
            tile[k, j] += first_bias[j] + inner[s, j] + outer[t, j]


@njit(fastmath=True, cache=True, nogil=True)
def _gate_of(state, gate, gate_bias):  # type: ignore[no-untyped-def]
    total = gate_bias[0]
    for i in range(len(state)):
        total += gate[0, i] * state[i]
    return np.float32(1.0) / (np.float32(1.0) + np.exp(-total))


@njit(fastmath=True, cache=True, nogil=True)
def _forward(  # type: ignore[no-untyped-def]
    lo, hi, edges, inner, outer, edge_index, first, first_bias, second, second_bias,
    gate, gate_bias, residual, gated, new_edges, outgoing, incoming,
):  # fmt: skip
    first_t, second_t = np.ascontiguousarray(first.T), np.ascontiguousarray(second.T)
    hidden = np.empty((TILE, first.shape[0]), np.float32)
    for begin in range(lo, hi, TILE):
        end = min(begin + TILE, hi)
        source, target = edge_index[0, begin:end], edge_index[1, begin:end]
        z, old, new = hidden[: end - begin], edges[begin:end], new_edges[begin:end]
        np.dot(old, first_t, z)
        _hidden(z, source, target, inner, outer, first_bias)
        for k in range(len(z)):
            for j in range(z.shape[1]):
                z[k, j] = max(z[k, j], np.float32(0.0))
        np.dot(z, second_t, new)
        for k in range(len(z)):
            s, t, state = source[k], target[k], new[k]
            for i in range(len(state)):
                state[i] += second_bias[i] + (old[k, i] if residual else np.float32(0.0))
            weight = _gate_of(state, gate, gate_bias) if gated else np.float32(1.0)
            for i in range(len(state)):
                outgoing[s, i] += weight * state[i]
            for i in range(len(state)):
                incoming[t, i] += weight * state[i]


@njit(fastmath=True, cache=True, nogil=True)
def _backward(  # type: ignore[no-untyped-def]
    lo, hi, edges, inner, outer, edge_index, first, first_bias, second,
    gate, gate_bias, new_edges, residual, gated, d_new, d_outgoing, d_incoming,
    d_edges, d_inner, d_outer, d_first, d_first_bias, d_second, d_second_bias, d_gate, d_gate_bias,
):  # fmt: skip
    width, n_hidden = edges.shape[1], first.shape[0]
    first_t = np.ascontiguousarray(first.T)
    hidden = np.empty((TILE, n_hidden), np.float32)
    d_hidden = np.empty((TILE, n_hidden), np.float32)
    d_updates = np.empty((TILE, width), np.float32)
    for begin in range(lo, hi, TILE):
        end = min(begin + TILE, hi)
        source, target = edge_index[0, begin:end], edge_index[1, begin:end]
        size = end - begin
        z, d_z, d_update = hidden[:size], d_hidden[:size], d_updates[:size]
        old, new = edges[begin:end], new_edges[begin:end]
        np.dot(old, first_t, z)
        _hidden(z, source, target, inner, outer, first_bias)
        for k in range(len(z)):
            s, t, d_state, state = source[k], target[k], d_update[k], new[k]
            for i in range(width):
                d_state[i] = d_outgoing[s, i] + d_incoming[t, i]
            if gated:
                weight = _gate_of(state, gate, gate_bias)
                along = np.float32(0.0)
                for i in range(width):
                    along += d_state[i] * state[i]
                slope = along * weight * (np.float32(1.0) - weight)
                d_gate_bias[0] += slope
                for i in range(width):
                    d_gate[i] += slope * state[i]
                for i in range(width):
                    d_state[i] = weight * d_state[i] + slope * gate[0, i]
            for i in range(width):
                d_state[i] += d_new[begin + k, i]
            for i in range(width):
                d_second_bias[i] += d_state[i]
        np.dot(d_update, second, d_z)
        # Short loops over few arrays each: the compiler vectorises these, not one long loop.
        for k in range(len(z)):
            s, t = source[k], target[k]
            for j in range(n_hidden):
                d_z[k, j] = d_z[k, j] if z[k, j] > 0 else np.float32(0.0)
            for j in range(n_hidden):
                z[k, j] = max(z[k, j], np.float32(0.0))
            for j in range(n_hidden):
                d_first_bias[j] += d_z[k, j]
            for j in range(n_hidden):
                d_inner[s, j] += d_z[k, j]
            for j in range(n_hidden):
                d_outer[t, j] += d_z[k, j]
        d_second += np.dot(z.T, d_update)
        d_first += np.dot(old.T, d_z)
        d_old = d_edges[begin:end]
        np.dot(d_z, first, d_old)
        if residual:
            for k in range(len(z)):
                for i in range(width):
                    d_old[k, i] += d_update[k, i]
