"""What holds for every registered edge network."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.host import nothing_on_the_host
from tests.trained import tiny_recipe, untrained
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.turned import turned_detector, turned_event
from hitgraph.gnn.network import NetworkStage
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.pipeline import Pipeline
from hitgraph.stage import NETWORKS
from hitgraph.tensors import load_network, network_tensors

networks = pytest.mark.parametrize("name", list(NETWORKS))
N_HIT, N_EDGE = 3, 4


def network(name: str, seed: int = 0) -> EdgeNetwork:
    torch.manual_seed(seed)
    made = NETWORKS[name]().build(N_HIT, N_EDGE)
    made.learn_inputs(torch.randn(40, N_HIT) * 3 + 1, torch.randn(40, N_EDGE) * 2 - 1)
    return made.eval()


def some_graph(n_hits: int, n_edges: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n_hits, N_HIT, generator=random)
    edges = torch.randint(n_hits, (2, n_edges), generator=random)
    return x, edges, torch.randn(n_edges, N_EDGE, generator=random)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@networks
@hypothesis_settings(max_examples=20, deadline=None)
@given(n_hits=st.integers(1, 20), n_edges=st.integers(0, 60), seed=st.integers(0, 1000))
def test_names_of_hits_and_the_order_of_edges_do_not_matter(
    name: str, n_hits: int, n_edges: int, seed: int
) -> None:
    x, edges, attributes = some_graph(n_hits, n_edges, seed)
    random = torch.Generator().manual_seed(seed)
    hits = torch.randperm(n_hits, generator=random)
    order = torch.randperm(n_edges, generator=random)
    place = torch.argsort(hits)
    net = network(name)
    with torch.no_grad():
        expected = net(x, edges, attributes)
        found = net(x[hits], place[edges[:, order]], attributes[order])
    assert expected.shape == (n_edges,)
    close(found, expected[order])


@networks
@hypothesis_settings(max_examples=20, deadline=None)
@given(n_hits=st.integers(1, 30), n_edges=st.integers(0, 80), seed=st.integers(0, 1000))
def test_whoever_computes_the_logits_are_the_same(
    name: str, n_hits: int, n_edges: int, seed: int
) -> None:
    """The kernels of the host, torch, and torch with gradients."""
    graph = some_graph(n_hits, n_edges, seed)
    net = network(name)
    with torch.no_grad():
        fast = net(*graph)
        net.backend = "plain"
        plain = net(*graph)
    close(fast, plain)
    close(net(*graph).detach(), plain)
    close(net.all_logits(*graph)[-1].detach(), plain)


@networks
def test_nothing_goes_through_the_host(name: str, device: str) -> None:
    graph = [one.to(device) for one in some_graph(10, 30, 0)]
    net = network(name).to(device)
    net.backend = "plain"
    with torch.no_grad(), nothing_on_the_host():
        assert net(*graph).shape == (30,)


@networks
def test_an_empty_graph_has_no_logits(name: str) -> None:
    net = network(name)
    for n_hits in (0, 3):
        x, edges, attributes = (
            torch.zeros(n_hits, N_HIT),
            torch.zeros(2, 0).long(),
            torch.zeros(0, N_EDGE),
        )
        with torch.no_grad():
            assert net(x, edges, attributes).shape == (0,)
        assert net.all_logits(x, edges, attributes).shape[1] == 0


def loss_of(net: EdgeNetwork, graph: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return net.all_logits(*graph).tanh().mean()


@networks
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    """Along a random direction in the weights, in double precision."""
    x, edges, attributes = some_graph(6, 12, 3)
    graph = x.double(), edges, attributes.double()
    net = network(name).double()
    net.backend = "plain"
    weights = list(net.parameters())
    random = torch.Generator().manual_seed(1)
    along = [torch.randn(p.shape, generator=random).double() for p in weights]
    loss_of(net, graph).backward()
    slope = sum(
        float((p.grad * d).sum()) for p, d in zip(weights, along, strict=True) if p.grad is not None
    )
    step, values = 1e-7, []
    with torch.no_grad():
        for sign in (1, -2):
            for p, d in zip(weights, along, strict=True):
                p.add_(sign * step * d)
            values.append(float(loss_of(net, graph)))
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-7)


@networks
def test_whoever_computes_the_gradient_is_the_same(name: str) -> None:
    graph = some_graph(20, 50, 3)
    gradients = []
    for backend in ("cpu", "plain"):
        net = network(name)
        net.backend = backend  # type: ignore[assignment]
        loss_of(net, graph).backward()
        gradients.append(
            {  # none is as good as zero: the gates of the last round lead nowhere
                key: torch.zeros_like(p) if p.grad is None else p.grad
                for key, p in net.named_parameters()
            }
        )
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][key], rtol=1e-3, atol=1e-6)


@networks
def test_saved_and_loaded_it_is_the_same(name: str) -> None:
    settings = NETWORKS[name]()
    net = network(name, seed=5)
    tensors = network_tensors(net, "network")
    again = load_network(lambda: settings.build(N_HIT, N_EDGE), tensors, "network", settings)
    graph = some_graph(10, 30, 0)
    with torch.no_grad():
        assert torch.equal(again(*graph), net(*graph))


@networks
def test_an_event_turned_about_the_beam_has_the_same_logits(
    name: str, make_event: Callable[..., Event]
) -> None:
    """With inputs that do not know the azimuth."""
    event = make_event(n_particles=10, n_noise=5, seed=2)
    inputs = [*NETWORKS[name].vector_inputs, "r", "z"]
    recipe = tiny_recipe(gnn__network={"use": name}, gnn__hit_inputs=inputs)
    pipeline = untrained(recipe, event)
    angle = 0.7
    turned = pipeline.rebuilt(detector=turned_detector(pipeline.detector, angle))

    graph = pipeline.run(event, keep=["graph"]).kept["graph"].graph()
    random = torch.Generator().manual_seed(0)
    given = torch.randn(graph.shape[1], generator=random)

    def judged(one: Pipeline, of: Event) -> Tensor:
        stage = one.stages["gnn"]
        assert isinstance(stage, NetworkStage)
        with torch.no_grad():
            return stage.logits(one.start(of).with_edges(graph, logit=given))

    logits = judged(pipeline, event)
    assert logits.std() > 0
    again = judged(turned, replace(turned_event(event, angle), detector=None))
    torch.testing.assert_close(again, logits, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", list(NETWORKS.own))
@pytest.mark.parametrize("key", ["hidden", "steps"])
def test_impossible_sizes_are_refused(name: str, key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key}: 0 is not allowed, at least 1"):
        NETWORKS[name](**{key: 0})


@networks
def test_recomputing_activations_changes_no_gradient(name: str) -> None:
    graph = some_graph(8, 20, 4)
    gradients = []
    for checkpointing in (False, True):
        net = network(name).train()
        net.checkpointing = checkpointing
        net.all_logits(*graph).sum().backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    for one, other in zip(*gradients, strict=True):
        close(one, other)
