"""Straightened hits: a track in the solenoid is a helix of a constant field there."""

import numpy as np
import pytest

from hitgraph.event.field import CURVATURE, MagneticField, constant, solenoid


def trajectory(field: MagneticField, pt: float, cot: float, z0: float) -> np.ndarray:
    """(n, 3) points of a particle of charge 1 from (0, 0, z0), stepped through the field.

    Runge and Kutta's fourth order in steps of 2 mm along the path, to r = 1000 or |z| = 2900 mm.
    """
    p = pt * np.hypot(1, cot)

    def slope(state: np.ndarray) -> np.ndarray:
        x, y, z = state[:3]
        r = np.hypot(x, y)
        br, bz = (float(one) for one in field.at(r, z))
        along = (br * x / r, br * y / r) if r > 0 else (0.0, 0.0)
        bend = CURVATURE / p * np.cross(state[3:], [*along, bz])
        return np.concatenate([state[3:], bend])

    direction = np.array([1, 0, cot]) / np.hypot(1, cot)
    state, points, step = np.array([0, 0, z0, *direction]), [], 2.0
    while np.hypot(*state[:2]) < 1000 and abs(state[2]) < 2900:
        k1 = slope(state)
        k2 = slope(state + step / 2 * k1)
        k3 = slope(state + step / 2 * k2)
        k4 = slope(state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        points.append(state[:3])
    return np.array(points)


def off_circle(points: np.ndarray) -> float:
    """The most (mm) that points lie off the circle through the beam line and the last of them,
    with the curvature that fits best."""
    r, phi = np.hypot(points[:, 0], points[:, 1]), np.arctan2(points[:, 1], points[:, 0])
    half = np.linspace(-0.003, 0.0, 30001)[None, :] / 2  # positive charges turn clockwise
    turn = np.arcsin(np.clip(half * r[::50, None], -1, 1))
    return float(np.abs(r[::50, None] * (turn - phi[::50, None])).max(axis=0).min())


@pytest.mark.parametrize(("pt", "cot"), [(0.5, 1.5), (0.5, 4.0), (1.0, 8.0)])
def test_a_track_of_the_solenoid_is_a_helix_once_straightened(pt: float, cot: float) -> None:
    field = solenoid()
    track = trajectory(field, pt, cot, 0.0)
    r = np.hypot(track[:, 0], track[:, 1])
    straight = track * field.straightening(r, track[:, 2])[:, None]
    bent = off_circle(track)
    assert off_circle(straight) < 0.25 * bent
    assert off_circle(straight) < 1.0  # mm; the first order in the curvature is left out


def test_directions_are_kept_and_a_constant_field_changes_nothing() -> None:
    r, z = np.meshgrid(np.linspace(0, 1000, 11), np.linspace(-2900, 2900, 13))
    assert np.array_equal(constant(2.0).straightening(r, z), np.ones_like(r))
    factor = solenoid().straightening(r, z)
    assert (factor > 0.7).all()
    assert (factor < 1.01).all()
    assert np.allclose(factor, factor[::-1], rtol=1e-9)  # both ends are alike
    assert np.allclose(factor, solenoid(-0.5).straightening(r, z), rtol=1e-12)


def test_the_factor_is_that_of_the_deflection_on_the_axis() -> None:
    """Along the axis Br z / r is -z/2 dBz/dz, so that B(u) is a function of Bz(0, z) alone."""
    field, z = solenoid(), 2000.0
    u = (np.arange(2000) + 0.5) / 2000
    bz = field.at(0.0, u * z)[1]
    b = bz + u * z / 2 * np.gradient(bz, u * z)
    expected = 2 * np.mean((1 - u) * b) / field.centre
    assert field.straightening(1.0, z) == pytest.approx(expected, rel=1e-3)
