"""Particles stepped through any detector, against closed forms and slow searches."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.field import CURVATURE, constant, solenoid
from hitgraph.settings import parse
from hitgraph.simulate.bending import advanced, between
from hitgraph.simulate.crossings import OTHER_MATERIAL, Steps
from hitgraph.simulate.described import build
from hitgraph.simulate.described.description import Description
from hitgraph.simulate.fatras import Fatras, build_detector
from hitgraph.simulate.generator import Generated
from hitgraph.simulate.geometry import read_geometry
from hitgraph.simulate.matter import (
    SILICON,
    Matter,
    highland_angle,
    landau,
    masses_of,
    most_probable_loss,
    slowed,
)
from hitgraph.simulate.stepper import Stepper

Float64 = NDArray[np.float64]
SENSOR = {"thickness": 0.3, "x0": 0.02, "pitch_u": 0.05, "pitch_v": 0.05}
BARREL = {
    "name": "toy",
    "field": "constant:2",
    "passive": [{"radius": 20.0, "half_length": 300.0, "x0": 0.002}],
    "cylinders": [
        {"volume": 8, "radius": [30.0, 60.0, 120.0], "phi_modules": [16, 30, 60], "z_modules": 4}
        | {"width": 15.0, "length": 50.0, "overlap": -0.5, "tilt": 200.0}
        | SENSOR
    ],
    "disks": [
        {"volume": 9, "mirror": 7, "z": [200.0, 260.0], "radius": 50.0, "modules": 20}
        | {"inner_width": 12.0, "outer_width": 22.0, "length": 30.0, "stagger": 2.0}
        | SENSOR
    ],
}
TELESCOPE = {
    "name": "planes",
    "field": "none",
    "planes": [
        {"volume": 1, "axis": "x", "position": [100.0, 200.0, 300.0], "width": 60.0}
        | {"length": 60.0, "thickness": 0.3, "x0": 0.01, "pitch_u": 0.05, "pitch_v": 0.05}
    ],
}


def particles(momentum: Float64, pdg: int = -13, charge: int = 1) -> Generated:
    n = len(momentum)
    return Generated(
        collision=np.ones(n, np.int64),
        pdg=np.full(n, pdg),
        charge=np.full(n, charge),
        vertex=np.zeros((n, 3)),
        momentum=momentum,
        particle_id=np.arange(1, n + 1),
    )


def empty_space(matter: Matter) -> Matter:
    """The same surfaces without material."""
    tubes = tuple(replace(tube, x0=0.0, grams=0.0) for tube in matter.tubes)
    return Matter(0 * matter.x0, 0 * matter.grams, tubes)


def along(rng: np.random.Generator, n: int, p: tuple[float, float], eta: float) -> Float64:
    phi, slope = rng.uniform(-np.pi, np.pi, n), np.sinh(rng.uniform(-eta, eta, n))
    direction = np.stack([np.cos(phi), np.sin(phi), slope], axis=1)
    return rng.uniform(*p, n)[:, None] * direction


def on_modules(detector: Detector, place: Float64) -> NDArray[np.bool_]:
    """(n, n_modules) whether places are inside the outlines of modules, whatever their height."""
    local = np.einsum("mji,nmj->nmi", detector.rotation, place[:, None] - detector.centre)
    low, high = detector.min_half_u, detector.max_half_u
    half_u = (low + high) / 2 + (high - low) / 2 * local[:, :, 1] / detector.half_v
    inside: NDArray[np.bool_] = (np.abs(local[:, :, 0]) <= half_u) & (
        np.abs(local[:, :, 1]) <= detector.half_v
    )
    return inside


def test_a_straight_line_meets_the_modules_that_geometry_says() -> None:
    detector, matter = build(parse(Description, BARREL))
    momentum = along(np.random.default_rng(1), 300, (0.2, 5), 2.5)
    steps = Stepper(detector, empty_space(matter), constant(0.0)).simulate(
        particles(momentum), seed=1
    )
    direction = momentum / np.linalg.norm(momentum, axis=1, keepdims=True)
    normal = detector.rotation[:, :, 2]
    depth = np.einsum("mi,mi->m", normal, detector.centre) / (direction @ normal.T)
    meet = np.zeros(depth.shape, np.bool_)
    for row in range(len(momentum)):
        place = depth[row][:, None] * direction[row]
        meet[row] = on_modules(detector, place)[np.arange(len(place)), np.arange(len(place))]
    meet &= depth > 0
    found = np.zeros(depth.shape, np.bool_)
    found[steps.particle, steps.module] = True
    np.testing.assert_array_equal(found, meet)
    assert len(steps) == meet.sum() > 600
    expected = depth[steps.particle, steps.module][:, None] * direction[steps.particle]
    np.testing.assert_allclose(steps.position, expected, atol=1e-8)
    order = np.lexsort((steps.number, steps.particle))
    path = depth[steps.particle, steps.module][order]
    assert (np.diff(path)[np.diff(steps.particle[order]) == 0] > 0).all()


def helix(momentum: Float64, tesla: float, path: Float64) -> Float64:
    """(n, 3) the closed form: places on the helix from the origin of one unit charge."""
    p = np.linalg.norm(momentum)
    rate = -CURVATURE * tesla / p  # rad a mm
    phi = np.arctan2(momentum[1], momentum[0])
    sine = np.hypot(momentum[0], momentum[1]) / p
    return np.stack(
        [
            sine / rate * (np.sin(phi + rate * path) - np.sin(phi)),
            -sine / rate * (np.cos(phi + rate * path) - np.cos(phi)),
            momentum[2] / p * path,
        ],
        axis=1,
    )


def test_a_helix_in_a_constant_field_is_the_closed_form_s() -> None:
    """Where it crosses, and which modules: a search along the helix in steps of 0.05 mm."""
    detector, matter = build(parse(Description, BARREL))
    momentum = along(np.random.default_rng(2), 60, (0.15, 2), 1.5)
    steps = Stepper(detector, empty_space(matter), constant(2.0)).simulate(
        particles(momentum), seed=1
    )
    normal = detector.rotation[:, :, 2]
    height_of = np.einsum("mi,mi->m", normal, detector.centre)
    for row in range(len(momentum)):
        p = np.linalg.norm(momentum[row])
        path = np.arange(0, min(np.pi * p / (2 * CURVATURE), 600), 0.05)
        place = helix(momentum[row], 2.0, path)
        above = place @ normal.T > height_of
        k, module = np.nonzero(above[1:] != above[:-1])
        middle = (place[k] + place[k + 1]) / 2
        meet = on_modules(detector, middle)[np.arange(len(k)), module]
        mine = steps.particle == row
        assert sorted(steps.module[mine].tolist()) == sorted(module[meet].tolist())
        fine = helix(momentum[row], 2.0, _nearest(path, place, steps.position[mine]))
        assert np.abs(fine - steps.position[mine]).max(initial=0) < 0.001  # mm


def _nearest(path: Float64, place: Float64, points: Float64) -> Float64:
    """Where on the path, sampled as `place`, the points are: by projection on the tangent."""
    k = np.argmin(np.linalg.norm(place[:, None] - points, axis=2), axis=0).clip(1, len(path) - 2)
    tangent = (place[k + 1] - place[k - 1]) / (path[k + 1] - path[k - 1])[:, None]
    projected: Float64 = path[k] + np.einsum("ni,ni->n", tangent, points - place[k])
    return projected


@given(st.integers(0, 10**6), st.floats(-100, 100))
@settings(max_examples=30, deadline=None)
def test_a_step_back_leads_to_where_it_began(seed: int, length: float) -> None:
    rng = np.random.default_rng(seed)
    position, direction = 500 * rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    bend, way = rng.uniform(-1, 1, 5), np.full(5, length)
    there = advanced(solenoid(), position, direction, bend, way)
    back, first = advanced(solenoid(), *there, bend, -way)
    np.testing.assert_allclose(back, position, atol=1e-3)
    np.testing.assert_allclose(first, direction, atol=1e-5)
    half = advanced(solenoid(), position, direction, bend, way / 2)[0]
    middle = between((position, direction), there, way, np.full(5, 0.5))
    np.testing.assert_allclose(middle, half, atol=2e-3)


def test_the_width_of_scattering_is_highland_s() -> None:
    """13.6 MeV / (beta p) sqrt(x) (1 + 0.038 ln(x / beta^2)), for muons of 1 GeV in 1 % of X0."""
    detector, matter = build(parse(Description, TELESCOPE))
    n = 4000
    steps = Stepper(detector, without_loss(matter), constant(0.0)).simulate(
        particles(np.tile((1.0, 0.0, 0.0), (n, 1))), seed=3
    )
    assert len(steps) == 3 * n
    beta = 1 / np.hypot(1, 0.1056584)
    width = 0.0136 / beta * np.sqrt(0.01) * (1 + 0.038 * np.log(0.01 / beta**2))
    second = steps.where(steps.number == 1)
    for axis in (1, 2):
        offset = second.position[:, axis] / 100  # mm of flight after the first plane
        assert np.std(offset) == pytest.approx(width, rel=4 / np.sqrt(2 * n))
        assert abs(np.mean(offset)) < 4 * width / np.sqrt(n)
    third = steps.where(steps.number == 2)
    expected = width * np.sqrt(200**2 + 100**2)  # a kick in each of two planes
    assert np.std(third.position[:, 1]) == pytest.approx(expected, rel=4 / np.sqrt(2 * n))


def without_loss(matter: Matter) -> Matter:
    """Material that scatters and takes no energy."""
    return Matter(matter.x0, 0 * matter.grams, matter.tubes)


def test_a_slanting_path_goes_through_more() -> None:
    angle = highland_angle(np.array([2.0, 2.0]), np.array([0.1, 0.1]), np.array([0.01, 0.0]))
    assert angle[0] > 0 == angle[1]
    detector, matter = build(parse(Description, TELESCOPE))
    steps = Stepper(detector, matter, constant(0.0)).simulate(
        particles(np.repeat([[5.0, 0.0, 0.0], [5.0, 0.4, 0.0]], 3000, axis=0)), seed=1
    )
    lost = lost_between(steps, 0, 1)
    steep, slanting = np.median(lost[:3000]), np.median(lost[3000:])
    assert slanting / steep == pytest.approx(np.hypot(1, 0.08), rel=0.01)


def lost_between(steps: Steps, first: int, second: int) -> Float64:
    """(n_particles,) GeV."""
    order = np.lexsort((steps.number, steps.particle))
    p = np.linalg.norm(steps.momentum[order], axis=1).reshape(-1, 3)
    lost: Float64 = p[:, first] - p[:, second]
    return lost


def test_muons_lose_in_silicon_what_is_known() -> None:
    """The most probable loss in 300 um: some 80 keV (Review of Particle Physics, section 35.7)."""
    x = np.full(20000, 0.03 * 2.329)
    probable, xi = most_probable_loss(np.full(20000, 4.0), masses_of(np.full(20000, 13)), x)
    assert 75e-6 < probable[0] < 90e-6
    assert xi[0] == pytest.approx(0.1535e-3 * 0.498 * x[0], rel=0.01)
    left = slowed(
        np.full(20000, 4.0), masses_of(np.full(20000, 13)), x / SILICON, x, np.random.default_rng(1)
    )
    lost = 4.0 - left
    # the largest of a distribution with a tail lies below its median, and that below its mean
    counts, edges = np.histogram(lost, 40, (0, 4 * probable[0]))
    peak = edges[np.argmax(counts)]
    assert peak == pytest.approx(probable[0], abs=0.2 * probable[0])
    assert peak < np.median(lost) < np.mean(lost)


def test_landau_s_distribution_has_the_known_quantiles() -> None:
    """Median 1.3558, mode -0.2228, full width at half maximum 4.018 (CERNLIB G110)."""
    drawn = landau(200_000, np.random.default_rng(4))
    assert np.median(drawn) == pytest.approx(1.3558, abs=0.05)
    counts, edges = np.histogram(drawn, 120, (-4, 8))
    middle = (edges[1:] + edges[:-1]) / 2
    wide = middle[counts > counts.max() / 2]
    assert np.ptp(wide) == pytest.approx(4.018, abs=0.25)
    assert middle[counts > 0.97 * counts.max()].mean() == pytest.approx(-0.2228, abs=0.25)


def test_electrons_keep_one_over_e_of_their_energy_in_a_radiation_length() -> None:
    n, x0 = 20000, 0.3
    left = slowed(
        np.full(n, 20.0),
        masses_of(np.full(n, -11)),
        np.full(n, x0),
        np.zeros(n),
        np.random.default_rng(2),
    )
    assert np.mean(left) / 20 == pytest.approx(np.exp(-x0), rel=0.01)


def test_slow_particles_stop() -> None:
    detector, matter = build(parse(Description, BARREL))
    steps = Stepper(detector, matter, constant(2.0)).simulate(
        particles(np.tile((0.2, 0.0, 0.06), (50, 1)), pdg=2212), seed=1
    )
    # protons of 21 MeV, whose range in silicon is some 0.9 g / cm^2; a layer has 0.44
    assert (np.bincount(steps.particle, minlength=50) <= 3).all()
    radius = np.hypot(steps.position[:, 0], steps.position[:, 1])
    assert radius.max() < 70


def test_material_that_is_no_module_is_given_where_it_is_asked_for() -> None:
    detector, matter = build(parse(Description, BARREL))
    stepper = Stepper(detector, matter, constant(2.0))
    some = particles(along(np.random.default_rng(5), 40, (0.5, 2), 1.0))
    modules, everything = stepper.simulate(some, 7), stepper.simulate(some, 7, material=True)
    pipe = everything.where(everything.module == OTHER_MATERIAL)
    np.testing.assert_allclose(np.hypot(pipe.position[:, 0], pipe.position[:, 1]), 20, atol=1e-6)
    assert sorted(pipe.particle.tolist()) == list(range(40))
    np.testing.assert_array_equal(
        everything.where(everything.module != OTHER_MATERIAL).position, modules.position
    )


def test_stiff_muons_cross_the_modules_that_they_cross_in_fatras() -> None:
    """The TrackML detector, 2 T, muons of 50 GeV: scattering moves few over an edge."""
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    detector, row_of = read_geometry(build_detector())
    nothing = Matter(np.zeros(detector.n_modules), np.zeros(detector.n_modules))
    some = particles(50 * along(np.random.default_rng(8), 300, (1, 1), 2.5))
    field = constant(2.0)
    ours = Stepper(detector, nothing, field).simulate(some, 1)
    theirs = Fatras(build_detector(), row_of, field).simulate(some, 1)
    same = 0
    for row in range(300):
        mine, other = ours.where(ours.particle == row), theirs.where(theirs.particle == row)
        if set(mine.module.tolist()) == set(other.module.tolist()):
            same += 1
            a, b = np.argsort(mine.module), np.argsort(other.module)
            # a few 0.1 mrad of scattering over a metre or two
            np.testing.assert_allclose(mine.position[a], other.position[b], atol=2.0)
            near = np.hypot(*mine.position[a][:, :2].T) < 100
            np.testing.assert_allclose(mine.position[a][near], other.position[b][near], atol=0.1)
    assert same > 0.93 * 300


def test_nothing_comes_of_no_particles() -> None:
    detector, matter = build(parse(Description, BARREL))
    assert len(Stepper(detector, matter, solenoid()).simulate(particles(np.zeros((0, 3))), 1)) == 0
