"""The field that bends true particles, told from particles and hits alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.event.event import Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.field import constant, solenoid
from hitgraph.event.perigee import bending_field


def circles(tesla: float, seed: int, n: int = 40) -> Event:
    """Particles of 1 to 3 GeV on circles about the z axis, from places of their own, ten hits each.

    In the field along +z a positive charge turns clockwise: by 0.299792458e-3 q B / pT a mm.
    """
    random = np.random.default_rng(seed)
    pt, phi = random.uniform(1, 3, n), random.uniform(-np.pi, np.pi, n)
    charge = random.choice([-1, 1], n)
    vx, vy = random.normal(0, 5, (2, n))
    turn = -0.299792458e-3 * charge * tesla / pt
    path = np.linspace(30, 600, 10)[:, None]
    at = phi + turn * path
    if tesla:
        x, y = (np.sin(at) - np.sin(phi)) / turn, (np.cos(phi) - np.cos(at)) / turn
    else:
        x, y = path * np.cos(phi), path * np.sin(phi)
    x, y = ((vx + x).ravel().astype(np.float32), (vy + y).ravel().astype(np.float32))
    zeros, ones = np.zeros(10 * n, np.float32), np.ones(10 * n, np.int32)
    hit_id, number = np.arange(1, 10 * n + 1), np.arange(1, n + 1)
    none = np.zeros(n, np.float32)
    momentum = (pt * np.cos(phi)).astype(np.float32), (pt * np.sin(phi)).astype(np.float32)
    place = vx.astype(np.float32), vy.astype(np.float32), none
    return Event(
        "event000000001",
        HitTable(hit_id, x, y, zeros, ones, ones, ones),
        particles=ParticleTable(
            number, np.full(n, 211, np.int32), *place, *momentum, none, charge, number
        ),
        truth=TruthTable(hit_id, np.tile(number, 10), *(zeros,) * 7),
    )


@settings(max_examples=20, deadline=None)
@given(tesla=st.floats(-4, 4), seed=st.integers(0, 99))
def test_the_field_is_told_by_how_particles_turn(tesla: float, seed: int) -> None:
    found = bending_field(circles(tesla, seed))
    assert found.centre == pytest.approx(tesla, abs=2e-3)
    assert found.is_constant


def test_without_charged_particles_there_is_no_field_to_tell() -> None:
    event = circles(2.0, 1)
    assert event.particles is not None
    neutral = replace(event.particles, q=np.zeros_like(event.particles.q))
    assert bending_field(replace(event, particles=neutral)).centre == 0


def test_only_the_detector_of_trackml_has_its_field_untold(
    make_event: Callable[..., Event],
) -> None:
    told = make_event(n_particles=2, n_noise=0, seed=1)
    event = replace(told, field=None)
    assert event.detector is not None
    assert replace(event, detector=None).likely_field == solenoid()
    longer = replace(event.detector, half_v=event.detector.half_v + 1)
    other = replace(event, detector=longer)
    assert other.known_field is None
    with pytest.raises(InputError, match=r"event.*nothing tells its magnetic field: .*--field"):
        _ = other.likely_field
    assert replace(other, field=constant(1.0)).likely_field == constant(1.0)
