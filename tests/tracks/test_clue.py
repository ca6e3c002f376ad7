"""CLUE: a slow reference, and what holds of any event."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.kernels.choice import Backend
from hitgraph.tracks.clue import ClueSettings, clue

SETTINGS = ClueSettings(distance=1.0, density=1.5, reach=2.0, min_hits=1)


def slow_clue(points: Tensor, energy: Tensor, cuts: ClueSettings) -> list[int]:
    """As section 2.2 of arXiv 2001.09761 has it, one point after the other: seeds' rows."""
    n = len(points)
    squared = [[float((points[i] - points[j]).square().sum()) for j in range(n)] for i in range(n)]
    density = [
        float(energy[i])
        + sum(
            float(energy[j]) / 2 for j in range(n) if j != i and squared[i][j] <= cuts.distance**2
        )
        for i in range(n)
    ]
    seed = [-1] * n
    for i in sorted(range(n), key=lambda i: (-density[i], i)):
        higher = [
            j
            for j in range(n)
            if (density[j] > density[i] or (density[j] == density[i] and j < i))
            and squared[i][j] <= (cuts.reach * cuts.distance) ** 2
        ]
        nearest = min(higher, key=lambda j: (squared[i][j], j), default=None)
        apart = float("inf") if nearest is None else squared[i][nearest]
        if density[i] >= cuts.density and apart > (cuts.separation * cuts.distance) ** 2:
            seed[i] = i
        elif nearest is not None:
            seed[i] = seed[nearest]
    return seed


@settings(max_examples=150, deadline=None)
@given(
    n_points=st.integers(0, 30),
    seed=st.integers(0, 10**6),
    separation=st.sampled_from([0.0, 1.0, 2.0]),
    backend=st.sampled_from(["cpu", "plain"]),
)
def test_clusters_are_those_of_one_point_after_the_other(
    n_points: int, seed: int, separation: float, backend: Backend
) -> None:
    """On a grid, where equal distances and densities are many; all numbers are exact."""
    random = torch.Generator().manual_seed(seed)
    points = torch.randint(0, 12, (n_points, 2), generator=random) / 2
    energy = torch.randint(1, 5, (n_points,), generator=random) / 4
    cuts = replace(SETTINGS, separation=separation)
    labels = clue(points, energy, cuts, backend).tolist()
    expected = slow_clue(points, energy, cuts)
    for i in range(n_points):
        assert (labels[i] < 0) == (expected[i] < 0)
        for j in range(i):
            if labels[i] >= 0 and labels[j] >= 0:
                assert (labels[i] == labels[j]) == (expected[i] == expected[j])
    assert sorted(set(labels) - {-1}) == list(range(len(set(expected) - {-1})))


def test_two_showers_and_a_lonely_cell() -> None:
    """Each cell follows its denser neighbour to the middle; a weak one far off is nothing."""
    x = torch.tensor([0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 30.0])
    energy = torch.tensor([0.2, 1.0, 5.0, 1.0, 0.5, 4.0, 1.0, 0.3])
    cuts = ClueSettings(distance=1.0, density=2.0, reach=2.0, min_hits=2)
    labels = clue(x[:, None], energy, cuts)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, -1]
    strict = ClueSettings(distance=1.0, density=5.0, reach=2.0, min_hits=2)
    assert clue(x[:, None], energy, strict).tolist() == [0, 0, 0, 0, -1, -1, -1, -1]


def test_a_dense_cell_away_from_a_denser_one_begins_a_shower_of_its_own() -> None:
    """At 1.5 d_c: within reach of the other, so that it would follow if it were not dense."""
    x, energy = torch.tensor([[0.0], [1.5]]), torch.tensor([5.0, 3.0])
    cuts = ClueSettings(distance=1.0, density=2.0, reach=2.0, min_hits=1)
    assert clue(x, energy, cuts).tolist() == [0, 1]
    assert clue(x, energy, replace(cuts, density=4.0)).tolist() == [0, 0]
    assert clue(x, energy, replace(cuts, separation=2.0)).tolist() == [0, 0]


def test_neither_the_order_nor_the_place_nor_a_turn_matters() -> None:
    torch.manual_seed(0)
    points, energy = 5 * torch.randn(200, 3), 4 * torch.rand(200)
    labels = clue(points, energy, SETTINGS)
    order = torch.randperm(200)
    turn = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    moved = clue((points @ turn)[order] + 8.0, energy[order], SETTINGS)
    pairs = torch.stack([labels[order], moved])
    assert torch.unique(pairs, dim=1).shape[1] == len(torch.unique(labels))
    assert int(labels.max()) > 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distance": 0.0}, r"distance: 0\.0 is not allowed, above 0"),
        ({"density": -1.0}, r"density: -1\.0 is not allowed, above 0"),
        ({"separation": -1.0}, r"separation: -1\.0 is not allowed, at least 0"),
        ({"reach": 0.5}, r"reach: 0\.5 is not allowed, at least 1"),
        ({"min_hits": 0}, "min_hits: 0 is not allowed, at least 1"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ClueSettings(**changes)  # type: ignore[arg-type]
