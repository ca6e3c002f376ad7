"""Every network in mixed precision: float32 logits near those of float32 throughout."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings
from hitgraph.graph.filter import FilterNetwork, FilterSettings
from hitgraph.graph.triplets import TripletFilter, TripletSettings
from hitgraph.hits.columns import FEATURES
from hitgraph.nn.blocks import Standardise
from hitgraph.pairs import PAIR_FEATURES
from hitgraph.stage import NETWORKS as EDGE_NETWORKS
from hitgraph.tracks.join import JoinNetwork, JoinSettings
from hitgraph.tracks.parts import JOIN_FEATURES

N_HITS, N_EDGES, N_HIT, N_PAIR = 200, 2000, 3, 8
EDGES = torch.randint(N_HITS, (2, N_EDGES), generator=torch.Generator().manual_seed(1))
X = torch.randn(N_HITS, N_HIT, generator=torch.Generator().manual_seed(2))
PAIRS = torch.randn(N_EDGES, N_PAIR, generator=torch.Generator().manual_seed(3))


def rows(network: nn.Module, n_inputs: int) -> Tensor:
    inputs = torch.randn(N_EDGES, n_inputs, generator=torch.Generator().manual_seed(4))
    logits: Tensor = network(inputs)
    return logits


def on_graph(network: nn.Module) -> Tensor:
    logits: Tensor = network(X, EDGES, PAIRS)
    return logits


def interaction(**options: bool) -> Callable[[], Tensor]:
    sizes = InteractionSettings(hidden=32, mlp_hidden=32, steps=6, **options)
    network = InteractionNetwork(sizes, N_HIT, N_PAIR)
    return lambda: on_graph(network)


def edge_filter(inputs: str) -> Callable[[], Tensor]:
    sizes = FilterSettings(hidden=32, layers=2, inputs=inputs)  # type: ignore[arg-type]
    network = FilterNetwork(sizes, FEATURES[:N_HIT], PAIR_FEATURES[:N_PAIR])
    return lambda: on_graph(network)


def triplets(part: str) -> Callable[[], Tensor]:
    network = getattr(TripletFilter(TripletSettings()), part)
    return lambda: rows(network, len(network.standardise.mean))


def join() -> Callable[[], Tensor]:
    network = JoinNetwork(JoinSettings())
    return lambda: rows(network, len(JOIN_FEATURES))


def registered(name: str) -> Callable[[], Tensor]:
    network = EDGE_NETWORKS[name]().build(N_HIT, N_PAIR)
    return lambda: on_graph(network)


NETWORKS: dict[str, Callable[[], Callable[[], Tensor]]] = {
    **{name: partial(registered, name) for name in EDGE_NETWORKS},
    "interaction, states replaced": lambda: interaction(residual=False),
    "interaction, no gate": lambda: interaction(gated=False),
    "interaction, shared weights": lambda: interaction(shared=True),
    "filter of pairs": lambda: edge_filter("pairs"),
    "filter of hits": lambda: edge_filter("hits"),
    "filter of both": lambda: edge_filter("both"),
    "triplets": lambda: triplets("triplet"),
    "edges by triplets": lambda: triplets("edge"),
    "join": join,
}


@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float16, 0.003), (torch.bfloat16, 0.025)]
)
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_logits_differ_by_a_small_part_of_their_size(
    make: Callable[[], Callable[[], Tensor]], precision: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    run = make()
    with torch.no_grad():
        exact = run()
        with torch.autocast("cpu", precision):
            mixed = run()
    assert mixed.dtype == torch.float32
    difference = (mixed - exact).square().mean().sqrt()
    assert 0 < difference < tolerance * exact.square().mean().sqrt()


def test_sums_do_not_overflow() -> None:
    """Two thousand messages of a hundred each at one hit are more than float16 can hold."""
    network = InteractionNetwork(InteractionSettings(hidden=8, gated=False, steps=2), 1, 1)
    for part in network.modules():
        if isinstance(part, Standardise):
            part.std.fill_(1.0)
    assert isinstance(network.encode_edges[2], nn.Linear)
    network.encode_edges[2].bias.data.fill_(100.0)
    edges = torch.zeros(2, 2000, dtype=torch.int64)
    with torch.no_grad(), torch.autocast("cpu", torch.float16):
        assert torch.isfinite(network(torch.zeros(1, 1), edges, torch.zeros(2000, 1))).all()
