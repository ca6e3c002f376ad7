"""Joining parts of tracks: hand-made parts with a known answer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.tracks import parts
from hitgraph.tracks.helix import fit_helices, wrap
from hitgraph.tracks.join import JoinNetwork, JoinSettings, join_tracks
from hitgraph.tracks.parts import JOIN_FEATURES, PartPairs, part_pairs, plain


def straight_hits(directions: list[tuple[float, float]], radii: list[float]) -> Hits:
    """Hits of straight tracks from the origin, given phi and cot(theta), one module a hit."""
    rows = [(r * np.cos(phi), r * np.sin(phi), r * cot) for phi, cot in directions for r in radii]
    position = torch.tensor(rows, dtype=torch.float32)
    module = torch.arange(len(rows))
    return Hits(torch.zeros(len(rows), 3), position, module, module)


def joined(hits: Hits, labels: list[int], scores: list[float], **chosen: float) -> list[int]:
    pairs = part_pairs(hits, torch.tensor(labels), 30)
    assert len(pairs.inner) == len(scores)
    inputs = hits, torch.tensor(labels), pairs, torch.tensor(scores), JoinSettings(**chosen)
    found = join_tracks(*inputs).tolist()
    assert join_tracks(*inputs, backend="plain").tolist() == found
    return found


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
    hits = straight_hits([(np.pi - 0.01, 0.0), (-np.pi + 0.01, 0.0)], RADII)
    assert len(part_pairs(hits, torch.tensor([0] * 3 + [-1] * 6 + [1] * 3), 30).inner) == 1


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
    pairs = PartPairs(
        torch.tensor([0, 1]), torch.tensor([1, 2]), torch.zeros(2, len(JOIN_FEATURES))
    )
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


def random_parts(n_tracks: int, seed: int) -> tuple[Hits, Tensor]:
    """Straight tracks of up to four hits in a narrow cone, and hits on no track."""
    random = np.random.default_rng(seed)
    hits = straight_hits(
        [(phi % (2 * np.pi) - np.pi, cot) for phi, cot in random.normal(size=(n_tracks, 2))],
        [30.0, 200.0, 450.0, 700.0],  # some tracks overlap by more than is allowed
    )
    kept = torch.from_numpy(random.random(len(hits)) < 0.7)
    number = torch.unique((torch.arange(len(hits)) // 4)[kept], return_inverse=True)[1]
    labels = torch.full((len(hits),), -1).masked_scatter(kept, number)
    module = torch.from_numpy(random.integers(0, 40, len(hits)))
    return Hits(hits.features, hits.position, hits.layer, module), labels


@settings(max_examples=30, deadline=None)
@given(n_tracks=st.integers(1, 60), seed=st.integers(0, 10**6), max_hits=st.integers(3, 12))
def test_pairs_are_those_of_a_comparison_of_all_with_all(
    n_tracks: int, seed: int, max_hits: int
) -> None:
    hits, labels = random_parts(n_tracks, seed)
    if not (labels >= 0).any():
        return
    on = labels >= 0
    helix = fit_helices(hits.position[on].double(), labels[on])
    n_hits = torch.bincount(labels[on])
    place = torch.stack(
        [
            helix.phi0.cos() / parts.PHI_REACH,
            helix.phi0.sin() / parts.PHI_REACH,
            torch.asinh(helix.cot) / parts.ETA_REACH,
        ],
        dim=1,
    )
    apart = (place[:, None] - place[None]).norm(dim=2)
    fits = (apart <= 1) & (n_hits[:, None] + n_hits[None] <= max_hits)
    distance = hits.position.double().norm(dim=1)
    own = [distance[labels == track] for track in range(len(n_hits))]

    def miss(track: int, hit: Tensor) -> Tensor:
        """Along phi and across the direction along z, mm, of one hit."""
        x, y, z = hits.position[hit].double()
        phi, at_z = helix.at(torch.tensor(track), torch.hypot(x, y))
        along = torch.hypot(x, y) * wrap(phi - torch.atan2(y, x))
        return torch.stack([along, (at_z - z) / torch.sqrt(1 + helix.cot[track] ** 2)]).abs()

    def end(track: int, last: bool) -> Tensor:
        rows = (labels == track).nonzero().squeeze(1)
        return rows[distance[rows].argmax() if last else distance[rows].argmin()]

    for a, b in fits.triu(1).nonzero().tolist():
        inner, outer = sorted((a, b), key=lambda track: float(own[track].mean()))
        behind = own[outer].min() - own[inner].max() >= -plain.OVERLAP
        both = miss(inner, end(outer, last=False)) + miss(outer, end(inner, last=True))
        fits[a, b] = behind and bool((both <= torch.tensor([parts.MISS_PHI, parts.MISS_Z])).all())
    pairs = part_pairs(hits, labels, max_hits, "cpu" if seed % 2 else "plain")
    found = torch.stack([pairs.inner, pairs.outer]).sort(dim=0).values
    assert torch.equal(found.T, fits.triu(1).nonzero())
    assert all(own[a].mean() <= own[b].mean() for a, b in zip(*pairs[:2], strict=True))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hits, labels = random_parts(50, 1)
    whole = part_pairs(hits, labels, 30, "plain")
    monkeypatch.setattr(plain, "CHUNK", 7)
    for one, other in zip(part_pairs(hits, labels, 30, "plain"), whole, strict=True):
        assert torch.equal(one, other)


@settings(max_examples=60, deadline=None)
@given(
    n_tracks=st.integers(0, 60),
    seed=st.integers(0, 10**6),
    max_hits=st.integers(1, 12),
    min_hits=st.integers(1, 4),
)
def test_torch_joins_what_the_kernel_joins(
    device: str, n_tracks: int, seed: int, max_hits: int, min_hits: int
) -> None:
    """The given tracks may be longer than allowed, and have two hits on a module."""
    hits, labels = random_parts(n_tracks, seed)
    pairs = part_pairs(hits, labels, 30)
    scores = torch.rand(len(pairs.inner), generator=torch.Generator().manual_seed(seed))
    chosen = JoinSettings(score_cut=0.2, max_hits=max_hits, min_hits=min_hits)
    expected = join_tracks(hits, labels, pairs, scores, chosen)
    there, labels = hits.to(device), labels.to(device)
    again = part_pairs(there, labels, 30)
    for one, other in zip(again, pairs, strict=True):
        torch.testing.assert_close(one.cpu(), other, atol=1e-4, rtol=1e-4)
    found = join_tracks(there, labels, again, scores.to(device), chosen, "plain")
    assert torch.equal(found.cpu(), expected)


def test_without_tracks_nothing_happens() -> None:
    hits = straight_hits([(0.3, 0.5)], RADII)
    assert joined(hits, [-1] * 6, []) == [-1] * 6


@pytest.mark.parametrize(
    ("key", "value"), [("hidden", 0), ("layers", 0), ("score_cut", 1.5), ("min_hits", 0)]
)
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=key):
        JoinSettings(**{key: value})
