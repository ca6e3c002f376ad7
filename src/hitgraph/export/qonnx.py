"""The MLPs of a pipeline's networks in QONNX, for tools that make circuits of them (hls4ml, FINN).

QONNX (arXiv 2206.07527) is ONNX and a node Quant, which puts a tensor on a grid. Every MLP, and
every linear layer that is in none, is a file; what leads from one to the next (sums over edges,
features) is for the circuit around them. Needs the extra `export`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.export.models import Model, for_tracing
from hitgraph.export.targets import Format, Target
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.nn.blocks import as_numpy
from hitgraph.nn.prune import bit_operations, count_weights
from hitgraph.nn.quantise import FLOAT, InputGrid, bits_of_layers, linear_layers, row_scales
from hitgraph.pipeline import Pipeline
from hitgraph.state import State

DOMAIN = "qonnx.custom_op.general"
OPSET, IR = 17, 10  # the lowest with LayerNormalization
BITS_FILE = "bits.json"
_SIMPLE: dict[type[nn.Module], str] = {nn.ReLU: "Relu", nn.Tanh: "Tanh"}
_KNOWN = (nn.Linear, nn.LayerNorm, nn.SiLU, *_SIMPLE)


class SubNetwork(nn.Module):
    """Some layers one after another, and the bits that the weights of each linear one are on."""

    def __init__(self, layers: list[nn.Module], bits: list[int]) -> None:
        super().__init__()
        self.layers, self.bits = nn.Sequential(*layers), bits

    @property
    def input_bits(self) -> list[int]:
        grids = [getattr(layer, "grid", None) for layer in linear_layers(self)]
        return [grid.bits if isinstance(grid, InputGrid) else FLOAT for grid in grids]

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in) -> (n, n_out)."""
        found: Tensor = self.layers(x)
        return found


def sub_networks(pipeline: Pipeline) -> dict[tuple[str, str], SubNetwork]:
    """By stage and name: the MLPs of its network, and the linear layers outside of any.

    Raises SettingsError where no stage has any.
    """
    found = {}
    for step in pipeline.recipe.stages:
        network = getattr(pipeline.stages[step.name], "network", None)
        training = getattr(step.settings, "training", None)
        if isinstance(network, nn.Module) and isinstance(training, TrainingSettings):
            bits = training.quantise.weights
            for name, layers, own in _parts(network, bits_of_layers(network, bits, "weights")):
                found[step.name, f"{step.name}.{name}"] = for_tracing(SubNetwork(layers, own))
    if not found:
        raise SettingsError(
            f"pipeline {pipeline.recipe.name}: no stage has a network with linear layers "
            f"({', '.join(pipeline.stages)}): see docs/small_models.md"
        )
    return found


def _parts(network: nn.Module, bits: list[int]) -> Iterator[tuple[str, list[nn.Module], list[int]]]:
    """Name, layers and bits of each part of a network."""
    of = dict(zip(linear_layers(network), bits, strict=True))
    taken: set[nn.Module] = set()
    for name, module in network.named_modules():
        layers = list(module) if isinstance(module, nn.Sequential) else [module]
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        known = all(isinstance(layer, _KNOWN) for layer in layers)
        if linear and known and not taken.intersection(layers):
            taken.update(layers)
            yield name, layers, [of[layer] for layer in linear]


def models(pipeline: Pipeline) -> list[Model]:
    """Each is tried on rows of normal numbers, one for each hit."""
    return [
        Model(name, stage, network, _rows(network), _expected(network), {}, "y")
        for (stage, name), network in sub_networks(pipeline).items()
    ]


def _rows(network: SubNetwork) -> Callable[[State], dict[str, Tensor]]:
    width = linear_layers(network)[0].in_features

    def rows(state: State) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(len(state.hits))
        return {"x": torch.randn(len(state.hits), width, generator=random)}

    return rows


def _expected(network: SubNetwork) -> Callable[[State], Tensor]:
    rows = _rows(network)

    def expected(state: State) -> Tensor:
        found: Tensor = network(rows(state)["x"])
        return found

    return expected


