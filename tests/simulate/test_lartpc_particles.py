"""What particles do in liquid argon, beside published values."""

import numpy as np
import pytest

from hitgraph.simulate.worlds.lartpc.argon import (
    ELECTRON_LOSS,
    MASSES,
    RADIATION_LENGTH,
    charge_left,
    ranges,
    stopping_power,
)
from hitgraph.simulate.worlds.lartpc.interaction import ENDPOINT, Interaction
from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings
from hitgraph.simulate.worlds.lartpc.showers import PHOTON_LENGTH, shower
from hitgraph.simulate.worlds.lartpc.tracks import DELTA, electron, track

DENSITY = 1.396  # g/cm3
# kinetic energy in MeV, range in g/cm2 (continuous slowing down) in argon:
# muons from Groom, Mokhov, Striganov (2001), protons from PSTAR of NIST
MUONS = ((20, 3.321), (40, 10.58), (100, 42.50), (200, 106.3), (400, 238.5), (1000, 616.3))
PROTONS = ((20, 0.6335), (40, 2.159), (100, 10.92), (200, 36.27), (400, 113.8), (1000, 445.4))
AHEAD = np.array([0.0, 0.0, 1.0])
ORIGIN = np.zeros(3)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize(("pdg", "table"), [(13, MUONS), (2212, PROTONS)])
def test_ranges_are_those_of_the_tables(pdg: int, table: tuple[tuple[float, float], ...]) -> None:
    for kinetic, expected in table:
        found = float(ranges(MASSES[pdg]).range_of(kinetic)) / 10 * DENSITY
        assert found == pytest.approx(expected, rel=0.02)


def test_a_muon_loses_least_where_the_table_says() -> None:
    """1.508 MeV cm2/g at 266 MeV (Groom, Mokhov, Striganov)."""
    kinetic = np.linspace(50, 1000, 2000)
    loss = stopping_power(kinetic, MASSES[13]) * 10 / DENSITY
    assert loss.min() == pytest.approx(1.508, rel=0.005)
    assert kinetic[loss.argmin()] == pytest.approx(266, abs=20)


def test_a_stopping_muon_follows_its_range_and_ends_in_a_bragg_peak(
    rng: np.random.Generator,
) -> None:
    found = track(13, ORIGIN, AHEAD, 200.0, np.inf, rng)
    assert found.kinetic == 0
    expected = 106.3 / DENSITY * 10
    assert 0.9 * expected < np.linalg.norm(found.end) < 1.01 * expected  # it scatters
    near_end = found.deposits.position[:, 2] > found.end[2] - 20
    per_length = found.deposits.energy / found.deposits.path
    assert per_length[near_end].mean() > 2 * np.median(per_length)


@pytest.mark.parametrize(("pdg", "kinetic"), [(13, 150.0), (211, 200.0), (2212, 300.0), (13, 5e3)])
def test_tracks_leave_their_energy_on_average(
    pdg: int, kinetic: float, rng: np.random.Generator
) -> None:
    """With their delta electrons, which fluctuate most: many tracks of the muon that has some."""
    left = [
        track(pdg, ORIGIN, AHEAD, kinetic, 2000.0, rng).deposits.energy.sum() for _ in range(40)
    ]
    table = ranges(MASSES[pdg])
    reach = float(table.range_of(kinetic))
    lost = kinetic - float(table.kinetic_at(np.array(max(reach - 2000, 0.0))))
    assert np.mean(left) == pytest.approx(lost, abs=4 * np.std(left) / 40**0.5 + 0.01 * lost)


def test_a_fast_muon_makes_as_many_delta_electrons_as_theory_says(
    rng: np.random.Generator,
) -> None:
    """K/2 Z/A density / T per length above T, for beta = 1 (PDG, passage of particles)."""
    expected = 0.307075 / 2 * 18 / 39.948 * DENSITY / DELTA * 100  # in a metre
    n_steps = 1000
    found = [
        len(track(13, ORIGIN, AHEAD, 1e4, float(n_steps), rng).deposits) - n_steps
        for _ in range(60)
    ]
    with_some = np.mean([one > 0 for one in found])
    assert with_some == pytest.approx(1 - np.exp(-expected), abs=0.15)


