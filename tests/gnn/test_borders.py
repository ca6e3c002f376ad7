"""A graph that ranks share is the graph of one process: logits, loss and gradients."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.nn.borders import own_part, slices
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.stage import NETWORKS

N_HIT, N_EDGE = 3, 2
N_HITS, N_EDGES = 60, 300
CAN_SPLIT = [name for name in NETWORKS.own if NETWORKS[name].can_split]


def graph() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(5)
    edges = torch.randint(N_HITS, (2, N_EDGES), generator=random)
    y = (torch.rand(N_EDGES, generator=random) < 0.3).float()
    x = torch.randn(N_HITS, N_HIT, generator=random)
    return x, edges, torch.randn(N_EDGES, N_EDGE, generator=random), y


def parts(n_ranks: int) -> dict[str, Tensor]:
    """Ways to split the hits among ranks."""
    row = torch.arange(N_HITS)
    return {
        "even": row % n_ranks,
        "uneven": (row >= 7).long() + (n_ranks == 3) * (row >= 50).long(),
        "one has nothing": torch.ones_like(row),
        "the last has all": torch.full_like(row, n_ranks - 1),
    }


def network(name: str) -> EdgeNetwork:
    torch.manual_seed(1)
    made = NETWORKS[name]().build(N_HIT, N_EDGE)
    return made.train()


def gradients(net: EdgeNetwork) -> dict[str, Tensor]:
    return {
        key: torch.zeros_like(weight) if weight.grad is None else weight.grad
        for key, weight in net.named_parameters()
    }


def loss_of(logits: Tensor, y: Tensor, own: Tensor) -> Tensor:
    """The term of a rank; over all edges where all are its own."""
    found = binary_cross_entropy_with_logits(logits, y.expand_as(logits), reduction="none")
    return (found * own).sum() / (len(logits) * N_EDGES)


def whole_graph(name: str, backend: str) -> tuple[EdgeNetwork, Tensor]:
    """A network with its gradients, and its logits."""
    x, edge_index, edge_attr, y = graph()
    whole = network(name)
    whole.backend = backend  # type: ignore[assignment]
    logits = whole.all_logits(x, edge_index, edge_attr)
    loss_of(logits, y, torch.ones_like(y)).backward()
    return whole, logits


def check_rank(rank: int, n_ranks: int, rendezvous: str) -> None:
    """What one rank computes, held to the whole graph, which each computes as well."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=n_ranks)
    x, edge_index, edge_attr, y = graph()
    for name in CAN_SPLIT:
        # only this one has a kernel of its own for gradients
        for backend in ("plain", "cpu") if name == "interaction" else ("plain",):
            whole, expected = whole_graph(name, backend)
            for how, part in parts(n_ranks).items():
                case = f"{name}, {backend}, {how}, rank {rank}"
                checkpointing = how == "uneven"
                found = own_part(edge_index, part, rank, n_ranks)
                net = network(name)
                net.backend, net.borders = whole.backend, found.borders
                net.checkpointing = checkpointing
                given = x[found.hits], found.edge_index, edge_attr[found.edges]
                logits = net.all_logits(*given)
                assert_close(logits, expected[:, found.edges], case)
                loss_of(logits, y[found.edges], found.own_edges.float()).backward()
                for key, gradient in gradients(net).items():
                    dist.all_reduce(gradient)
                    assert_close(gradient, gradients(whole)[key], f"{case}, {key}")
                with torch.no_grad():
                    assert_close(net(*given), expected[-1][found.edges], f"{case}, no gradient")
    dist.destroy_process_group()


def assert_close(found: Tensor, expected: Tensor, case: str) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5, msg=lambda m: f"{case}: {m}")


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
@pytest.mark.parametrize("n_ranks", [2, 3])
def test_logits_and_gradients_are_those_of_the_whole_graph(n_ranks: int, tmp_path: Path) -> None:
    assert {"interaction", "attention"} <= set(CAN_SPLIT)
    whole_graph("interaction", "cpu")  # compiles the kernels, which all ranks would do otherwise
    rendezvous = f"file://{tmp_path / 'rendezvous'}"
    torch.multiprocessing.spawn(check_rank, (n_ranks, rendezvous), n_ranks)


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    n_ranks=st.integers(1, 4),
    n_hits=st.integers(1, 12),
    n_edges=st.integers(0, 30),
    seed=st.integers(0, 1000),
)
def test_parts_make_up_the_graph(n_ranks: int, n_hits: int, n_edges: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    edges = torch.randint(n_hits, (2, n_edges), generator=random)
    part = torch.randint(n_ranks, (n_hits,), generator=random)
    found = [own_part(edges, part, rank, n_ranks) for rank in range(n_ranks)]
    own = [one.edges[one.own_edges] for one in found]
    assert torch.cat(own).sort().values.tolist() == list(range(n_edges))
    for rank, one in enumerate(found):
        assert torch.equal(one.hits[one.edge_index], edges[:, one.edges])
        n_own = len(one.hits) - sum(one.borders.n_received)
        assert one.hits[:n_own].tolist() == torch.nonzero(part == rank).squeeze(1).tolist()
        touched = (part[edges] == rank).any(dim=0)
        assert one.edges.tolist() == torch.nonzero(touched).squeeze(1).tolist()
        # what others send is the border, row by row
        sent = []
        for other in found:
            first = sum(other.borders.n_sent[:rank])
            sent += other.hits[other.borders.sent[first:][: other.borders.n_sent[rank]]].tolist()
        assert sent == one.hits[n_own:].tolist()


def test_slices_follow_each_other_in_azimuth_with_as_many_hits_each() -> None:
    phi = torch.rand(50) * 6 - 3
    part = slices(phi, 3)
    assert torch.bincount(part).tolist() == [17, 17, 16]
    for one, other in pairwise(range(3)):
        assert phi[part == one].max() < phi[part == other].min()
    assert slices(torch.zeros(2), 4).tolist() == [0, 2]  # more parts than hits: some are empty
