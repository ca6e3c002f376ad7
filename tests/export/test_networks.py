"""Networks in other runtimes: the same outputs, whatever the numbers of hits and edges."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.trained import RADIUS, tiny_recipe, untrained
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.event.event import Event
from hitgraph.export.models import Model, for_tracing, network_models
from hitgraph.export.onnx import ONNX
from hitgraph.export.targets import TARGETS, Format, find_target
from hitgraph.export.torchscript import TORCHSCRIPT
from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.stage import NETWORKS

N_HIT, N_EDGE = 3, 4
SIZES = [(7, 12), (40, 100), (3, 0), (0, 0), (2, 1)]
formats = pytest.mark.parametrize("form", [TORCHSCRIPT, ONNX], ids=["torchscript", "onnx"])


def model_of(network: nn.Module, output: str) -> Model:
    """Only what a format looks at."""

    def no_state(_: object) -> Tensor:
        raise NotImplementedError

    columns = {"x": [str(k) for k in range(N_HIT)]}
    return Model("net", "net", for_tracing(network), lambda _: {}, no_state, columns, output)


def some_graph(n_hits: int, n_edges: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(n_hits)
    return {
        "x": torch.randn(n_hits, N_HIT, generator=random),
        "edge_index": torch.randint(max(n_hits, 1), (2, n_edges), generator=random),
        "edge_attr": torch.randn(n_edges, N_EDGE, generator=random),
    }


def written(form: Format, model: Model, inputs: dict[str, Tensor], folder: Path) -> Callable:
    if form is ONNX:
        pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    path = folder / f"net{form.suffix}"
    form.save(model, inputs, path)
    return form.load(path)


@formats
@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_network_runs_elsewhere(name: str, form: Format, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network: EdgeNetwork = NETWORKS[name](hidden=6, steps=2).build(N_HIT, N_EDGE)
    network.learn_inputs(torch.randn(40, N_HIT) * 3 + 1, torch.randn(40, N_EDGE) * 2 - 1)
    run = written(form, model_of(network, "logits"), some_graph(*SIZES[0]), tmp_path)
    for size in SIZES:
        graph = some_graph(*size)
        with torch.no_grad():
            expected = network(*graph.values())
        torch.testing.assert_close(run(graph), expected, rtol=1e-5, atol=1e-5)


@formats
def test_the_embedding_runs_elsewhere(form: Format, tmp_path: Path) -> None:
    network = EmbeddingNetwork(EmbeddingSettings(hidden=8, layers=2), ["r", "phi", "z"])
    example = {"x": some_graph(*SIZES[0])["x"]}
    run = written(form, model_of(network, "places"), example, tmp_path)
    for n_hits in (0, 1, 50):
        x = some_graph(n_hits, 0)["x"]
        with torch.no_grad():
            torch.testing.assert_close(run({"x": x}), network(x), rtol=1e-5, atol=1e-5)


def test_a_network_that_fixes_a_size_is_refused(tmp_path: Path) -> None:
    class Fixing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.new_zeros(len(x), 1).index_add(0, x[:, 0].long(), x[:, :1])

    with pytest.raises(HitgraphError, match="net: its network fixes a size of the event"):
        TORCHSCRIPT.save(model_of(Fixing(), "places"), {"x": torch.ones(3, 1)}, tmp_path / "a.pt")


def test_what_onnx_does_not_know_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra export is not installed")

    class Unknown(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.digamma(x)

    with pytest.raises(HitgraphError, match=r"net: cannot be written as ONNX: .*digamma"):
        ONNX.save(model_of(Unknown(), "places"), {"x": torch.ones(3, 1)}, tmp_path / "a.onnx")


@pytest.mark.parametrize("name", list(TARGETS))
def test_every_target_is_there(name: str) -> None:
    target = find_target(name)
    assert len(target.formats) > 0
    assert 0 < target.tolerance < 0.1


def test_the_stages_with_networks_are_found(tiny_event: Event) -> None:
    pipeline = untrained(tiny_recipe(graph=RADIUS), tiny_event)
    models = {model.name: model for model in network_models(pipeline)}
    assert {name: model.output for name, model in models.items()} == {
        "graph": "places",
        "filter": "logits",
        "gnn": "logits",
    }
    assert models["gnn"].columns == {
        "x": ("r", "z"),
        "edge_attr": ("logit", "curvature", "z0", "slope"),
    }
    assert models["gnn"].cut == pytest.approx(0.2)


def test_a_pipeline_without_a_network_is_refused(tiny_event: Event) -> None:
    changes = {"points": {"use": "gravnet", "network": {"hidden": 8}}}
    changes["tracks"] = {"use": "condensation"}
    recipe = tiny_recipe(filter=None, gnn=None, **changes)
    with pytest.raises(SettingsError, match="no stage has a network that another program can run"):
        network_models(untrained(recipe, tiny_event))
