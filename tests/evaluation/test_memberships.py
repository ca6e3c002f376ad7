"""Tracks that may share hits: a hand-made event, and the metrics of labels where none is shared."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.evaluation.matching import match_tracks
from hitgraph.evaluation.memberships import judge_memberships, match_memberships, members_of
from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection


def test_labels_and_lists_of_them_become_pairs() -> None:
    assert [part.tolist() for part in members_of(np.array([3, -1, 0]))] == [[0, 2], [3, 0]]
    several = np.array([[1, 2], [-1, -1], [-1, 0]])
    assert [part.tolist() for part in members_of(several)] == [[0, 0, 2], [1, 2, 0]]
    assert [len(part) for part in members_of(np.zeros((0, 5), np.int64))] == [0, 0]


def test_a_shared_hit_counts_on_both_tracks_and_once_for_its_particle() -> None:
    """Particle 7 has four hits; both tracks hold hit 2 of it."""
    particle_id = np.array([7, 7, 7, 7, 9, 9, 0])
    hit = np.array([0, 1, 2, 2, 4, 5])
    track = np.array([0, 0, 0, 1, 1, 1])
    found = match_memberships(particle_id, hit, track)
    assert found.n_hits.tolist() == [3, 3]
    assert found.particle_id.tolist() == [7, 9]
    assert found.n_shared.tolist() == [3, 2]
    assert found.n_particle_hits.tolist() == [4, 2]
    assert found.matched("double majority").tolist() == [True, True]


@given(data=st.data(), n_hits=st.integers(0, 30))
def test_where_no_hit_is_shared_tracks_match_as_those_of_labels(
    data: st.DataObject, n_hits: int
) -> None:
    def draw(low: int, high: int) -> Any:
        numbers = st.lists(st.integers(low, high), min_size=n_hits, max_size=n_hits)
        return np.array(data.draw(numbers), dtype=np.int64)

    particle_id, labels = draw(0, 4), draw(-1, 5)
    found = match_memberships(particle_id, *members_of(labels))
    expected = match_tracks(particle_id, labels)
    for name in ("label", "n_hits", "particle_id", "n_shared", "n_particle_hits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("seed", range(3))
def test_where_no_hit_is_shared_quality_is_that_of_labels(
    make_event: Callable[..., Event], seed: int
) -> None:
    event = make_event(n_particles=20, n_noise=10, seed=seed)
    random = np.random.default_rng(seed)
    assert event.truth is not None
    labels = np.unique(event.truth.particle_id, return_inverse=True)[1].astype(np.int64)
    labels = np.where(random.random(len(labels)) < 0.3, random.integers(0, 20, len(labels)), labels)
    fiducial = Selection(min_pt=0.1, min_hits=3)
    ours = judge_memberships(event, *members_of(labels), fiducial)
    theirs = evaluate(event, labels, selection=fiducial).matchings["double majority"]
    assert ours.efficiency == theirs.efficiency[0].physics
    assert ours.efficiency.total > 10
    assert ours.fakes == theirs.fakes
    assert ours.duplicates == theirs.duplicates


def test_the_metric_of_the_paper_leaves_out_tracks_of_others(
    make_event: Callable[..., Event],
) -> None:
    """Every particle found, and a track of noise: fake for us, nothing for them."""
    event = make_event(n_particles=5, n_noise=6, seed=1)
    assert event.truth is not None
    particle_id = event.truth.particle_id
    labels = np.unique(particle_id, return_inverse=True)[1].astype(np.int64)  # noise is a track
    found = judge_memberships(event, *members_of(labels), Selection(min_pt=0.1, min_hits=3))
    assert found.fakes.passed == 1
    assert found.fakes_fiducial.passed == 0
    assert found.efficiency.value == 1.0
    total = found + found
    assert total.fakes.total == 2 * found.fakes.total