def save(model: Model, example: Mapping[str, Tensor], path: Path) -> None:
    """Write one file with the weights in it. Raises MissingExtraError without onnx."""
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise MissingExtraError("exporting to QONNX", "export") from error
    assert isinstance(model.module, SubNetwork)
    graph = _Graph(helper, onnx.numpy_helper)
    graph.layers(model.module)
    graph.nodes[-1].output[0] = model.output
    n_out = linear_layers(model.module)[-1].out_features
    content = helper.make_graph(
        graph.nodes,
        model.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", example["x"].shape[1]])],
        [helper.make_tensor_value_info(model.output, TensorProto.FLOAT, ["n", n_out])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    onnx.save(helper.make_model(content, opset_imports=opsets, ir_version=IR), str(path))


class _Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self, helper: Any, numpy_helper: Any) -> None:
        self.helper, self.numpy_helper = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, given: list[str], **how: Any) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, given, [output], output, **how))
        return output

    def constant(self, values: Any) -> str:
        name = f"constant_{len(self.constants)}"
        array = np.asarray(values, np.float32)
        self.constants.append(self.numpy_helper.from_array(array, name))
        return name

    def on_grid(self, given: str, scale: Any, bits: int) -> str:
        more = [self.constant(scale), self.constant(0.0), self.constant(bits)]
        how: dict[str, Any] = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
        return self.add("Quant", [given, *more], domain=DOMAIN, **how)

    def layers(self, network: SubNetwork) -> None:
        given, bits = "x", iter(network.bits)
        for layer in network.layers:
            if isinstance(layer, nn.Linear):
                given = self.linear(given, layer, next(bits))
            elif isinstance(layer, nn.LayerNorm):
                scale = [self.constant(as_numpy(one)) for one in (layer.weight, layer.bias)]
                given = self.add("LayerNormalization", [given, *scale], epsilon=layer.eps)
            elif isinstance(layer, nn.SiLU):
                given = self.add("Mul", [given, self.add("Sigmoid", [given])])
            else:
                given = self.add(_SIMPLE[type(layer)], [given])

    def linear(self, given: str, layer: nn.Linear, bits: int) -> str:
        grid = getattr(layer, "grid", None)
        if isinstance(grid, InputGrid):
            given = self.on_grid(given, as_numpy(grid.scale), grid.bits)
        weight = as_numpy(layer.weight).T
        if bits == FLOAT:
            found = self.add("MatMul", [given, self.constant(weight)])
        else:
            # Multiples of the scales, and these behind the product: hls4ml takes no others.
            scale = as_numpy(row_scales(layer.weight, bits)).T
            steps = self.on_grid(self.constant(np.round(weight / scale)), 1.0, bits)
            found = self.add("MatMul", [given, steps])
            found = self.add("Mul", [found, self.constant(scale)])
        bias: Tensor | None = layer.bias
        return found if bias is None else self.add("Add", [found, self.constant(as_numpy(bias))])


def load(path: Path) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The file in the reference evaluator of onnx, with Quant as its specification has it."""
    try:
        import onnx
        from onnx.reference import ReferenceEvaluator
        from onnx.reference.op_run import OpRun
    except ImportError as error:
        raise MissingExtraError("running QONNX files", "export") from error

    class Quant(OpRun):
        op_domain = DOMAIN

        def _run(self, x: Any, scale: Any, zero: Any, bits: Any, **_: Any) -> tuple[Any]:
            most = 2 ** (int(bits) - 1) - 1
            steps = np.clip(np.round(x / scale + zero), -most, most)
            return (((steps - zero) * scale).astype(np.float32),)

    evaluator = ReferenceEvaluator(onnx.load(str(path)), new_ops=[Quant])

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        (output,) = evaluator.run(None, {name: one.numpy() for name, one in inputs.items()})
        return torch.from_numpy(output)

    return run


def write_bits(pipeline: Pipeline, folder: Path) -> None:
    """Of each file: bits layer by layer, weights that are not zero, bit operations of a row."""
    content = {}
    for (_, name), network in sub_networks(pipeline).items():
        left, of = count_weights(network)
        content[f"{name}{QONNX.suffix}"] = {
            "weights": network.bits,
            "activations": network.input_bits,
            "weights_not_zero": left,
            "weights_of": of,
            "bit_operations": bit_operations(network, network.bits, network.input_bits),
        }
    (folder / BITS_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


QONNX = Format(".onnx", save, load)
TARGET = Target(models, [QONNX], tolerance=0.05, beside=write_bits)
