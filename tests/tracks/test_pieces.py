"""Joining clusters on planes: hand-made clusters with a known answer, and what may not matter."""

from collections.abc import Sequence
from math import cos, log1p, sin

import pytest
import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.argon import CLASSES
from hitgraph.tracks.pieces import NO_EDGE, PIECE_FEATURES, Clustered, PiecePairs, piece_pairs
from hitgraph.tracks.pieces.stage import PieceSettings, joined


def clustered(
    place: Tensor,
    labels: list[int],
    edges: Sequence[tuple[int, int]] = (),
    logit: Sequence[float] = (),
) -> Clustered:
    """Hits of one charge and class on plane 0."""
    n = len(place)
    classes = torch.zeros(n, len(CLASSES))
    classes[:, 0] = 1
    index = torch.tensor(list(edges), dtype=torch.int64).reshape(-1, 2).T
    return Clustered(
        place,
        torch.zeros(n, dtype=torch.int64),
        torch.full((n,), 2.0),
        classes,
        torch.tensor(labels),
        index,
        torch.tensor(list(logit)),
    )


def values(pairs: PiecePairs, row: int = 0) -> dict[str, float]:
    return dict(zip(PIECE_FEATURES, pairs.features[row].tolist(), strict=True))


def test_two_pieces_of_a_line() -> None:
    """Six hits and three, 3 mm apart, with 18 mm between, the smaller first; one edge."""
    along = torch.tensor([33.0, 36.0, 39.0, 0.0, 3.0, 6.0, 9.0, 12.0, 15.0])
    place = along[:, None] * torch.tensor([[0.6, 0.8]])
    pairs = piece_pairs(clustered(place, [0] * 3 + [1] * 6, [(8, 0), (3, 4)], [1.5, 9.0]), 20.0)
    assert (pairs.larger.tolist(), pairs.smaller.tolist()) == ([1], [0])
    found = values(pairs)
    assert found["gap"] == pytest.approx(log1p(18))
    assert found["near"] == 0
    assert found["distance"] == pytest.approx(log1p(36 - 7.5))
    for name in ("axes", "larger_step", "smaller_step", "larger_centre", "smaller_centre"):
        assert found[name] == pytest.approx(1), name
    for name in ("larger_miss", "smaller_miss"):
        assert found[name] == pytest.approx(0, abs=1e-5), name
    # even points over a length L have the variance L^2 / 12 (n + 1) / (n - 1) times (n - 1)^2
    assert found["larger_length"] == pytest.approx(log1p((12 * 9 * 35 / 12) ** 0.5))
    assert found["larger_end"] == pytest.approx(7.5 / ((9 * 35) ** 0.5 / 2))
    assert found["larger_line"] == found["smaller_line"] == pytest.approx(1)
    assert found["edges"] == pytest.approx(log1p(1))  # the edge inside a cluster is none of them
    assert found["best"] == pytest.approx(1.5, abs=0.05)
    assert (found["larger_MIP"], found["smaller_HIP"]) == (1, 0)


def random_clusters(seed: int) -> Clustered:
    random = torch.Generator().manual_seed(seed)
    place = 60 * torch.rand(40, 2, generator=random)
    labels = torch.randint(-1, 6, (40,), generator=random)
    edges = torch.randint(40, (2, 90), generator=random)
    found = clustered(place, labels.tolist())
    return found._replace(
        charge=torch.rand(40, generator=random),
        classes=torch.rand(40, len(CLASSES), generator=random),
        plane=torch.randint(2, (40,), generator=random),
        edges=edges,
        logit=4 * torch.randn(90, generator=random),
    )


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_neither_axes_nor_the_order_of_hits_matter(mirror: float) -> None:
    hits = random_clusters(3)
    turn = torch.tensor([[cos(1.1), mirror * sin(1.1)], [-sin(1.1), mirror * cos(1.1)]])
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    place = torch.empty_like(order)
    place[order] = torch.arange(40)
    moved = Clustered(
        (hits.place @ turn + 100)[order],
        hits.plane[order],
        hits.charge[order],
        hits.classes[order],
        hits.labels[order],
        place[hits.edges],
        hits.logit,
    )
    one, other = piece_pairs(hits, 25.0), piece_pairs(moved, 25.0)
    assert len(one.larger) > 10
    assert one.larger.tolist() == other.larger.tolist()
    assert one.smaller.tolist() == other.smaller.tolist()
    torch.testing.assert_close(one.features, other.features, atol=2e-3, rtol=1e-3)


def test_pairs_are_those_whose_nearest_hits_lie_within_reach() -> None:
    hits = random_clusters(5)
    pairs = piece_pairs(hits, 12.0)
    distance = torch.cdist(hits.place, hits.place)
    distance[hits.plane[:, None] != hits.plane] = 1e9
    size = torch.bincount(hits.labels[hits.labels >= 0])
    wanted = {}
    for a in range(6):
        for b in range(6):
            gap = float(distance[hits.labels == a][:, hits.labels == b].min())
            if (-size[a], a) < (-size[b], b) and gap <= 12:
                wanted[a, b] = log1p(gap)
    found = zip(pairs.larger.tolist(), pairs.smaller.tolist(), strict=True)
    assert dict(zip(found, pairs.features[:, 0].tolist(), strict=True)) == pytest.approx(
        wanted, rel=1e-4
    )


def test_without_clusters_there_are_no_pairs() -> None:
    hits = clustered(torch.rand(4, 2), [-1] * 4)
    assert piece_pairs(hits, 50.0).features.shape == (0, len(PIECE_FEATURES))
    no_pairs = PiecePairs(*[torch.zeros(0, dtype=torch.int64)] * 2, torch.zeros(0, 1))
    assert joined(hits.labels, no_pairs, torch.zeros(0), PieceSettings()).tolist() == [-1] * 4


def test_two_clusters_without_an_edge_between_them_have_no_evidence() -> None:
    hits = clustered(torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]), [0, 0, 1])
    found = values(piece_pairs(hits, 50.0))
    assert (found["evidence"], found["edges"], found["best"]) == (0, 0, NO_EDGE)
    assert (found["smaller_length"], found["smaller_step"]) == (0, 0)  # one hit has no axis


def test_pieces_are_joined_by_the_evidence_of_all_pairs() -> None:
    """b and c look alike, but c is surely not with a, and a is with b."""
    labels = torch.tensor([0, 0, 0, 1, 2, 2, -1, 3])
    pairs = PiecePairs(torch.tensor([0, 1, 0]), torch.tensor([1, 2, 2]), torch.zeros(3, 1))
    logits = torch.tensor([2.0, 1.0, -4.0])
    found = joined(labels, pairs, logits, PieceSettings(min_hits=2))
    assert found.tolist() == [0, 0, 0, 0, 1, 1, -1, -1]
    # with a cut above them nothing is joined; with one below all of it nearly everything
    found = joined(labels, pairs, logits, PieceSettings(min_hits=2, score_cut=0.95))
    assert found.tolist() == [0, 0, 0, -1, 1, 1, -1, -1]
    found = joined(labels, pairs, logits, PieceSettings(min_hits=2, score_cut=0.02))
    assert found.tolist() == [0, 0, 0, 0, 0, 0, -1, -1]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingsError, match="reach"):
        PieceSettings(reach=0)
    with pytest.raises(SettingsError, match="score_cut"):
        PieceSettings(score_cut=1.5)
