"""The edge filter."""

import pytest
import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.graph.filter import FilterNetwork, FilterSettings, score_candidates
from hitgraph.hits import hits_from_event
from hitgraph.hits.columns import FEATURES
from hitgraph.pairs import PAIR_FEATURES, pair_features

N_HIT, N_PAIR = 12, 5

every_input = pytest.mark.parametrize("inputs", ["hits", "pairs", "both"])


def network(inputs: str, layers: int = 2, n_pair: int = N_PAIR) -> FilterNetwork:
    torch.manual_seed(0)
    net = FilterNetwork(
        FilterSettings(hidden=16, layers=layers, inputs=inputs),
        FEATURES[:N_HIT],
        PAIR_FEATURES[:n_pair],
    )  # type: ignore[arg-type]
    net.learn_inputs(torch.randn(50, N_HIT) * 30 + 7, torch.randn(50, n_pair) * 3)
    return net


def some_graph(n_hits: int = 20, n_edges: int = 60) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return (
        torch.randn(n_hits, N_HIT, generator=random) * 30,
        torch.randint(n_hits, (2, n_edges), generator=random),
        torch.randn(n_edges, N_PAIR, generator=random),
    )


@every_input
def test_the_split_first_layer_is_the_layer_on_the_concatenated_features(inputs: str) -> None:
    """W [x_i ; x_j ; e_ij] with the three parts of W side by side (arXiv 2103.06995, sec. 5.2)."""
    net = network(inputs)
    x, edges, pairs = some_graph()
    weights, columns, bias = [], [], torch.zeros(16)
    if inputs != "pairs":
        scaled = net.standardise_hits(x)
        weights += [net.inner.weight, net.outer.weight]
        columns += [scaled[edges[0]], scaled[edges[1]]]
        bias = bias + net.inner.bias
    if inputs != "hits":
        weights.append(net.pair.weight)
        columns.append(net.standardise_pairs(pairs))
        bias = bias + net.pair.bias
    first = torch.cat(columns, dim=1) @ torch.cat(weights, dim=1).T + bias
    expected = net.rest(torch.relu(first)).squeeze(1)
    torch.testing.assert_close(net(x, edges, pairs), expected)


@every_input
@pytest.mark.parametrize("layers", [1, 3])
def test_it_has_the_layers_asked_for(inputs: str, layers: int) -> None:
    n_inputs = {"hits": 2 * N_HIT, "pairs": N_PAIR, "both": 2 * N_HIT + N_PAIR}[inputs]
    first = n_inputs * 16 + (2 * 16 if inputs == "both" else 16)
    rest = (layers - 1) * (16 * 16 + 16) + 16 + 1
    assert sum(p.numel() for p in network(inputs, layers).parameters()) == first + rest


@every_input
def test_an_edge_is_judged_by_itself(inputs: str) -> None:
    """Its logit depends neither on its place nor on the other edges."""
    net = network(inputs)
    x, edges, pairs = some_graph()
    logits = net(x, edges, pairs)
    assert logits.shape == (60,)
    order = torch.randperm(60)[:25]
    torch.testing.assert_close(net(x, edges[:, order], pairs[order]), logits[order])


def test_the_direction_of_an_edge_matters() -> None:
    net = network("hits")
    x, edges, _ = some_graph()
    assert not torch.allclose(net(x, edges), net(x, edges.flip(0)))


@every_input
def test_no_edges_give_no_logits(inputs: str) -> None:
    x, edges, pairs = some_graph(n_edges=0)
    assert network(inputs)(x, edges, pairs).shape == (0,)


def test_pair_features_are_asked_for() -> None:
    x, edges, _ = some_graph()
    network("hits")(x, edges)
    with pytest.raises(ValueError, match="edge_attr is needed"):
        network("pairs")(x, edges)


@every_input
def test_units_of_the_inputs_do_not_matter_once_learnt(inputs: str) -> None:
    x, edges, pairs = some_graph()
    one, other = network(inputs), network(inputs)
    one.learn_inputs(x, pairs)
    other.learn_inputs(x * 1000 + 5, pairs * 1000)
    torch.testing.assert_close(
        one(x, edges, pairs), other(x * 1000 + 5, edges, pairs * 1000), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("key", ["hidden", "layers"])
def test_a_network_without_layers_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key}: 0 is not allowed"):
        FilterSettings(**{key: 0})


@every_input
def test_batches_do_not_change_the_scores_of_candidates(inputs: str, tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    edges = torch.combinations(torch.arange(len(hits))).T
    pairs = pair_features(hits, edges, tiny_event.detector)
    net = network(inputs, n_pair=pairs.shape[1])
    expected = net(hits.features, edges, pairs)
    for batch_size in (7, edges.shape[1], 10**6):
        logits = score_candidates(net, hits, edges, tiny_event.detector, batch_size)
        assert logits.dtype == torch.float32
        assert not logits.requires_grad
        torch.testing.assert_close(logits, expected)
    from_disk = score_candidates(net, hits, edges.int(), tiny_event.detector)  # as training keeps
    torch.testing.assert_close(from_disk, expected)


def test_no_candidates_give_no_scores(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    nothing = torch.empty(2, 0, dtype=torch.int64)
    net = network("both", n_pair=25)
    assert score_candidates(net, hits, nothing, tiny_event.detector).shape == (0,)
