"""The weights of an interaction network as its kernel on the CPU wants them."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hitgraph.kernels.tiles import pad, padded
from hitgraph.nn.blocks import as_numpy

if TYPE_CHECKING:
    from hitgraph.gnn.interaction import Round

Float32 = NDArray[np.float32]


class Two(NamedTuple):
    """A two-layer network, transposed and padded to whole tiles: a -> relu(a V + c) W + d."""

    first: Float32  # (n_inputs, m)
    first_bias: Float32  # (m,)
    second: Float32  # (m, w)
    second_bias: Float32  # (w,)


class RoundWeights(NamedTuple):
    """Of one round."""

    of_edges: tuple[Float32, Float32, Float32]  # W_1, W_2 and the bias b_2
    gate: Float32  # (w,)
    gate_bias: np.float32
    of_hits: tuple[Float32, Float32, Float32]  # both hit parts of the first layer, b_1
    of_nodes: Two  # of the normalised hit state and message sums, 3 w inputs


def round_weights(module: "Round") -> RoundWeights:
    hidden, inner = module.edge_out.weight.shape
    width, m = padded(hidden), padded(inner)
    gate, gate_bias = np.zeros(width, np.float32), np.float32(0.0)
    if module.gate is not None:
        gate = pad(as_numpy(module.gate.weight)[0], width)
        gate_bias = np.float32(module.gate.bias.item())
    node = two_layers(module.node, m, width)
    # The scale and shift of the layer norm go into the layer after it.
    scale, shift = (as_numpy(value) for value in (module.normalise.weight, module.normalise.bias))
    bias = pad(shift @ node.first + node.first_bias, m)
    spread = np.zeros((3 * width, m), np.float32)
    for part in range(3):
        rows = slice(part * hidden, (part + 1) * hidden)
        spread[part * width : part * width + hidden] = scale[rows, None] * node.first[rows]
    return RoundWeights(
        (
            pad(as_numpy(module.edge_part.weight).T, width, m),
            pad(as_numpy(module.edge_out.weight).T, m, width),
            pad(as_numpy(module.edge_out.bias), width),
        ),
        gate,
        gate_bias,
        (
            pad(as_numpy(module.source_part.weight).T, width, m),
            pad(as_numpy(module.target_part.weight).T, width, m),
            pad(as_numpy(module.edge_part.bias), m),
        ),
        Two(spread, bias, node.second, node.second_bias),
    )


def two_layers(network: nn.Sequential, inner: int, width: int) -> Two:
    one, _, other = network
    assert isinstance(one, nn.Linear)
    assert isinstance(other, nn.Linear)
    return Two(
        pad(as_numpy(one.weight).T, one.in_features, inner),
        pad(as_numpy(one.bias), inner),
        pad(as_numpy(other.weight).T, inner, width),
        pad(as_numpy(other.bias), width),
    )
