"""The interaction network: symmetries, sums, options."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings

N_HIT, N_EDGE = 3, 4
SMALL = InteractionSettings(hidden=6, mlp_hidden=5, steps=3)
OPTIONS = [
    InteractionSettings(6, 5, 3, residual=residual, gated=gated, shared=shared)
    for residual in (False, True)
    for gated in (False, True)
    for shared in (False, True)
]
every_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: f"residual={o.residual}-gated={o.gated}-shared={o.shared}"
)

Graph = tuple[Tensor, Tensor, Tensor]


def network(options: InteractionSettings = SMALL, seed: int = 0) -> InteractionNetwork:
    torch.manual_seed(seed)
    return InteractionNetwork(options, N_HIT, N_EDGE)


def some_graph(n_hits: int = 12, n_edges: int = 30, seed: int = 0) -> Graph:
    random = torch.Generator().manual_seed(seed)
    return (
        torch.randn(n_hits, N_HIT, generator=random),
        torch.randint(max(n_hits, 1), (2, n_edges), generator=random),
        torch.randn(n_edges, N_EDGE, generator=random),
    )


def slow_logits(
    net: InteractionNetwork, x: Tensor, edge_index: Tensor, edge_attr: Tensor
) -> Tensor:
    """The formulas of the module's docstring, edge by edge and hit by hit, from its weights."""
    options = net.settings
    hits = list(net.encode_hits(net.standardise_hits(x)))
    edges = list(net.encode_edges(net.standardise_edges(edge_attr)))
    ends = edge_index.T.tolist()
    for step in range(options.steps):
        part = net.rounds[0 if options.shared else step]
        weight = torch.cat(
            [part.edge_part.weight, part.source_part.weight, part.target_part.weight], dim=1
        )
        for k, (i, j) in enumerate(ends):
            first = weight @ torch.cat([edges[k], hits[i], hits[j]]) + part.edge_part.bias
            update = part.edge_out(torch.relu(first))
            edges[k] = edges[k] + update if options.residual else update
        outgoing = [torch.zeros(options.hidden) for _ in hits]
        incoming = [torch.zeros(options.hidden) for _ in hits]
        for k, (i, j) in enumerate(ends):
            gate = torch.sigmoid(part.gate(edges[k])) if options.gated else 1.0
            outgoing[i] = outgoing[i] + gate * edges[k]
            incoming[j] = incoming[j] + gate * edges[k]
        for n in range(len(hits)):
            update = part.node(part.normalise(torch.cat([hits[n], outgoing[n], incoming[n]])))
            hits[n] = hits[n] + update if options.residual else update
    return torch.stack([net.classify(edge)[0] for edge in edges])


