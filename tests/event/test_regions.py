"""Regions: which directions and hits are theirs, and slices of azimuth."""

from collections.abc import Callable
from dataclasses import replace
from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event, HitTable
from hitgraph.event.field import CURVATURE
from hitgraph.event.regions import (
    Region,
    Regions,
    parts_of_event,
    region_at,
    wedge,
)

MakeEvent = Callable[..., Event]
TESLA, BEAM = 2.0, (-150.0, 90.0)
ANGLES = st.floats(-7, 7) | st.sampled_from([0.0, -0.0, -1e-300, pi, -pi, 2 * pi])


@given(
    eta=st.lists(st.floats(-20, 20), min_size=1, max_size=9),
    phi=ANGLES,
    n_phi=st.integers(1, 17),
    n_eta=st.integers(1, 5),
)
def test_every_direction_is_in_one_part(
    eta: list[float], phi: float, n_phi: int, n_eta: int
) -> None:
    etas, phis = np.array(eta), np.full(len(eta), phi)
    held = [part.holds(etas, phis) for part in parts_of_event(n_phi, n_eta)]
    assert np.sum(held, axis=0).tolist() == [1] * len(eta)


@given(phi=ANGLES, turn=st.integers(-1, 1))
def test_a_region_of_interest_knows_no_seam(phi: float, turn: int) -> None:
    region = region_at(0.5, float(np.clip(phi + 2 * pi * turn, -2 * pi, 2 * pi)), 0.4, 0.3)
    around = region.min_phi + 0.3
    inside, outside = around + np.array([-0.29, 0.0, 0.29]), around + np.array([-0.31, 0.31, pi])
    eta = np.array([0.5, 0.11, 0.89])
    assert region.holds(eta, inside).all()
    assert not region.holds(eta, outside).any()
    assert not region.holds(np.array([0.05, 0.95]), np.full(2, around)).any()


@given(
    pt=st.floats(0.5, 20),
    charge=st.sampled_from([-1, 1]),
    eta=st.floats(-0.5, 1.0),
    phi=st.floats(0.8, 1.6),
    z0=st.floats(*BEAM),
)
def test_a_region_takes_all_hits_of_its_particles(
    pt: float, charge: int, eta: float, phi: float, z0: float
) -> None:
    """Helices from the beam line, followed turn by turn: an arc of half a turn at most."""
    radius = pt / (CURVATURE * TESLA)  # mm
    turned = np.linspace(0.001, pi, 500)
    x = radius * np.sin(turned)
    y = charge * radius * (np.cos(turned) - 1)
    z = z0 + np.sinh(eta) * radius * turned
    hits = hits_at(x * np.cos(phi) - y * np.sin(phi), x * np.sin(phi) + y * np.cos(phi), z)
    region = Region(-0.5, 1.0 + 1e-6, 0.8, 1.6 + 1e-6)
    assert region.reaches(hits, TESLA, BEAM, 0.5 - 1e-3).all()


def test_hits_beside_a_region_are_not_taken() -> None:
    region = region_at(0.0, 0.0, 0.1, 0.1)
    r, phi, z = np.array([50.0, 50.0, 1000.0]), np.array([0.3, 0.0, 0.0]), np.array([0, 200, 300])
    hits = hits_at(r * np.cos(phi), r * np.sin(phi), z)
    assert not region.reaches(hits, TESLA, (-150.0, 150.0), 1.0).any()
    # the second and the third lie beside the beam spot, not beside the directions
    taken = region.reaches(hits, TESLA, (-150.0, 250.0), 1.0)
    assert taken.tolist() == [False, True, True]
    straight = hits_at(np.array([900.0]), np.array([0.0]), np.zeros(1))
    assert region.reaches(straight, 0.0, BEAM, 1.0).all()


def hits_at(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> HitTable:
    ids = np.zeros(len(x), np.int32)
    numbers = np.arange(1, len(x) + 1)
    return HitTable(numbers, *(v.astype(np.float32) for v in (x, y, z)), ids, ids, ids)


def test_one_part_takes_every_hit(tiny_event: Event) -> None:
    (whole,) = parts_of_event(1)
    assert whole.reaches(tiny_event.hits, TESLA, BEAM, 100.0).all()


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((11.0, 0.0), "eta 11, phi 0 is no direction"),
        ((0.0, 7.0), "eta 0, phi 7 is no direction"),
        ((0.0, 0.0, 0.0, 0.4), "half widths of 0 in eta"),
        ((0.0, 0.0, 0.4, 3.2), "at most 10 in eta and pi in phi"),
    ],
)
def test_what_is_no_region_is_refused(numbers: tuple[float, ...], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        region_at(*numbers)


def test_particles_without_momentum_are_refused() -> None:
    with pytest.raises(SettingsError, match="min_pt: 0 GeV is not allowed"):
        Regions(parts_of_event(2), 0.0)


def test_slices_of_azimuth_part_an_event(make_event: MakeEvent) -> None:
    event = make_event(n_particles=30, n_noise=30)
    parts = [wedge(event, 0.25, phi) for phi in np.arange(4) * np.pi / 2]
    assert sum(part.n_hits for part in parts) == event.n_hits
    for part in parts:
        assert part.cells is not None
        assert part.particles is not None
        assert part.truth is not None
        assert set(part.cells.hit_id) <= set(part.hits.hit_id)
        assert set(part.truth.particle_id) - {0} == set(part.particles.particle_id)


def test_without_truth_only_hits_and_cells_are_selected(make_event: MakeEvent) -> None:
    event = replace(make_event(n_particles=30, n_noise=30), truth=None, particles=None)
    half = wedge(event, 0.5)
    assert 0 < half.n_hits < event.n_hits
    assert half.truth is None
