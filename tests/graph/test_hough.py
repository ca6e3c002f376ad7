"""Edges of one helix meet in one cell of the accumulator."""

from collections.abc import Callable
from math import pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.graph.hough import HoughSettings, HoughStage
from hitgraph.hits import Hits
from hitgraph.stage import Context
from hitgraph.state import State

RADII = torch.tensor([32.0, 72, 116, 172, 260, 360, 500])  # mm
N = len(RADII)


@pytest.fixture(scope="module")
def context(make_event: Callable[..., Event]) -> Context:
    detector = make_event(n_particles=1, n_noise=0, seed=0).detector
    assert isinstance(detector, Detector)
    return Context(detector)


def helix(phi: float, curvature: float, slope: float) -> torch.Tensor:
    """(N, 3) mm: hits at RADII of a particle from the origin; curvature in 1/m."""
    k = curvature / 1000
    azimuth = phi + torch.asin(RADII * k / 2)
    arc = 2 * torch.asin(RADII * k / 2) / k
    z = arc * torch.sinh(torch.tensor(slope))
    return torch.stack([RADII * azimuth.cos(), RADII * azimuth.sin(), z], dim=1)


def state_of(*tracks: torch.Tensor) -> State:
    """The hits of tracks, those of each joined from layer to layer."""
    position = torch.cat(tracks)
    x, y, z = position.unbind(dim=1)
    features = torch.stack([torch.hypot(x, y), torch.atan2(y, x), z], dim=1)
    rows = torch.arange(len(position)).reshape(-1, N)
    edges = torch.stack([rows[:, :-1].reshape(-1), rows[:, 1:].reshape(-1)])
    none = torch.zeros(len(position), dtype=torch.int64)
    return State(Hits(features, position, none, none), edges)


@pytest.fixture(scope="module")
def stage(context: Context) -> HoughStage:
    return HoughStage(context, HoughSettings())


@given(
    phi=st.floats(-3.1, 3.1),
    curvature=st.floats(0.02, 1.5),
    slope=st.floats(-2, 2),
    positive=st.booleans(),
)
def test_the_parameters_are_those_of_the_helix(
    stage: HoughStage, phi: float, curvature: float, slope: float, positive: bool
) -> None:
    curvature = curvature if positive else -curvature
    found = stage.parameters(state_of(helix(phi, curvature, slope)))
    for one, true, error in zip(found, (phi, curvature, slope), (2e-4, 2e-3, 2e-3), strict=True):
        torch.testing.assert_close(one, torch.full_like(one, true), rtol=0, atol=error)


def test_edges_of_one_helix_vote_for_one_cell(stage: HoughStage) -> None:
    """Helices in the middle of cells, two of them alike."""
    one, other = helix(0.011, 0.35, 0.55), helix(0.111, 0.35, 0.55)
    columns = stage(state_of(one, one, other)).edge
    votes = columns["hough_votes"].exp()
    alike, alone = 2 * (N - 1), N - 1
    torch.testing.assert_close(votes, torch.tensor([float(alike)] * alike + [float(alone)] * alone))


def test_every_vote_is_counted_once(stage: HoughStage) -> None:
    """The numbers of cells are whole: an edge in a cell of n counts as 1 / n of it."""
    random = torch.Generator().manual_seed(0)
    n = 2000
    phi = (torch.rand(n, generator=random) * 2 - 1) * pi
    curvature, slope = torch.randn(2, n, generator=random)
    votes = stage.votes(phi, curvature, slope)
    cells = (1 / votes.double()).sum()
    assert float(cells) == pytest.approx(round(float(cells)), abs=1e-6)
    assert 1 <= int(votes.min()) < int(votes.max()) < n


def test_the_azimuth_has_no_border(stage: HoughStage) -> None:
    """Just below pi and just above -pi lie in cells beside each other, pi with the latter."""
    phi = torch.tensor([pi, -pi, -pi + 0.001, pi - 0.001])
    same = torch.zeros(4)
    assert stage.votes(phi, same, same).tolist() == [3, 3, 3, 1]


def test_a_graph_without_edges_has_no_votes(stage: HoughStage) -> None:
    state = state_of(helix(0.1, 0.3, 0.2)).with_edges(torch.zeros(2, 0).long())
    assert stage(state).edge["hough_votes"].shape == (0,)


def test_cells_without_a_width_are_refused() -> None:
    with pytest.raises(SettingsError, match="curvature_width: 0 is not allowed, above 0"):
        HoughSettings(curvature_width=0)
    with pytest.raises(SettingsError, match=r"phi_width: 0 is not allowed, at least 0\.0001"):
        HoughSettings(phi_width=0)
