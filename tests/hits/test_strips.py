"""Crossings of strips: crosses whose answer is known, all pairs, turned and mirrored modules."""

from dataclasses import replace
from math import cos, sin, tan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.event.strips import strip_detector, strip_event
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.cluster_tables import NO_ROW, require_clusters
from hitgraph.event.field import constant
from hitgraph.hits.strips import Strips, cross_strips
from hitgraph.hits.strips.points import SMALLEST, space_points, tolerances
from hitgraph.kernels.choice import Backend

STEREO, LENGTH, GAP, RADIUS = 0.052, 48.0, 6.0, 500.0  # rad, mm
both_ways = pytest.mark.parametrize("backend", ["cpu", "plain"])


def strips(u: Tensor, radius: float, stereo: float = 0.0, length: float = LENGTH) -> Strips:
    """Of a module that looks along x at `radius`, z along the strips but for the stereo angle."""
    across = torch.tensor([0.0, cos(stereo), -sin(stereo)], dtype=torch.float64)
    along = torch.tensor([0.0, sin(stereo), cos(stereo)], dtype=torch.float64)
    centre = u[:, None] * across
    centre[:, 0] = radius
    half = (length / 2 * along).expand(len(u), 3).contiguous()
    return Strips(centre, half, torch.zeros(len(u), dtype=torch.int64))


