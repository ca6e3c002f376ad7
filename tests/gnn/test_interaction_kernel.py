"""The interaction network in one pass a round gives what its plain modules give."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings
from hitgraph.gnn.interaction.cpu import BLOCK, EDGES, HITS, score_edges

N_HIT, N_EDGE = 3, 5


def network(sizes: InteractionSettings, seed: int = 0) -> InteractionNetwork:
    torch.manual_seed(seed)
    net = InteractionNetwork(sizes, N_HIT, N_EDGE)
    net.learn_inputs(torch.randn(50, N_HIT) * 30 + 7, torch.randn(50, N_EDGE) * 3 - 1)
    for one_round in net.rounds:  # a fresh layer norm changes nothing and would hide its place
        torch.nn.init.normal_(one_round.normalise.weight)
        torch.nn.init.normal_(one_round.normalise.bias)
    return net


def some_graph(n_hits: int, n_edges: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return (
        torch.randn(n_hits, N_HIT, generator=random) * 30 + 7,
        torch.randint(n_hits, (2, n_edges), generator=random),
        torch.randn(n_edges, N_EDGE, generator=random) * 3,
    )


def plain(net: InteractionNetwork, x: Tensor, edges: Tensor, edge_attr: Tensor) -> Tensor:
    """What the modules say, which `forward` leaves to the kernel where no gradient is wanted."""
    with torch.enable_grad():
        return net(x, edges, edge_attr).detach()


def assert_close(fused: Tensor, expected: Tensor) -> None:
    scale = max(float(expected.abs().max()) if expected.numel() else 0.0, 1.0)
    torch.testing.assert_close(fused, expected, rtol=0.0, atol=5e-5 * scale)


@settings(max_examples=40, deadline=None)
@given(
    n_hits=st.integers(1, 200),
    n_edges=st.integers(0, 20 * BLOCK),
    hidden=st.integers(1, 40),
    mlp_hidden=st.integers(1, 40),
    steps=st.integers(1, 4),
    residual=st.booleans(),
    gated=st.booleans(),
    shared=st.booleans(),
    seed=st.integers(0, 1000),
)
@example(
    n_hits=1, n_edges=0, hidden=4, mlp_hidden=5, steps=2, residual=True, gated=True, shared=False,
    seed=0,
)  # fmt: skip
@example(
    n_hits=1, n_edges=7, hidden=4, mlp_hidden=5, steps=2, residual=True, gated=True, shared=False,
    seed=0,
)  # fmt: skip
@example(
    n_hits=300, n_edges=2, hidden=4, mlp_hidden=5, steps=2, residual=True, gated=True,
    shared=False, seed=0,
)  # fmt: skip
def test_same_logits_as_the_modules(
    n_hits: int, n_edges: int, hidden: int, mlp_hidden: int, steps: int, residual: bool,
    gated: bool, shared: bool, seed: int,
) -> None:  # fmt: skip
    net = network(InteractionSettings(hidden, mlp_hidden, steps, residual, gated, shared), seed)
    graph = some_graph(n_hits, n_edges, seed)
    with torch.no_grad():
        fused = net(*graph)
    assert fused.dtype == torch.float32
    assert_close(fused, plain(net, *graph))


@pytest.mark.parametrize(("hidden", "mlp_hidden"), [(64, 128), (128, 64)])
def test_same_logits_at_the_widths_of_larger_pipelines(hidden: int, mlp_hidden: int) -> None:
    net = network(InteractionSettings(hidden, mlp_hidden, steps=8))
    graph = some_graph(200, 1000)
    with torch.inference_mode():
        fused = net(*graph)
    assert_close(fused, plain(net, *graph))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    net = network(InteractionSettings(hidden=16, mlp_hidden=16))
    graph = some_graph(HITS + 500, 2 * EDGES + 9)
    with torch.no_grad():
        whole = net(*graph)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        torch.testing.assert_close(net(*graph), whole, rtol=0.0, atol=0.0)


def test_an_outlier_stays_where_it_is() -> None:
    """What is not a number in one edge reaches only the edges its messages can reach."""
    net = network(InteractionSettings(hidden=8, mlp_hidden=8, steps=2))
    x, _, edge_attr = some_graph(6, 3)
    edges = torch.tensor([[0, 1, 3], [1, 2, 4]])
    edge_attr[0, 0] = torch.nan
    with torch.no_grad():
        assert net(x, edges, edge_attr).isnan().tolist() == [True, True, False]


def test_training_and_other_numbers_keep_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    monkeypatch.setattr(
        "hitgraph.gnn.interaction.score_edges",
        lambda *inputs: used.append(1) or score_edges(*inputs),
    )
    graph = some_graph(20, 50)
    net = network(InteractionSettings(hidden=8, mlp_hidden=8, steps=1))
    net(*graph).sum().backward()
    assert net.classify[0].weight.grad is not None
    with torch.no_grad():
        net.double()(graph[0].double(), graph[1], graph[2].double())
        network(InteractionSettings(hidden=8, mlp_hidden=200, steps=1))(*graph)
    assert not used
    with torch.no_grad():
        net.float()(*graph)
    assert used
