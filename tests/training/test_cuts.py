"""The cut on the score of edges: it keeps the wanted share of the true ones, and is the highest."""

import math
from collections.abc import Callable

import pytest
import torch
from tests.trained import tiny_recipe
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.lessons.cuts import cut_at_efficiency
from hitgraph.lessons.material import Example, Read
from hitgraph.lessons.samples import is_true_edge, make_sample
from hitgraph.state import State

MakeEvent = Callable[..., Event]


def events_of(make_event: MakeEvent, n_particles: int) -> list[Read]:
    """Two events with all pairs of hits, and the column "logit" at random."""
    examples = []
    for seed in (1, 2):
        event = make_event(n_particles=n_particles, n_noise=4, seed=seed)
        assert event.detector is not None
        sample = make_sample(event, event.detector, False, tiny_recipe().truth)
        pairs = torch.combinations(torch.arange(len(sample.hits))).T
        edges = torch.cat([pairs, pairs.flip(0)], dim=1)
        random = torch.Generator().manual_seed(seed)
        logit = 3 * torch.randn(edges.shape[1], generator=random)
        examples.append(Example(sample, State(sample.hits).with_edges(edges, logit=logit)))
    return [lambda example=example: example for example in examples]  # type: ignore[misc]


def given(state: State, true: Tensor) -> Tensor:
    return state.edge["logit"][true]


@pytest.mark.parametrize("efficiency", [0.5, 0.9, 0.99, 1.0])
def test_it_keeps_the_share_of_the_true_edges_and_no_higher_cut_does(
    make_event: MakeEvent, efficiency: float
) -> None:
    events = events_of(make_event, n_particles=9)
    cut = cut_at_efficiency(efficiency, events, given)

    def n_true(cut: float) -> int:
        kept = (read().state.cut(cut) for read in events)
        return sum(
            int(is_true_edge(read().sample, state.graph()).sum())
            for read, state in zip(events, kept, strict=True)
        )

    n_all = sum(read().sample.true_edges.shape[1] for read in events)
    assert n_all > 40
    # half a rounding below and above: the edge that sets the cut has its very score
    assert n_true(cut - 1e-7) >= efficiency * n_all > n_true(cut + 1e-7)


def test_scores_are_never_quite_nothing_or_all(make_event: MakeEvent) -> None:
    """A score of 0 or 1, to rounding, gives a cut whose logit is finite."""
    events = events_of(make_event, n_particles=3)
    for logit in (-1000.0, 1000.0):
        cut = cut_at_efficiency(
            1.0, events, lambda _, true, at=logit: torch.full((int(true.sum()),), at)
        )  # type: ignore[misc]
        assert math.isfinite(math.log(cut / (1 - cut)))


def test_no_true_edge_is_named(make_event: MakeEvent) -> None:
    with pytest.raises(InputError, match="no true edge of a target particle"):
        cut_at_efficiency(0.9, events_of(make_event, n_particles=0), given)