def crossed(
    first: Strips,
    second: Strips,
    tolerance: float = 0.0,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """`cross_strips` with one tolerance for all."""
    each = torch.full((len(first),), tolerance, dtype=torch.float64)
    return cross_strips(first, second, each, origin, backend)


def of_particles(y: Tensor, z: Tensor) -> tuple[Strips, Strips]:
    """Strips that straight particles from the origin fire: they cross y, z at RADIUS."""
    y, z = y.double(), z.double()
    first = strips(y, RADIUS)
    far = (RADIUS + GAP) / RADIUS
    second = strips(far * (y * cos(STEREO) - z * sin(STEREO)), RADIUS + GAP, STEREO)
    return first, second


@both_ways
def test_a_cross_whose_answer_is_known(backend: Backend) -> None:
    """Without a gap, a strip shifted by u crosses the one through the centre at u / sin(stereo)."""
    first = strips(torch.zeros(1, dtype=torch.float64), RADIUS)
    second = strips(torch.tensor([0.5], dtype=torch.float64), RADIUS, STEREO)
    pairs, position = crossed(first, second, backend=backend)
    assert pairs.tolist() == [[0], [0]]
    expected = torch.tensor([[RADIUS, 0.0, -0.5 / sin(STEREO)]], dtype=torch.float64)
    torch.testing.assert_close(position, expected)


@both_ways
def test_strips_that_cross_behind_their_ends_do_not_but_for_the_tolerance(backend: Backend) -> None:
    first = strips(torch.zeros(1, dtype=torch.float64), RADIUS)
    beyond = LENGTH / 2 + 1.0
    second = strips(torch.tensor([beyond * sin(STEREO)], dtype=torch.float64), RADIUS, STEREO, 200)
    assert crossed(first, second, backend=backend)[0].shape == (2, 0)
    pairs, position = crossed(first, second, tolerance=1.01, backend=backend)
    assert pairs.shape == (2, 1)
    assert position[0].tolist() == pytest.approx([RADIUS, 0.0, -LENGTH / 2])  # its end


@both_ways
def test_strips_of_other_modules_and_parallel_ones_do_not_cross(backend: Backend) -> None:
    u = torch.zeros(1, dtype=torch.float64)
    first, crossing = strips(u, RADIUS), strips(u, RADIUS + GAP, STEREO)
    elsewhere = Strips(crossing.centre, crossing.half, crossing.module + 1)
    for second in (elsewhere, strips(u + 1, RADIUS + GAP)):
        assert crossed(first, second, backend=backend)[0].shape == (2, 0)


places = st.lists(
    st.tuples(st.floats(-0.5, 0.5), st.floats(-11, 11)), min_size=1, max_size=8, unique=True
)


@given(places, st.sampled_from(["cpu", "plain"]))
def test_n_particles_give_n_squared_crossings_and_their_own_are_where_they_flew(
    found: list[tuple[float, float]], backend: Backend
) -> None:
    """They are so near in y that all strips cross: 1 mm / tan(stereo) is less than half a strip."""
    y, z = torch.tensor(found, dtype=torch.float64).T
    assert 1.1 / tan(STEREO) < LENGTH / 2
    first, second = of_particles(y, z)
    pairs, position = crossed(first, second, tolerance=13.0, backend=backend)
    n = len(found)
    assert pairs.tolist() == [[i for i in range(n) for _ in range(n)], list(range(n)) * n]
    own = position[pairs[0] == pairs[1]]
    torch.testing.assert_close(own[:, 1:], torch.stack([y, z], dim=1), rtol=0, atol=1e-9)


@given(places, st.floats(-3.2, 3.2), st.floats(-3.2, 3.2), st.sampled_from(["cpu", "plain"]))
def test_a_turned_module_has_its_crossings_turned(
    found: list[tuple[float, float]], about_z: float, about_x: float, backend: Backend
) -> None:
    y, z = torch.tensor(found, dtype=torch.float64).T
    sides = of_particles(y, z)
    turn = torch.tensor(
        [
            [cos(about_z), -sin(about_z), 0.0],
            [sin(about_z) * cos(about_x), cos(about_z) * cos(about_x), -sin(about_x)],
            [sin(about_z) * sin(about_x), cos(about_z) * sin(about_x), cos(about_x)],
        ],
        dtype=torch.float64,
    )
    turned = [Strips(one.centre @ turn.T, one.half @ turn.T, one.module) for one in sides]
    pairs, position = crossed(*sides, tolerance=13.0, backend=backend)
    same, moved = crossed(*turned, tolerance=13.0, backend=backend)
    assert torch.equal(pairs, same)
    torch.testing.assert_close(moved, position @ turn.T, rtol=0, atol=1e-6)


@both_ways
def test_the_direction_from_the_beam_spot_bridges_the_gap(backend: Backend) -> None:
    """Particles from another place are found right once that place is given."""
    origin = (0.0, 0.0, 100.0)
    y, z = torch.tensor([0.2, -0.4]), torch.tensor([3.0, 9.0])
    first, second = of_particles(y, z)
    moved = [
        Strips(one.centre + torch.tensor(origin, dtype=torch.float64), one.half, one.module)
        for one in (first, second)
    ]
    pairs, position = crossed(*moved, origin=origin, backend=backend)
    own = position[pairs[0] == pairs[1]]
    expected = torch.stack([y, z + 100.0], dim=1).double()
    torch.testing.assert_close(own[:, 1:], expected, rtol=0, atol=1e-5)


def test_space_points_lie_where_particles_crossed_the_first_side() -> None:
    """Whatever order the clusters come in; pixels are where they were measured."""
    event, detector = strip_event(3), strip_detector()
    clusters, _ = require_clusters(event)
    assert event.particles is not None
    order = np.random.default_rng(1).permutation(len(clusters))
    shuffled = replace(clusters, **{key: column[order] for key, column in vars(clusters).items()})
    rows, position = space_points(shuffled, detector)
    own = shuffled.particle_id[rows[:, 0]] == shuffled.particle_id[rows[:, 1]]
    own |= rows[:, 1] == NO_ROW
    maker = shuffled.particle_id[rows[own, 0]] - 1
    p = np.stack([event.particles.px, event.particles.py, event.particles.pz], axis=1)[maker]
    flown = p / p[:, :1] * position[own, :1]
    np.testing.assert_allclose(position[own], flown, atol=2e-3)  # float32 / sin(stereo)
    module = detector.module_index(shuffled.volume_id, shuffled.layer_id, shuffled.module_id)
    assert (np.diff(module[rows[:, 0]]) >= 0).all()


def test_strips_without_pitch_have_no_space_points() -> None:
    clusters, _ = require_clusters(strip_event(1))
    bare = replace(strip_detector(), pitch_v=np.full(7, -1.0))
    with pytest.raises(InputError, match=r"space points of strips: .* no pitch for 7 of 7 modules"):
        space_points(clusters, bare)


def test_strips_are_widened_by_what_the_field_bends_between_the_sides() -> None:
    """6 mm apart at 400 mm in 2 T: 1 GeV of R = 1668 mm is at 0.12 rad, 13.8 mm along strips."""
    detector = replace(strip_detector(), field=constant(2))
    sides = np.array([1]), np.array([2])
    wide, narrow = (float(tolerances(detector, *sides, pt)[0]) for pt in (1.0, 10.0))
    assert wide - SMALLEST == pytest.approx(6 * 400 / (2 * 1668) / np.sin(0.052), rel=1e-3)
    assert wide - SMALLEST == pytest.approx(10 * (narrow - SMALLEST))
    without = tolerances(replace(detector, field=None), *sides, 1.0)
    assert without.tolist() == [SMALLEST]
