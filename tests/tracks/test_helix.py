"""Helices through the beam line: the parameters that made the hits come back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.tracks.helix import Helices, fit_helices, wrap


def points(phi0: float, curvature: float, z0: float, cot: float, radii: np.ndarray) -> np.ndarray:
    """Where a helix crosses cylinders, by walking along it: a second way to the same place.

    The circle has its centre at distance 1 / k from the beam line, across the direction phi0.
    """
    if abs(curvature) < 1e-8:  # differences of sines lose all digits
        curvature = 0.0
    turn = 2 * np.arcsin(curvature * radii / 2)  # of the direction, along the arc
    if curvature == 0:
        x, y, arc = radii * np.cos(phi0), radii * np.sin(phi0), radii
    else:
        x = (np.sin(phi0 + turn) - np.sin(phi0)) / curvature
        y = -(np.cos(phi0 + turn) - np.cos(phi0)) / curvature
        arc = turn / curvature
    return np.stack([x, y, z0 + cot * arc], axis=1)


RADII = np.array([32.0, 72.0, 116.0, 172.0, 260.0, 360.0, 500.0])
helix = st.tuples(
    st.floats(-3.1, 3.1), st.floats(-2e-3, 2e-3), st.floats(-150, 150), st.floats(-5, 5)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(helix, min_size=1, max_size=4))
def test_the_parameters_that_made_the_hits_come_back(tracks: list[tuple[float, ...]]) -> None:
    position = np.concatenate([points(*track, RADII) for track in tracks])
    number = np.repeat(np.arange(len(tracks)), len(RADII))
    order = np.random.default_rng(0).permutation(len(number))  # hits in any order
    fitted = fit_helices(*map(torch.from_numpy, (position[order], number[order])))
    for k, (phi0, curvature, z0, cot) in enumerate(tracks):
        assert abs(wrap(fitted.phi0[k] - phi0)) < 2e-3
        assert float(fitted.curvature[k]) == pytest.approx(curvature, abs=1e-5)
        assert float(fitted.z0[k]) == pytest.approx(z0, abs=0.5)
        assert float(fitted.cot[k]) == pytest.approx(cot, abs=5e-3)


@settings(max_examples=50, deadline=None)
@given(helix)
def test_a_helix_leads_to_its_own_hits(track: tuple[float, float, float, float]) -> None:
    wanted = points(*track, RADII)
    one = Helices(*(torch.tensor([value], dtype=torch.float64) for value in track))
    phi, z = one.at(torch.zeros(len(RADII), dtype=torch.int64), torch.from_numpy(RADII))
    off = wrap(phi - torch.from_numpy(np.arctan2(wanted[:, 1], wanted[:, 0])))
    np.testing.assert_allclose(off, 0, atol=1e-5)
    np.testing.assert_allclose(z, wanted[:, 2], atol=1e-3)


def test_turning_the_event_about_the_beam_line_turns_phi0_alone() -> None:
    position = points(1.0, 1e-3, 20.0, 0.7, RADII)
    angle = 2.5
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = position @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]).T
    number = torch.zeros(len(RADII), dtype=torch.int64)
    before, after = (fit_helices(torch.from_numpy(given), number) for given in (position, turned))
    assert float(wrap(after.phi0 - before.phi0 - angle)[0]) == pytest.approx(0, abs=1e-9)
    assert float(after.curvature[0]) == pytest.approx(float(before.curvature[0]), rel=1e-9)
    assert float(after.z0[0]) == pytest.approx(float(before.z0[0]))
    assert float(after.cot[0]) == pytest.approx(float(before.cot[0]))


def test_one_hit_gives_a_straight_line_at_its_place() -> None:
    fitted = fit_helices(torch.tensor([[30.0, 0.0, 12.0]], dtype=torch.float64), torch.tensor([0]))
    assert float(fitted.curvature[0]) == 0
    assert float(fitted.z0[0]) == 12.0
    assert float(fitted.phi0[0]) == pytest.approx(0)


def test_no_hits_no_helices() -> None:
    assert len(fit_helices(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).z0) == 0