@every_option
def test_it_computes_its_formulas_and_their_gradients(options: InteractionSettings) -> None:
    """Also: the split first layer equals the layer on [e_ij ; x_i ; x_j]."""
    graph = some_graph()
    gradients = []
    for compute in (InteractionNetwork.forward, slow_logits):
        net = network(options)
        net.learn_inputs(graph[0], graph[2])
        logits = compute(net, *graph)
        logits.square().sum().backward()
        gradients.append({name: p.grad for name, p in net.named_parameters()})
        torch.testing.assert_close(logits, slow_logits(net, *graph), rtol=1e-4, atol=1e-5)
    for name, expected in gradients[1].items():
        if expected is None:  # the hits of the last round are not looked at
            assert any(part in name for part in (".gate.", ".normalise.", ".node."))
        else:
            torch.testing.assert_close(gradients[0][name], expected, rtol=1e-3, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(n_hits=st.integers(2, 15), n_edges=st.integers(0, 40), seed=st.integers(0, 10**6))
def test_the_order_of_hits_and_of_edges_does_not_matter(
    n_hits: int, n_edges: int, seed: int
) -> None:
    net = network()
    x, edges, attr = some_graph(n_hits, n_edges, seed)
    logits = net(x, edges, attr)
    random = torch.Generator().manual_seed(seed)
    hit_order = torch.randperm(n_hits, generator=random)
    edge_order = torch.randperm(n_edges, generator=random)
    place = torch.argsort(hit_order)  # where each hit went
    other = net(x[hit_order], place[edges[:, edge_order]], attr[edge_order])
    torch.testing.assert_close(other, logits[edge_order], rtol=1e-4, atol=1e-5)


def test_messages_are_summed_at_both_ends() -> None:
    """Two edges leave hit 0, two reach hit 2; the sums are taken by hand."""
    one_round = network(replace(SMALL, residual=False, gated=False)).rounds[0]
    one_round.normalise = one_round.node = nn.Identity()  # shows what a hit is given
    hits, edges = torch.randn(4, 6), torch.randn(3, 6)
    told, e = one_round(hits, edges, torch.tensor([[0, 0, 1], [1, 2, 2]]))
    nothing = torch.zeros(6)
    expected = [
        torch.cat([hits[0], e[0] + e[1], nothing]),
        torch.cat([hits[1], e[2], e[0]]),
        torch.cat([hits[2], nothing, e[1] + e[2]]),
        torch.cat([hits[3], nothing, nothing]),
    ]
    torch.testing.assert_close(told, torch.stack(expected))


def test_the_gate_opens_and_closes_the_messages() -> None:
    graph = some_graph()
    gated, plain = network(replace(SMALL, gated=True)), network(replace(SMALL, gated=False))
    plain.load_state_dict(gated.state_dict(), strict=False)
    for one_round in gated.rounds:
        nn.init.zeros_(one_round.gate.weight)
        nn.init.constant_(one_round.gate.bias, 50.0)
    torch.testing.assert_close(gated(*graph), plain(*graph))
    for one_round in gated.rounds:
        nn.init.constant_(one_round.gate.bias, -100.0)
    x, edges, attr = graph
    silent = gated(x, edges, attr)
    elsewhere = torch.randperm(edges.shape[1])[:10]
    torch.testing.assert_close(  # no edge hears of another
        gated(x, edges[:, elsewhere], attr[elsewhere]), silent[elsewhere]
    )


def test_shared_weights_are_those_of_one_round() -> None:
    shared = network(replace(SMALL, shared=True))
    unrolled = network(replace(SMALL, shared=False))
    state = dict(shared.state_dict())
    for name, value in shared.state_dict().items():
        if name.startswith("rounds.0."):
            state |= {f"rounds.{n}.{name[9:]}": value for n in range(SMALL.steps)}
    unrolled.load_state_dict(state)
    torch.testing.assert_close(shared(*some_graph()), unrolled(*some_graph()))


@every_option
def test_training_sees_every_second_round_and_the_last(options: InteractionSettings) -> None:
    for steps in (1, 2, 3, 4):
        net = network(replace(options, steps=steps))
        every = net.all_logits(*some_graph())
        assert every.shape == ((steps + 1) // 2, 30)
        for logits, rounds in zip(every.flip(0), range(steps, 0, -2), strict=True):
            shallow = network(replace(options, steps=rounds))
            shallow.load_state_dict(net.state_dict(), strict=False)
            torch.testing.assert_close(logits, shallow(*some_graph()))


def test_news_travels_one_edge_a_round() -> None:
    """On a chain, s rounds tell an edge of its own hits and of s - 1 further ones, no more."""
    x = torch.randn(8, N_HIT)
    chain = torch.tensor(list(pairwise(range(8)))).T
    attr = torch.randn(7, N_EDGE)
    for rounds in (1, 2, 3):
        net = network(replace(SMALL, steps=rounds))
        logits = net(x, chain, attr)
        for far in range(1, 8):
            moved = x.clone()
            moved[far] += 1.0
            assert bool(net(moved, chain, attr)[0] != logits[0]) == (far <= rounds)


@every_option
def test_what_is_not_connected_does_not_matter(options: InteractionSettings) -> None:
    """Layer, not batch normalisation: a part of an event is judged as within the whole."""
    net = network(options)
    net.train()
    one, other = some_graph(seed=1), some_graph(n_hits=9, n_edges=20, seed=2)
    both = (
        torch.cat([one[0], 100 * other[0]]),
        torch.cat([one[1], other[1] + 12], dim=1),
        torch.cat([one[2], 100 * other[2]]),
    )
    torch.testing.assert_close(net(*both)[:30], net(*one))


def test_an_isolated_hit_is_fine() -> None:
    x, edges, attr = some_graph()
    more = torch.cat([x, torch.randn(2, N_HIT)])
    torch.testing.assert_close(network()(more, edges, attr), network()(x, edges, attr))


@every_option
@pytest.mark.parametrize("n_hits", [0, 1, 5])
def test_no_edges_are_fine(options: InteractionSettings, n_hits: int) -> None:
    net = network(options)
    graph = some_graph(n_hits, 0)
    assert net(*graph).shape == (0,)
    logits = net.all_logits(*graph)
    assert logits.shape == (2, 0)
    logits.sum().backward()
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(bool((gradient == 0).all()) for gradient in gradients)


def test_the_direction_of_an_edge_matters() -> None:
    x, edges, attr = some_graph()
    assert not torch.allclose(network()(x, edges, attr), network()(x, edges.flip(0), attr))


@every_option
def test_checkpointing_changes_memory_not_gradients(options: InteractionSettings) -> None:
    gradients = []
    for checkpointing in (False, True):
        net = network(options)
        net.train()
        net.checkpointing = checkpointing
        net.all_logits(*some_graph()).square().mean().backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    assert len(gradients[0]) > 10
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.equal(plain, recomputed)


@every_option
def test_mixed_precision_is_close(options: InteractionSettings) -> None:
    net = network(options)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net.all_logits(*some_graph())
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, net.all_logits(*some_graph()), rtol=0.1, atol=0.05)


def test_units_of_the_inputs_do_not_matter_once_learnt() -> None:
    x, edges, attr = some_graph()
    one, other = network(), network()
    one.learn_inputs(x, attr)
    other.learn_inputs(x * 1000 + 5, attr / 1000)
    torch.testing.assert_close(
        one(x, edges, attr), other(x * 1000 + 5, edges, attr / 1000), rtol=1e-3, atol=1e-4
    )


def test_the_papers_network_has_its_size() -> None:
    """8 steps of two-layer MLPs [128, 64] (arXiv 2103.06995, section 5.3)."""
    net = InteractionNetwork(InteractionSettings(64, 128, 8, residual=False, gated=False), 3, 1)

    def two_layers(n_in: int, n_out: int = 64) -> int:
        return n_in * 128 + 128 + 128 * n_out + n_out

    one_round = 2 * two_layers(3 * 64) + 2 * 3 * 64  # and a layer norm
    expected = two_layers(3) + two_layers(1) + two_layers(64, 1) + 8 * one_round
    assert sum(p.numel() for p in net.parameters()) == expected


@pytest.mark.parametrize("key", ["hidden", "mlp_hidden", "steps"])
def test_sizes_below_one_are_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key}: 0 is not allowed"):
        InteractionSettings(**{key: 0})
