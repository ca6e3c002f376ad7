"""Which track matches which particle, against counts done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.evaluation.matching import MATCHINGS, match_tracks

A, B, NOISE = 7, 9_007_199_254_740_993, 0  # B does not fit into a double


def matched(particle_id: list[int], labels: list[int], matching: str) -> list[bool]:
    matches = match_tracks(np.array(particle_id), np.array(labels))
    return matches.matched(matching).tolist()


def test_perfect_tracks_match_in_every_way() -> None:
    for matching in MATCHINGS:
        assert matched([A] * 4 + [B] * 3, [5] * 4 + [2] * 3, matching) == [True, True]


def test_majority_is_counted_hit_by_hit() -> None:
    matches = match_tracks(np.array([A, A, A, B, B, NOISE]), np.array([4, 4, -1, 4, 1, 1]))
    assert matches.label.tolist() == [1, 4]
    assert matches.n_hits.tolist() == [2, 3]
    assert matches.particle_id.tolist() == [B, A]
    assert matches.n_shared.tolist() == [1, 2]
    assert matches.n_particle_hits.tolist() == [2, 3]
    assert matches.track.tolist() == [1, 1, -1, 1, 0, 0]
    np.testing.assert_allclose(matches.track_fraction, [1 / 2, 2 / 3])
    np.testing.assert_allclose(matches.particle_fraction, [1 / 2, 2 / 3])


def test_exactly_half_is_no_majority() -> None:
    # two particles merged half and half: half of the track is A's
    assert matched([A] * 4 + [B] * 4, [0] * 8, "double majority") == [False]
    # a particle split in halves: half of the particle is on each track
    assert matched([A] * 8, [0] * 4 + [1] * 4, "double majority") == [False, False]
    # one hit more than half is enough
    assert matched([A] * 9, [0] * 5 + [1] * 4, "double majority") == [True, False]
    assert matched([A] * 5 + [B] * 4, [0] * 9, "double majority") == [True]


def test_lhc_wants_strictly_more_than_three_quarters() -> None:
    assert matched([A] * 3 + [B], [0] * 4, "lhc") == [False]
    assert matched([A] * 4 + [B], [0] * 5, "lhc") == [True]
    # and does not ask how much of the particle was found
    assert matched([A] * 12, [0] * 3 + [-1] * 9, "lhc") == [True]


def test_perfect_is_spoilt_by_one_hit_more_or_less() -> None:
    assert matched([A] * 4, [0] * 3 + [-1], "perfect") == [False]
    assert matched([A] * 4 + [NOISE], [0] * 5, "perfect") == [False]


def test_hits_on_no_track_still_count_for_the_particle() -> None:
    assert matched([A] * 10, [0] * 5 + [-1] * 5, "double majority") == [False]
    assert matched([A] * 10, [0] * 6 + [-1] * 4, "double majority") == [True]


def test_noise_is_no_majority_particle() -> None:
    for matching in MATCHINGS:
        assert matched([NOISE] * 5, [0] * 5, matching) == [False]
    matches = match_tracks(np.array([NOISE] * 4 + [A]), np.array([0] * 5))
    assert matches.particle_id.tolist() == [A]
    assert matches.n_shared.tolist() == [1]


@pytest.mark.parametrize("particle_id", [[], [NOISE], [A, A]])
def test_no_tracks(particle_id: list[int]) -> None:
    matches = match_tracks(np.array(particle_id, np.int64), np.full(len(particle_id), -1))
    assert len(matches) == 0
    assert matches.matched("double majority").shape == (0,)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\), the event has 2 hits"):
        match_tracks(np.array([A, A]), np.array([0, 0, 0]))
    with pytest.raises(InputError, match="float64"):
        match_tracks(np.array([A, A]), np.array([0.0, 1.0]))  # type: ignore[arg-type]


assignments = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), max_size=40)


@settings(deadline=None, max_examples=60)
@given(assignments)
def test_agrees_with_counting_one_by_one(rows: list[tuple[int, int]]) -> None:
    particle_id = np.array([row[0] for row in rows], np.int64)
    labels = np.array([row[1] for row in rows], np.int64)
    matches = match_tracks(particle_id, labels)
    for k, label in enumerate(matches.label):
        on = particle_id[labels == label]
        best = max((int((on == p).sum()) for p in set(on.tolist()) - {NOISE}), default=0)
        assert matches.n_hits[k] == len(on)
        assert matches.n_shared[k] == best
        if best:
            assert (on == matches.particle_id[k]).sum() == best
            assert matches.n_particle_hits[k] == (particle_id == matches.particle_id[k]).sum()
        else:
            assert matches.particle_id[k] == NOISE
    assert set(matches.label.tolist()) == set(labels[labels >= 0].tolist())


@settings(deadline=None, max_examples=60)
@given(assignments)
def test_a_perfect_track_passes_the_looser_matchings(rows: list[tuple[int, int]]) -> None:
    matches = match_tracks(
        np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64)
    )
    perfect = matches.matched("perfect")
    assert (matches.matched("lhc") | ~perfect).all()
    assert (matches.matched("double majority") | ~perfect).all()


@settings(deadline=None, max_examples=60)
@given(assignments)
def test_a_particle_has_at_most_one_double_majority_track(rows: list[tuple[int, int]]) -> None:
    matches = match_tracks(
        np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.int64)
    )
    winners = matches.particle_id[matches.matched("double majority")]
    assert len(set(winners.tolist())) == len(winners)
