"""Joining parts of tracks: hand-made parts with a known answer."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.hits import Hits
from hitgraph.tracks.join import (
    JOIN_FEATURES,
    JoinNetwork,
    JoinSettings,
    PartPairs,
    join_tracks,
    part_pairs,
)


def straight_hits(directions: list[tuple[float, float]], radii: list[float]) -> Hits:
    """Hits of straight tracks from the origin, given phi and cot(theta), one module a hit."""
    rows = [(r * np.cos(phi), r * np.sin(phi), r * cot) for phi, cot in directions for r in radii]
    position = torch.tensor(rows, dtype=torch.float32)
    module = torch.arange(len(rows))
    return Hits(torch.zeros(len(rows), 3), position, module, module)


def joined(hits: Hits, labels: list[int], scores: list[float], **settings: float) -> list[int]:
    pairs = part_pairs(hits, torch.tensor(labels), 30)
    assert len(pairs.inner) == len(scores)
    return join_tracks(
        hits, torch.tensor(labels), pairs, torch.tensor(scores), JoinSettings(**settings)
    ).tolist()


RADII = [30.0, 70.0, 120.0, 170.0, 260.0, 360.0]


def test_the_two_halves_of_a_straight_track_are_a_pair_that_agrees() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    pairs = part_pairs(hits, torch.tensor([1, 1, 1, 0, 0, 0]), 30)
    assert pairs.inner.tolist() == [1]  # nearer to the origin
    assert pairs.outer.tolist() == [0]
    values = dict(zip(JOIN_FEATURES, pairs.features[0].tolist(), strict=True))
    for name in ("phi0", "curvature", "z0", "cot", "outward_phi", "outward_z", "inward_phi"):
        assert values[name] == pytest.approx(0, abs=0.02), name
    assert values["inner_last_r"] == pytest.approx(0.12)
    assert values["outer_first_r"] == pytest.approx(0.17)
    assert values["gap"] == pytest.approx(0.05 * np.hypot(1, 0.5), abs=1e-6)


def test_tracks_in_other_directions_are_no_pair() -> None:
    hits = straight_hits([(0.3, 0.5), (0.9, 0.5), (0.3, 1.5)], RADII[:3])
    pairs = part_pairs(hits, torch.tensor([0] * 3 + [1] * 3 + [2] * 3), 30)
    assert len(pairs.inner) == 0


def test_a_pair_is_found_across_phi_equal_pi() -> None:
    hits = straight_hits([(np.pi - 0.01, 0.0), (-np.pi + 0.01, 0.0)], RADII[:3])
    assert len(part_pairs(hits, torch.tensor([0] * 3 + [1] * 3), 30).inner) == 1


def test_pairs_above_the_cut_become_one_track() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    assert joined(hits, [0, 0, 0, 1, 1, 1], [0.95]) == [0] * 6
    assert joined(hits, [0, 0, 0, 1, 1, 1], [0.9]) == [0, 0, 0, 1, 1, 1]


def test_pairs_that_would_be_too_long_are_left_out() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    assert len(part_pairs(hits, labels, 6).inner) == 1
    assert len(part_pairs(hits, labels, 5).inner) == 0


def test_hits_on_no_track_stay_there_when_single_hits_may_be_tracks() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    assert joined(hits, [0, 0, 0, 1, 1, -1], [0.95], min_hits=1) == [0, 0, 0, 0, 0, -1]


def test_short_tracks_go_after_the_joining() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    assert joined(hits, [0, 0, 1, 1, -1, -1], [0.95]) == [0, 0, 0, 0, -1, -1]
    assert joined(hits, [0, 0, 1, 1, -1, -1], [0.1]) == [-1] * 6


def test_two_hits_of_one_module_are_never_on_a_track() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    module = hits.module.clone()
    module[5] = module[0]
    same = Hits(hits.features, hits.position, hits.layer, module)
    assert joined(same, [0, 0, 0, 1, 1, 1], [0.99]) == [0, 0, 0, 1, 1, 1]


def test_the_better_pair_is_joined_first_and_length_is_limited() -> None:
    hits = straight_hits([(0.3, 0.5)], [*RADII, 500.0, 660.0, 820.0])
    labels = torch.tensor([0] * 3 + [1] * 3 + [2] * 3)
    pairs = PartPairs(np.array([0, 1]), np.array([1, 2]), torch.zeros(2, len(JOIN_FEATURES)))
    one = join_tracks(hits, labels, pairs, torch.tensor([0.95, 0.97]), JoinSettings(max_hits=6))
    assert one.tolist() == [0] * 3 + [1] * 6
    all_of_it = join_tracks(hits, labels, pairs, torch.tensor([0.95, 0.97]), JoinSettings())
    assert all_of_it.tolist() == [0] * 9


def test_the_order_of_hits_does_not_matter() -> None:
    hits = straight_hits([(0.3, 0.5), (0.35, 0.52), (2.0, -1.0)], RADII)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, -1, -1])
    torch.manual_seed(0)
    network = JoinNetwork(JoinSettings(hidden=4))

    def run(some: Hits, given: Tensor) -> Tensor:
        pairs = part_pairs(some, given, 30)
        with torch.no_grad():
            scores = torch.sigmoid(network(pairs.features))
        return join_tracks(some, given, pairs, scores, JoinSettings(score_cut=0.3))

    order = torch.randperm(len(labels))
    assert torch.equal(run(hits, labels)[order], run(hits.select(order), labels[order]))


def test_without_tracks_nothing_happens() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    assert joined(hits, [-1] * 6, []) == [-1] * 6


@pytest.mark.parametrize(
    ("key", "value"), [("hidden", 0), ("layers", 0), ("score_cut", 1.5), ("min_hits", 0)]
)
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=key):
        JoinSettings(**{key: value})
