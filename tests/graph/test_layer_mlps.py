"""The MLPs of layer pairs: each edge by the network of its own, and a pipeline with them."""

from pathlib import Path

import pytest
import torch
from tests.trained import tiny_recipe, train_quietly

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.source import list_events
from hitgraph.event.truth import true_edges
from hitgraph.graph.layer_mlps import UNKNOWN, LayerMlps, pair_values
from hitgraph.graph.layer_mlps.stage import LayerMlpSettings, LayerPairTable
from hitgraph.hits import Hits
from hitgraph.operations import toy_graph
from hitgraph.pipeline import Pipeline
from hitgraph.stage import Context

NOTHING = torch.zeros(0, 3), torch.zeros(2, 0)


def attributes(n: int, seed: int = 1) -> torch.Tensor:
    """Edges of three pairs of layers, and of none."""
    random = torch.Generator().manual_seed(seed)
    pair = torch.randint(-1, 3, (n, 1), generator=random)
    return torch.cat([torch.randn(n, 5, generator=random), pair], dim=1)


@torch.no_grad()
def test_each_edge_is_judged_by_the_network_of_its_layers() -> None:
    torch.manual_seed(2)
    network, edges = LayerMlps(3, 4, 2), attributes(40)
    network.learn_inputs(attributes(200, seed=2))
    logits = network(*NOTHING, edges)
    for row, edge in enumerate(edges):
        k = int(edge[-1])
        if k < 0:
            assert float(logits[row]) == UNKNOWN
            continue
        x = (edge[:-1] - network.mean[k]) / network.std[k]
        for number, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            x = (torch.relu(x) if number else x) @ weight[k] + bias[k]
        assert float(logits[row]) == pytest.approx(float(x), abs=1e-5)


def test_the_order_of_edges_changes_no_logit_and_no_edges_have_none() -> None:
    torch.manual_seed(2)
    network, edges = LayerMlps(3, 4, 1), attributes(40)
    order = torch.randperm(40)
    torch.testing.assert_close(network(*NOTHING, edges[order]), network(*NOTHING, edges)[order])
    assert network(*NOTHING, edges[:0]).shape == (0,)


def test_inputs_are_standardised_for_each_pair_of_layers() -> None:
    network, edges = LayerMlps(3, 4, 1), attributes(300)
    network.learn_inputs(edges)
    for k in range(3):
        own = edges[edges[:, -1] == k, :-1]
        torch.testing.assert_close(network.mean[k], own.mean(dim=0))
        torch.testing.assert_close(network.std[k], own.std(dim=0))


def test_a_turn_about_the_beam_leaves_the_values() -> None:
    position, edges = torch.randn(20, 3) * 100, torch.randint(20, (2, 30))
    turn = torch.tensor([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    flat = torch.zeros(20, 3), torch.zeros(20).long(), torch.zeros(20).long()
    one, other = (
        pair_values(Hits(flat[0], where, flat[1], flat[2]), edges)
        for where in (position, position @ turn.T)
    )
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_layers_that_no_true_edge_joins_have_no_network() -> None:
    hits, detector, edges, _ = toy_graph(1)
    key = torch.unique(hits.layer[edges[0]] * detector.n_layers + hits.layer[edges[1]])
    known = key[::2].contiguous()
    table = LayerPairTable(known, detector.n_layers)
    row = table.attributes(hits, edges)[:, -1].long()
    wanted = hits.layer[edges[0]] * detector.n_layers + hits.layer[edges[1]]
    assert torch.equal(row >= 0, torch.isin(wanted, known))
    assert torch.equal(table.key[row[row >= 0]], wanted[row >= 0])


def test_a_pipeline_with_them_keeps_most_true_edges(tiny_store: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        graph={"use": "nearest", "neighbours": 40, "target_efficiency": 1.0},
        filter={
            "use": "layer_mlps",
            "hidden": 8,
            "training": {"epochs": 3, "learning_rate": 0.02},
            "target_efficiency": 0.9,
        },
        gnn__training__epochs=1,
    )
    train_quietly(recipe, tiny_store, tmp_path / "pipeline")
    pipeline = Pipeline.load(tmp_path / "pipeline")
    event = list_events([tiny_store])[-1].read()
    kept = pipeline.run(event, keep="all").kept
    neighbours = {tuple(edge) for edge in true_edges(event).T.tolist()}
    found, left = (
        len(neighbours & set(map(tuple, kept[name].graph().T.tolist())))
        for name in ("graph", "filter")
    )
    assert left > 0.75 * found > 0
    assert kept["filter"].n_edges < kept["graph"].n_edges / 2


def test_what_is_no_such_stage_is_refused() -> None:
    with pytest.raises(SettingsError, match="hidden: 0 is not allowed"):
        LayerMlpSettings(hidden=0)
    _, detector, _, _ = toy_graph(1)
    settings = LayerMlpSettings(hidden=4)
    tensors = {f"network.{k}": v for k, v in settings.build(2).state_dict().items()}
    good = {**tensors, "pairs": torch.tensor([0, 1]), "cut": torch.tensor(0.1).double()}
    context = Context(detector)
    assert settings.load(context, good).tensors().keys() == good.keys()
    for name, value, message in (
        ("pairs", torch.tensor([1, 0]), "do not rise"),
        ("pairs", torch.tensor([0, 99]), "pairs: holds 99"),
        ("pairs", torch.tensor([0, 1, 2]), "network.mean"),
        ("cut", torch.tensor(2.0).double(), "cut: holds 2"),
        ("odd", torch.zeros(1), "odd"),
    ):
        with pytest.raises(InputError, match=message):
            settings.load(context, {**good, name: value})
