"""The fused edge update gives what plain torch gives, forward and backward."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.gnn.edge_update import Weights
from hitgraph.gnn.edge_update.cpu import TILE
from hitgraph.gnn.edge_update.cpu import update_edges as fused
from hitgraph.gnn.edge_update.plain import update_edges as reference


def problem(
    n_hits: int, n_edges: int, width: int, hidden: int, gated: bool, seed: int = 0
) -> tuple[list[Tensor], Tensor, Weights]:
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, requires_grad=True)

    inputs = [draw(n_edges, width), draw(n_hits, hidden), draw(n_hits, hidden)]
    edge_index = torch.randint(n_hits, (2, n_edges), generator=random)
    weights = Weights(
        draw(hidden, width),
        draw(hidden),
        draw(width, hidden),
        draw(width),
        draw(1, width) if gated else None,
        draw(1) if gated else None,
    )
    return inputs, edge_index, weights


def results(update, inputs, edge_index, weights, residual):  # type: ignore[no-untyped-def]
    """Outputs, and gradients of a fixed random projection of them."""
    outputs = update(*inputs, edge_index, weights, residual)
    random = torch.Generator().manual_seed(1)
    total = sum((out * torch.randn(out.shape, generator=random)).sum() for out in outputs)
    leaves = [leaf for leaf in (*inputs, *weights) if leaf is not None]
    return outputs, torch.autograd.grad(total, leaves)


def assert_close(one: Tensor, other: Tensor, n_terms: int = 0) -> None:
    """To rounding; sums of `n_terms` of either sign may come out far smaller than their terms."""
    largest = float(other.detach().abs().max()) if other.numel() else 0.0
    scale = max(largest, 1.0, n_terms**0.5)
    torch.testing.assert_close(one, other, rtol=0.0, atol=2e-5 * scale)


@settings(max_examples=30, deadline=None)
@given(
    n_hits=st.integers(1, 40),
    n_edges=st.integers(0, 600),
    width=st.integers(1, 20),
    hidden=st.integers(1, 20),
    gated=st.booleans(),
    residual=st.booleans(),
    seed=st.integers(0, 1000),
)
@example(n_hits=1, n_edges=0, width=3, hidden=4, gated=True, residual=True, seed=0)  # one hit
@example(n_hits=1, n_edges=9, width=3, hidden=4, gated=True, residual=False, seed=0)  # loops
@example(n_hits=40, n_edges=2, width=3, hidden=4, gated=False, residual=True, seed=0)
@example(n_hits=40, n_edges=0, width=3, hidden=4, gated=False, residual=True, seed=0)
def test_same_values_and_gradients_as_plain_torch(
    n_hits: int, n_edges: int, width: int, hidden: int, gated: bool, residual: bool, seed: int
) -> None:
    case = problem(n_hits, n_edges, width, hidden, gated, seed)
    for got, wanted in zip(
        results(fused, *case, residual), results(reference, *case, residual), strict=True
    ):
        for one, other in zip(got, wanted, strict=True):
            assert_close(one, other, n_edges)


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    case = problem(30, 5 * TILE + 7, 8, 8, gated=True)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = results(fused, *case, True)
        torch.set_num_threads(2)
        together = results(fused, *case, True)
    finally:
        torch.set_num_threads(threads)
    for got, wanted in zip(together, alone, strict=True):
        for one, other in zip(got, wanted, strict=True):
            assert torch.equal(one, other)


def test_messages_are_summed_where_an_edge_starts_and_where_it_ends() -> None:
    # W_2 = 0, no gate, residual: states stay as they are and are their own messages.
    edges = torch.tensor([[1.0], [2.0], [4.0]])
    edge_index = torch.tensor([[0, 0, 1], [1, 2, 2]])
    zeros = torch.zeros(3, 1)
    weights = Weights(
        torch.ones(1, 1), torch.zeros(1), torch.zeros(1, 1), torch.zeros(1), None, None
    )
    new, outgoing, incoming = fused(edges, zeros, zeros, edge_index, weights, residual=True)
    assert new.flatten().tolist() == [1.0, 2.0, 4.0]
    assert outgoing.flatten().tolist() == [3.0, 4.0, 0.0]
    assert incoming.flatten().tolist() == [0.0, 1.0, 6.0]


@pytest.mark.parametrize("update", [fused, reference])
def test_hits_without_edges_get_no_message(update) -> None:  # type: ignore[no-untyped-def]
    inputs, edge_index, weights = problem(50, 12, 3, 4, gated=True)
    _, outgoing, incoming = update(*inputs, edge_index, weights, True)
    for sums, ends in zip((outgoing, incoming), edge_index, strict=True):
        reached = torch.zeros(50, dtype=torch.bool)
        reached[ends] = True
        assert bool((sums[~reached] == 0).all())
        assert bool((sums[reached] != 0).any(dim=1).all())


@pytest.mark.parametrize("update", [fused, reference])
def test_the_order_of_the_edges_changes_no_sum(update) -> None:  # type: ignore[no-untyped-def]
    """Edges sorted by either end, as the engine keeps them, or in any order."""
    inputs, edge_index, weights = problem(12, 80, 3, 4, gated=True)
    new, outgoing, incoming = update(*inputs, edge_index, weights, True)
    for order in (edge_index[0].argsort(), edge_index[1].argsort(), torch.randperm(80)):
        other = update(inputs[0][order], *inputs[1:], edge_index[:, order], weights, True)
        assert_close(other[0], new[order])
        assert_close(other[1], outgoing)
        assert_close(other[2], incoming)


@pytest.mark.parametrize("update", [fused, reference])
def test_the_hidden_layer_is_the_split_first_layer(update) -> None:  # type: ignore[no-untyped-def]
    inputs, edge_index, weights = problem(6, 9, 3, 4, gated=False)
    edges, inner, outer = inputs
    new, _, _ = update(edges, inner, outer, edge_index, weights, False)
    for k, (i, j) in enumerate(edge_index.T.tolist()):
        z = weights.first @ edges[k] + weights.first_bias + inner[i] + outer[j]
        wanted = weights.second @ torch.relu(z) + weights.second_bias
        torch.testing.assert_close(new[k], wanted, rtol=1e-5, atol=1e-5)
