"""What became of tracks and particles, on events made by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from hitgraph.evaluation import evaluate, truth_labels
from hitgraph.evaluation.outcomes import outcomes
from hitgraph.evaluation.paths import paths, transverse_momenta
from hitgraph.event.event import Event
from hitgraph.event.field import constant

EventMaker = Callable[..., Event]


def test_every_kind_once(straight_event: EventMaker) -> None:
    """One found, two particles glued into one track, noise, a track of two hits, one missed."""
    event = straight_event([6, 6, 6, 6, 6], noise=5)
    labels = np.full(event.n_hits, -1)
    labels[:6] = 10  # particle 1
    labels[6:18] = 20  # particles 2 and 3
    labels[18:20] = 30  # two hits of particle 4
    labels[30:] = 40  # noise
    found = outcomes(event, labels)
    assert found.matches.label.tolist() == [10, 20, 30, 40]
    assert found.found.tolist() == [True, False, False, False]
    assert found.merged.tolist() == [False, True, False, False]
    assert found.candidate.tolist() == [True, True, False, True]
    assert found.fake.tolist() == [False, False, False, True]
    assert found.missed.tolist() == [False, True, True, True, True]


def test_a_track_that_matches_is_found_whatever_it_swallowed(straight_event: EventMaker) -> None:
    event = straight_event([8, 5])
    found = outcomes(event, np.zeros(event.n_hits, int))
    assert found.found.tolist() == [True]
    assert found.merged.tolist() == [False]
    assert found.missed.tolist() == [False, True]


def test_counts_are_those_of_evaluate(straight_event: EventMaker) -> None:
    rng = np.random.default_rng(3)
    event = straight_event(rng.integers(2, 12, 60).tolist(), noise=40)
    labels = truth_labels(event)
    mixed = rng.random(event.n_hits) < 0.4
    labels[mixed] = rng.integers(-1, 60, mixed.sum())
    found = outcomes(event, labels)
    double = evaluate(event, labels).matchings["double majority"]
    assert found.found.sum() == double.purity.passed
    assert (found.merged | found.fake).sum() == double.fakes.passed
    technical = double.efficiency[0].technical
    assert found.missed.sum() == technical.total - technical.passed


def test_momentum_is_that_of_the_circle(straight_event: EventMaker) -> None:
    """A circle of radius 1000 mm in 2 T is 0.29979 * 2 GeV; a line bends nowhere."""
    event = straight_event([3, 3])
    object.__setattr__(event, "field", constant(2.0))
    angle = np.array([0.1, 0.3, 0.6])
    event.hits.x[:3], event.hits.y[:3] = 1000 * np.sin(angle), 1000 * (1 - np.cos(angle))
    followed = paths(event, np.repeat([0, 1], 3), 2)
    assert [rows.tolist() for rows in followed] == [[0, 1, 2], [3, 4, 5]]
    pt = transverse_momenta(event, followed)
    assert pt[0] == pytest.approx(0.299792458 * 2, rel=1e-5)
    assert pt[1] > 1000  # float32 positions
    assert transverse_momenta(event, [np.array([0, 2])]).tolist() == [np.inf]
    assert len(transverse_momenta(event, [])) == 0
