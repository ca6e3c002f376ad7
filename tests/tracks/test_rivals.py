"""Edges that a better one contradicts go, and no others."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.kernels.joins import equal_rows
from hitgraph.state import logit
from hitgraph.tracks.rivals import unrivalled


def some_graph(n_hits: int, n_edges: int, seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    pairs = torch.combinations(torch.arange(n_hits))
    edges = pairs[torch.randperm(len(pairs), generator=random)[:n_edges]].T.contiguous()
    return edges, torch.randn(edges.shape[1], generator=random)


def by_the_rule(edges: Tensor, logits: Tensor, joined: float) -> list[bool]:
    pairs, scores = edges.T.tolist(), logits.tolist()
    good = {frozenset(p) for p, score in zip(pairs, scores, strict=True) if score >= logit(joined)}

    def contradicts(other: int, edge: int) -> bool:
        return scores[other] > scores[edge] and any(
            pairs[other][near] == pairs[edge][near]
            and frozenset((pairs[other][far], pairs[edge][far])) not in good
            for near, far in ((0, 1), (1, 0))
        )

    rows = range(len(pairs))
    return [not any(contradicts(other, edge) for other in rows) for edge in rows]


@settings(max_examples=40, deadline=None)
@given(
    n_hits=st.integers(2, 12),
    n_edges=st.integers(0, 60),
    seed=st.integers(0, 10**6),
    joined=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_the_rule(n_hits: int, n_edges: int, seed: int, joined: float) -> None:
    edges, logits = some_graph(n_hits, n_edges, seed)
    kept = unrivalled(edges, logits, n_hits, joined)
    assert kept.tolist() == by_the_rule(edges, logits, joined)
    cut = logits >= min(logit(joined), 0.0)  # edges that are cut before contradict nothing
    assert torch.equal(unrivalled(edges[:, cut], logits[cut], n_hits, joined), kept[cut])


def test_an_edge_past_a_hit_stays_and_one_to_another_track_goes() -> None:
    """0 -> 1 -> 2 is a track, 0 -> 2 skips a hit of it; 0 -> 3 and 4 -> 2 lead elsewhere."""
    edges = torch.tensor([[0, 1, 0, 0, 4], [1, 2, 2, 3, 2]])
    logits = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.7])
    assert unrivalled(edges, logits, 5, 0.5).tolist() == [True, True, True, False, False]
    assert unrivalled(edges, logits, 5, 0.99).tolist() == [True, True, False, False, False]


def test_what_rounding_decides_is_told_by_a_slack() -> None:
    """Of three edges from one hit two are equally good; another edge stands alone."""
    edges = torch.tensor([[0, 0, 0, 4], [1, 2, 3, 5]])
    logits = torch.tensor([2.0, 1.999, 1.0, 0.5])
    found = [unrivalled(edges, logits, 6, 0.99, slack).tolist() for slack in (0.01, -0.01)]
    assert found == [[True, True, False, True], [False, False, False, True]]


@settings(max_examples=40, deadline=None)
@given(
    left=st.lists(st.integers(0, 5), max_size=12), right=st.lists(st.integers(0, 5), max_size=12)
)
def test_equal_rows(left: list[int], right: list[int]) -> None:
    e, f = equal_rows(*(torch.tensor(rows, dtype=torch.int64) for rows in (left, right)), 6)
    wanted = [(e, f) for e, a in enumerate(left) for f, b in enumerate(right) if a == b]
    assert sorted(zip(e.tolist(), f.tolist(), strict=True)) == wanted
