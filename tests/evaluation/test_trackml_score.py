"""The TrackML score against a reference that counts hit by hit."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.evaluation.matching import match_tracks
from hitgraph.evaluation.trackml_score import trackml_score


def score(particle_id: list[int], weight: list[float], labels: list[int]) -> float:
    particles = np.array(particle_id, np.int64)
    return trackml_score(
        particles, np.array(weight), match_tracks(particles, np.array(labels, np.int64))
    )


def reference(particle_id: list[int], weight: list[float], labels: list[int]) -> float:
    size = Counter(particle_id)
    good = 0.0
    for label in {label for label in labels if label >= 0}:
        rows = [i for i, other in enumerate(labels) if other == label]
        counts = Counter(particle_id[i] for i in rows)
        for particle, shared in counts.items():
            majority = shared > len(rows) / 2 and shared > size[particle] / 2
            if particle != 0 and majority:
                good += sum(weight[i] for i in rows if particle_id[i] == particle)
    return good / sum(weight)


events = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-1, 3), st.integers(0, 8)), min_size=1, max_size=30
)


def columns(rows: list[tuple[int, int, int]]) -> tuple[list[int], list[float], list[int]]:
    particle_id = [row[0] for row in rows]
    weight = [row[2] / 8 if row[0] else 0.0 for row in rows]
    return particle_id, weight, [row[1] for row in rows]


@settings(deadline=None, max_examples=60)
@given(events)
def test_agrees_with_the_slow_reference(rows: list[tuple[int, int, int]]) -> None:
    particle_id, weight, labels = columns(rows)
    if sum(weight) == 0:
        assert math.isnan(score(particle_id, weight, labels))
    else:
        assert score(particle_id, weight, labels) == pytest.approx(
            reference(particle_id, weight, labels)
        )


@settings(deadline=None, max_examples=60)
@given(events, st.data())
def test_taking_a_right_hit_off_a_track_never_raises_the_score(
    rows: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Right: of the particle that the track matches. (A wrong hit taken off is a better track.)"""
    particle_id, weight, labels = columns(rows)
    matches = match_tracks(np.array(particle_id, np.int64), np.array(labels, np.int64))
    right = [
        i
        for i, track in enumerate(matches.track)
        if track >= 0
        and matches.matched("double majority")[track]
        and matches.particle_id[track] == particle_id[i]
    ]
    if not right or sum(weight) == 0:
        return
    less = list(labels)
    less[data.draw(st.sampled_from(right))] = -1
    assert score(particle_id, weight, less) <= score(particle_id, weight, labels) + 1e-12


@settings(deadline=None, max_examples=60)
@given(events, st.integers(0, 3))
def test_taking_a_whole_track_off_never_raises_the_score(
    rows: list[tuple[int, int, int]], gone: int
) -> None:
    particle_id, weight, labels = columns(rows)
    if sum(weight) > 0:
        less = [-1 if label == gone else label for label in labels]
        assert score(particle_id, weight, less) <= score(particle_id, weight, labels) + 1e-12


def test_weights_need_not_sum_to_one() -> None:
    assert score([1, 1, 1, 2, 2, 2], [1, 1, 1, 3, 3, 3], [0, 0, 0, -1, -1, -1]) == 0.25
    assert score([1, 1, 1], [5, 5, 5], [0, 0, -1]) == pytest.approx(2 / 3)
