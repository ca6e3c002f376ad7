"""Which particles are of the beam spot: that of the event, wherever and however long it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.event.collisions import is_primary
from hitgraph.event.event import ParticleTable
from hitgraph.event.truth import COLLISION_BITS

# twelve collisions, of which the last is 3.15 standard deviations from their mean
Z = np.array([0.0] * 6 + [1.0, -1.0, 2.0, -2.0, 1.0, 30.0], np.float32)


def particles(z: np.ndarray, x: float = 0.0, numbered: bool = True) -> ParticleTable:
    """Two particles of each collision, born at z, and x mm from the beam line."""
    z = np.repeat(z, 2)
    n = len(z)
    number = np.repeat(np.arange(1, n // 2 + 1), 2) << COLLISION_BITS if numbered else 0
    zeros, ones = np.zeros(n, np.float32), np.ones(n, np.int32)
    return ParticleTable(
        number + np.arange(1, n + 1), ones, zeros + x, zeros, z, zeros, zeros, zeros, ones, ones
    )


@given(where=st.floats(-1e4, 1e4), longer=st.floats(0.1, 100))
def test_primaries_move_and_stretch_with_the_beam_spot(where: float, longer: float) -> None:
    mean, deviation = Z.mean(), Z.std(ddof=1)
    assert (Z[-1] - mean) / deviation == pytest.approx(3.155, abs=0.001)
    expected = np.repeat(Z < 30, 2)
    np.testing.assert_array_equal(is_primary(particles(where + longer * Z)), expected)


def test_a_collision_is_where_most_of_its_particles_are() -> None:
    """Pions of a decay 400 mm down the beam line make no other beam spot."""
    table = particles(np.array([-50.0, 0.0, 50.0], np.float32))
    late = particles(np.array([-50.0, 0.0, 400.0], np.float32))
    both = ParticleTable(
        *(
            np.concatenate([a, a, b])
            for a, b in zip(vars(table).values(), vars(late).values(), strict=True)
        )
    )
    assert is_primary(both).tolist() == [True] * 16 + [False] * 2


def test_where_no_collisions_are_numbered_the_beam_line_decides() -> None:
    for z in (np.array([-900.0, 0.0, 900.0], np.float32), np.array([3.0], np.float32)):
        assert is_primary(particles(z, 1.9, numbered=False)).all()
        assert is_primary(particles(z[:1], 1.9)).all()
        assert not is_primary(particles(z, 2.1)).any()
