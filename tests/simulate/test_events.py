"""Simulated events: they are physics, and depend on their seed and number alone."""

from collections.abc import Callable

import numpy as np
import pytest

from hitgraph.event.event import Event
from hitgraph.simulate import generator
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.simulator import Simulator

SameEvent = Callable[[Event, Event], None]


def test_tables_fit_together(muons: Event) -> None:
    hits, cells, particles, truth = muons.hits, muons.cells, muons.particles, muons.truth
    assert cells is not None
    assert particles is not None
    assert truth is not None
    n = len(hits)
    np.testing.assert_array_equal(hits.hit_id, np.arange(1, n + 1))
    np.testing.assert_array_equal(truth.hit_id, hits.hit_id)
    assert (np.diff(cells.hit_id) >= 0).all()
    assert set(cells.hit_id.tolist()) == set(hits.hit_id.tolist())  # a cell for every hit
    assert truth.weight.sum() == pytest.approx(1, abs=1e-5)
    assert (truth.weight[truth.particle_id == 0] == 0).all()
    assert (truth.particle_id == 0).mean() == pytest.approx(0.15, abs=1 / n)
    assert len(set(particles.particle_id.tolist())) == len(particles) == 40
    for one, listed in zip(particles.particle_id, particles.nhits, strict=True):
        assert (truth.particle_id == one).sum() == listed
    assert set(truth.particle_id.tolist()) <= {0, *particles.particle_id.tolist()}
    np.testing.assert_array_equal(particles.q, -np.sign(particles.particle_type))  # muons


def test_hits_lie_on_a_helix_of_the_generated_momentum(muons: Event) -> None:
    truth, particles = muons.truth, muons.particles
    assert truth is not None
    assert particles is not None
    checked = 0
    for row in np.flatnonzero(particles.nhits >= 8):
        mine = truth.particle_id == particles.particle_id[row]
        x, y = truth.tx[mine].astype(float), truth.ty[mine].astype(float)
        # x^2 + y^2 = 2 a x + 2 b y + c is a circle about (a, b)
        solution = np.linalg.lstsq(np.stack([x, y, np.ones_like(x)], 1), x * x + y * y)[0]
        a, b, c = solution[0] / 2, solution[1] / 2, solution[2]
        radius = np.sqrt(c + a * a + b * b)
        pt = np.hypot(particles.px[row], particles.py[row])
        if np.hypot(x, y).max() < 400:
            continue  # too short an arc to measure
        checked += 1
        assert radius == pytest.approx(pt / (0.000299792 * 2), rel=0.1)  # mm, in 2 T
        # A positive particle turns clockwise seen from +z: its centre is on its right.
        right = np.array([particles.py[row], -particles.px[row]])
        assert np.sign(np.dot(right, [a, b])) == particles.q[row]
    assert checked > 10


def test_hits_are_where_the_particle_was(muons: Event) -> None:
    hits, truth = muons.hits, muons.truth
    assert truth is not None
    distance = np.sqrt(
        (hits.x - truth.tx) ** 2 + (hits.y - truth.ty) ** 2 + (hits.z - truth.tz) ** 2
    )
    # Half the channel's diagonal; paths at the rim of a module may lose a part.
    for volumes, limit in (((7, 8, 9), 0.05), ((12, 13, 14), 0.65), ((16, 17, 18), 5.6)):
        here = np.isin(hits.volume_id, volumes)
        assert (distance[here] < limit).mean() > 0.98


def test_an_event_depends_on_seed_and_number_only(
    gun: Simulator, muons: Event, assert_same_event: SameEvent
) -> None:
    other = gun.event(1001)
    assert not np.array_equal(other.hits.x[:100], muons.hits.x[:100])
    assert_same_event(gun.event(1000), muons)


@pytest.mark.usefixtures("gun")
def test_pile_up_event_does_not_remember_the_one_before(assert_same_event: SameEvent) -> None:
    collisions = Simulator(SimulationSettings(pileup=2, seed=3, preset="plain"))
    first, second = collisions.event(1), collisions.event(2)
    assert_same_event(collisions.event(1), first)
    for event in (first, second):
        particles, truth = event.particles, event.truth
        assert particles is not None
        assert truth is not None
        assert 50 < len(particles) < 2000
        pt = np.hypot(particles.px, particles.py)
        assert pt.min() >= 0.1
        assert np.abs(np.arcsinh(particles.pz / pt)).max() <= 4.0001
        assert set(np.unique(particles.q)) == {-1, 1}
        assert np.abs(particles.vz).max() < 3000
        assert truth.weight.sum() == pytest.approx(1, abs=1e-5)


def test_pythia_forgets_with_two_heavy_systems_on_each_beam() -> None:
    """The masses of the four resetting collisions differ, so that none of them is passed over."""
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")

    class Particle:
        def __init__(self, mass: float) -> None:
            self.mass = mass

        def m(self) -> float:
            return self.mass

        def id(self) -> int:
            return generator.DIFFRACTIVE_PROTON if self.mass > 1 else 2212

    class Pythia:
        """Beam masses by seed: light, heavy A, the same A, heavy B, another A, another B."""

        masses = ((0, 0), (300, 0), (301, 0), (0, 200), (500, 5), (0, 900))
        event: list[Particle]

        @property
        def rndm(self) -> "Pythia":
            return self

        def init(self, seed: int) -> None:
            self.event = [Particle(0)] * 3 + [Particle(m) for m in self.masses[seed - 1]]

        def next(self) -> bool:
            return True

    assert generator._forgetting_seeds(Pythia()) == [2, 5, 4, 6]