@pytest.mark.parametrize("is_photon", [True, False])
@pytest.mark.parametrize("energy", [0.2, 5.0, 50.0, 700.0])
def test_showers_conserve_energy(is_photon: bool, energy: float, rng: np.random.Generator) -> None:
    found = shower(is_photon, ORIGIN, AHEAD, energy, rng)
    assert found.deposits.energy.sum() == pytest.approx(energy, rel=1e-9)
    assert (found.deposits.energy > 0).all()


def test_photons_convert_after_nine_sevenths_of_a_radiation_length(
    rng: np.random.Generator,
) -> None:
    gaps = [
        np.linalg.norm(shower(True, ORIGIN, AHEAD, 100.0, rng).deposits.position, axis=1).min()
        for _ in range(300)
    ]
    assert pytest.approx(9 / 7 * 140.0) == PHOTON_LENGTH
    assert np.mean(gaps) == pytest.approx(PHOTON_LENGTH, rel=0.2)


def test_showers_are_as_long_as_theory_says(rng: np.random.Generator) -> None:
    """The depth of the maximum grows by about a radiation length as the energy grows by e."""
    depths = []
    for energy in (300.0, 300.0 * np.e**2):
        one = [shower(False, ORIGIN, AHEAD, energy, rng).deposits for _ in range(12)]
        z = np.concatenate([each.position[:, 2] for each in one]) / RADIATION_LENGTH
        depths.append(np.average(z, weights=np.concatenate([each.energy for each in one])))
    assert depths[1] - depths[0] == pytest.approx(2.0, abs=0.7)


def test_a_shower_keeps_its_energy_within_two_moliere_radii(rng: np.random.Generator) -> None:
    """About 95 % (PDG); the radius in argon is 90 mm."""
    inside = []
    for _ in range(12):
        left = shower(False, ORIGIN, AHEAD, 1000.0, rng).deposits
        near = np.hypot(left.position[:, 0], left.position[:, 1]) < 2 * 90.4
        inside.append(left.energy[near].sum() / 1000)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)


def test_electrons_without_radiation_come_as_far_as_they_lose_energy(
    rng: np.random.Generator,
) -> None:
    left = electron(ORIGIN, AHEAD, 4.2, rng)
    assert left.path.sum() == pytest.approx(4.2 / ELECTRON_LOSS)
    assert left.energy.sum() == pytest.approx(4.2)


def test_recombination_takes_more_of_dense_tracks() -> None:
    """Birks' law of ICARUS at 0.5 kV/cm: 70 % of the charge is left at 2.1 MeV/cm."""
    minimum, dense = charge_left(np.array([0.21, 2.1]), np.ones(2))
    assert minimum * 1000 * 23.6e-6 / 0.21 == pytest.approx(0.70, abs=0.01)
    assert dense < 0.7 * 10 * minimum


def test_michel_electrons_have_the_spectrum_of_muon_decay(rng: np.random.Generator) -> None:
    """Mean energy 7/10 of the endpoint: x^2 (3 - 2 x) integrated."""
    event = Interaction(LartpcSettings(), rng)
    for _ in range(200):
        event.michel(ORIGIN, -11)
    energies = [np.linalg.norm(one.momentum) for one in event.made if one.pdg == -11]
    assert max(energies) <= ENDPOINT
    assert np.mean(energies) == pytest.approx(0.7 * ENDPOINT, rel=0.05)


def test_the_photons_of_a_neutral_pion_have_its_mass_and_its_momentum(
    rng: np.random.Generator,
) -> None:
    event = Interaction(LartpcSettings(), rng)
    event.pi0(ORIGIN, AHEAD, 250.0)
    first, second = (one.momentum for one in event.made)
    total = np.linalg.norm(first) + np.linalg.norm(second)
    assert total == pytest.approx(250 + 134.977)
    assert total**2 - ((first + second) ** 2).sum() == pytest.approx(134.977**2, rel=1e-6)
    assert (first + second)[:2] == pytest.approx([0, 0], abs=1e-6)


def test_what_a_particle_does_depends_on_the_seed_only() -> None:
    def deposits(seed: int) -> np.ndarray:
        return shower(False, ORIGIN, AHEAD, 80.0, np.random.default_rng(seed)).deposits.energy

    assert np.array_equal(deposits(3), deposits(3))
    assert not np.array_equal(deposits(3), deposits(4))
