"""MLPs on few bits in another runtime: the same rows."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.trained import RADIUS, TRIPLETS, tiny_recipe, untrained
from torch import nn

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.export.models import Model
from hitgraph.export.qonnx import QONNX, SubNetwork, sub_networks
from hitgraph.export.run import export_pipeline
from hitgraph.nn.prune import bit_operations, constrained, prune_smallest
from hitgraph.nn.quantise import quantise_inputs

pytest.importorskip("onnx", reason="the extra export is not installed")


def small(activation: type[nn.Module], bits: int, input_bits: int, norm: bool) -> SubNetwork:
    """A pruned MLP on few bits, whose grids of inputs have seen normal numbers."""
    torch.manual_seed(1)
    norms: list[nn.Module] = [nn.LayerNorm(8)] if norm else []
    layers = [nn.Linear(5, 8), *norms, activation(), nn.Linear(8, 3)]
    network = quantise_inputs(SubNetwork(layers, [bits, bits]), (input_bits,))
    with constrained(network, (bits,)):
        prune_smallest(network, 0.4)
        network(torch.randn(200, 5))
    return network.eval().requires_grad_(False)


def written(network: SubNetwork, folder: Path) -> tuple[Path, Callable[..., Any]]:
    path = folder / "net.onnx"
    model = Model("net", "net", network, lambda _: {}, lambda _: torch.empty(0), {}, "y")
    QONNX.save(model, {"x": torch.randn(2, 5)}, path)
    return path, QONNX.load(path)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.SiLU])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bits", [(2, 4), (4, 8), (32, 32), (4, 32), (32, 8)])
def test_the_file_computes_what_the_network_does(
    activation: type[nn.Module], norm: bool, bits: tuple[int, int], tmp_path: Path
) -> None:
    network = small(activation, *bits, norm)
    _, run = written(network, tmp_path)
    for n_rows in (0, 1, 300):
        x = torch.randn(n_rows, 5, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(run({"x": x}), network(x), rtol=1e-4, atol=1e-4)


def test_qonnx_computes_and_counts_the_same(tmp_path: Path) -> None:
    execution = pytest.importorskip("qonnx.core.onnx_exec", reason="qonnx is not installed")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.util.inference_cost import inference_cost

    network = small(nn.ReLU, 4, 8, norm=False)
    path, _ = written(network, tmp_path)
    x = torch.randn(50, 5)
    model = with_rows(ModelWrapper(str(path)), 50).transform(InferShapes())
    found = execution.execute_onnx(model, {"x": x.numpy()})["y"]
    np.testing.assert_allclose(found, network(x).numpy(), rtol=1e-4, atol=1e-4)

    one = tmp_path / "one.onnx"
    with_rows(ModelWrapper(str(path)), 1).save(str(one))
    cost = inference_cost(str(one), discount_sparsity=True)["total_cost"]
    assert cost["total_bops"] == bit_operations(network, (4,), (8,))


@pytest.mark.parametrize(("bits", "input_bits"), [(32, 32), (4, 32), (4, 8)])
def test_the_circuit_of_hls4ml_computes_the_same(
    tmp_path: Path, bits: int, input_bits: int
) -> None:
    """Its C simulation, one row after another, in 20 bits behind the point."""
    hls4ml = pytest.importorskip("hls4ml", reason="hls4ml is not installed")
    if shutil.which("g++") is None:
        pytest.skip("the C simulation of hls4ml is compiled with g++")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    network = small(nn.ReLU, bits, input_bits, norm=False)
    path, _ = written(network, tmp_path)
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cleanup_model(with_rows(ModelWrapper(str(path)), 1))
        how = {"backend": "Vivado", "default_precision": "fixed<32,12>"}
        config = hls4ml.utils.config_from_onnx_model(model, granularity="name", **how)
        circuit = hls4ml.converters.convert_from_onnx_model(
            model, output_dir=str(tmp_path / "circuit"), backend="Vivado", hls_config=config
        )
        circuit.compile()
        found = circuit.predict(x.numpy()).reshape(300, 3)
    error = np.abs(found - network(x).numpy())
    # An input within rounding of the middle between two values of its grid may fall to either.
    assert (error < 1e-3).mean() > 0.95
    assert error.max() < (0.05 if input_bits < 32 else 1e-3)


def with_rows(model: Any, n_rows: int) -> Any:
    """qonnx wants to know how many."""
    model.set_tensor_shape("x", [n_rows, 5])
    model.set_tensor_shape("y", [n_rows, 3])
    return model


def test_every_linear_layer_of_a_pipeline_is_in_one_file(
    tiny_event: Event, tiny_store: Path, tmp_path: Path
) -> None:
    quantise = {"quantise": {"weights": [4], "activations": [8]}}
    recipe = tiny_recipe(
        graph={**RADIUS, "training": quantise}, filter__training=quantise, triplets=TRIPLETS
    )
    pipeline = untrained(recipe, tiny_event)
    found = sub_networks(pipeline)
    names = [name for _, name in found]
    mlps = {"graph.layers", "filter.rest", "triplets.edge.layers", "gnn.rounds.1.node"}
    assert mlps | {"filter.pair", "gnn.rounds.0.edge_part"} <= set(names)
    for stage, whole in pipeline.stages.items():
        if not hasattr(whole, "network"):
            continue
        of = [net for (own, _), net in found.items() if own == stage]
        n_own = sum(isinstance(one, nn.Linear) for one in whole.network.modules())
        assert sum(len(net.bits) for net in of) == n_own
    out = tmp_path / "out"
    events = [source.read() for source in list_events([tiny_store])]
    checks = export_pipeline(pipeline, "qonnx", out, events)
    assert {one.file for one in checks} == {f"{name}.onnx" for name in names}
    bits = json.loads((out / "bits.json").read_text())
    own = bits["graph.layers.onnx"]
    assert (own["weights"], own["activations"]) == ([4, 4], [8, 8])
    assert own["bit_operations"] == own["weights_not_zero"] * 4 * 8
    assert bits["gnn.classify.onnx"]["weights"] == [32, 32]


def test_a_pipeline_without_networks_is_refused() -> None:
    bare: Any = SimpleNamespace(recipe=SimpleNamespace(name="bare", stages=()), stages={})
    with pytest.raises(SettingsError, match="no stage has a network with linear layers"):
        sub_networks(bare)
