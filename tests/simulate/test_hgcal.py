"""Showers in the calorimeter: what textbooks say of them, and where their energy ends up."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from hitgraph.errors import SettingsError
from hitgraph.evaluation.showers import hit_energies
from hitgraph.simulate.worlds.hgcal.cells import NOISE, deposits, read_out
from hitgraph.simulate.worlds.hgcal.geometry import (
    CELL,
    CRITICAL_ENERGY,
    FRONT,
    MOLIERE_RADIUS,
    Layers,
    disc_radius,
    make_layers,
)
from hitgraph.simulate.worlds.hgcal.settings import HgcalSettings
from hitgraph.simulate.worlds.hgcal.showers import (
    ELECTRON,
    LANDAU_WIDTH,
    MAXIMUM,
    PHOTON,
    PION,
    SAMPLING,
    Spots,
    profile,
    shower,
    together,
)

LAYERS = make_layers()
NO_DISC = (0.0, 0.0, 0.0)


def many(pdg: int, energy: float, n: int, layers: Layers = LAYERS) -> list[Spots]:
    rng = np.random.default_rng(1)
    return [shower(pdg, energy, 1.0, layers, rng) for _ in range(n)]


def fine_layers() -> Layers:
    """400 layers of a tenth of a radiation length."""
    n = 400
    depth = np.arange(n + 1) / 10
    one = np.ones(n, np.int32)
    return Layers(
        one, 2 * np.arange(n, dtype=np.int32), FRONT + depth[1:], depth, depth, one * 0.01
    )


@pytest.mark.parametrize("pdg", [ELECTRON, PHOTON])
@pytest.mark.parametrize("energy", [5.0, 30.0, 200.0])
def test_the_maximum_lies_where_the_logarithm_of_the_energy_says(pdg: int, energy: float) -> None:
    """ln(E / E_c) - 0.5 radiation lengths for electrons, + 0.5 for photons (PDG, section 34.5)."""
    wanted = np.log(energy / CRITICAL_ENERGY) + {ELECTRON: -0.5, PHOTON: 0.5}[pdg]
    rng = np.random.default_rng(2)
    depths = [profile(energy, MAXIMUM[pdg], rng)[0] for _ in range(4000)]
    assert np.exp(np.mean(np.log(depths))) == pytest.approx(wanted, rel=0.01)
    spots = together(many(pdg, energy, 60, fine_layers()))
    profile_found = np.bincount(spots.layer, weights=spots.energy, minlength=400)
    smooth = np.convolve(profile_found, np.ones(15), mode="same")  # 1.5 radiation lengths
    # fluctuations from shower to shower draw the maximum of their mean a little to the front
    assert (np.argmax(smooth) + 0.5) / 10 == pytest.approx(wanted, abs=0.9)


@pytest.mark.parametrize("energy", [10.0, 50.0])
def test_nine_tenths_of_the_energy_are_within_a_moliere_radius(energy: float) -> None:
    spots = together(many(ELECTRON, energy, 100))
    radius = np.hypot(spots.dx, spots.dy)
    inside = spots.energy[radius < MOLIERE_RADIUS].sum() / spots.energy.sum()
    assert inside == pytest.approx(0.9, abs=0.025)
    assert spots.energy[radius < 3.5 * MOLIERE_RADIUS].sum() / spots.energy.sum() > 0.97
    assert 27 < MOLIERE_RADIUS < 29


@pytest.mark.parametrize("energy", [5.0, 40.0])
def test_electrons_show_their_energy_and_fluctuate_as_sampling_says(energy: float) -> None:
    shown = np.array([one.energy.sum() for one in many(ELECTRON, energy, 1500)])
    assert shown.mean() == pytest.approx(energy, rel=0.01)
    assert shown.std() / energy == pytest.approx(SAMPLING / np.sqrt(energy), rel=0.1)


def test_hadrons_interact_after_their_length_and_show_less() -> None:
    """A share of exp(-depth) crosses the electromagnetic section as a mip, one cell a layer."""
    pions, em = many(PION, 40.0, 1500), LAYERS.volume_id == 1
    front = [np.count_nonzero(em[one.layer]) for one in pions]
    crossed = np.mean(np.array(front) == em.sum())
    wanted = np.exp(-LAYERS.interaction[em.sum()])
    assert crossed == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / 1500))
    shown = np.array([one.energy.sum() for one in pions])
    assert 0.7 < shown.mean() / 40 < 0.95
    assert shown.std() / shown.mean() > 2 * SAMPLING / np.sqrt(40)
    mips = np.concatenate([one.energy[:28] for one, n in zip(pions, front, strict=True) if n == 28])
    # of the Moyal distribution, - ln z^2 of a normal z: its median is 0.788 widths above the peak
    assert np.median(mips) / LAYERS.mip[0] == pytest.approx(1 + 0.788 * LANDAU_WIDTH, abs=0.01)


def test_slanted_showers_end_earlier_in_the_layers() -> None:
    rng = np.random.default_rng(3)
    straight = together([shower(PHOTON, 20.0, 1.0, LAYERS, rng) for _ in range(100)])
    slanted = together([shower(PHOTON, 20.0, 0.9, LAYERS, rng) for _ in range(100)])
    depth = LAYERS.radiation[1:]
    means = [np.average(depth[one.layer], weights=one.energy) for one in (straight, slanted)]
    assert means[1] / means[0] == pytest.approx(0.9, abs=0.03)


def test_no_energy_is_lost_between_spots_and_cells() -> None:
    rng = np.random.default_rng(4)
    spots = [shower(pdg, 30.0, 0.95, LAYERS, rng) for pdg in (ELECTRON, PHOTON, PION, PION)]
    axes = rng.normal(0.2, 0.01, (4, 2))
    left = deposits(spots, axes, LAYERS)
    for number, one in enumerate(spots):
        assert left[2][left[1] == number].sum() == pytest.approx(one.energy.sum())
    cells = read_out(left, LAYERS, 0.0, 1e-12, NO_DISC, rng)
    assert cells.energy.sum() == pytest.approx(sum(one.energy.sum() for one in spots))
    cut = read_out(left, LAYERS, 0.0, 1.0, NO_DISC, rng)
    assert (cut.energy > LAYERS.mip[cut.layer]).all()
    assert set(zip(cut.layer, cut.column, cut.row, strict=True)) == {
        place
        for place, energy in zip(
            zip(cells.layer, cells.column, cells.row, strict=True), cells.energy, strict=True
        )
        if energy > LAYERS.mip[place[0]]
    }


def test_a_shared_cell_is_that_of_the_larger_share() -> None:
    def spot(dx: float, energy: float) -> Spots:
        return Spots(np.zeros(1, np.int64), np.array([dx]), np.zeros(1), np.array([energy]))

    axes = np.full((3, 2), 0.2)
    first, second, third = spot(0.0, 1.0), spot(1.0, 1.5), spot(5 * CELL, 0.5)
    left = deposits([together([first, first]), second, third], axes, LAYERS)
    cells = read_out(left, LAYERS, 0.0, 1.0, NO_DISC, np.random.default_rng(0))
    assert cells.shower.tolist() == [0, 2]
    assert cells.energy.tolist() == [3.5, 0.5]
    assert abs(cells.x[0] - 0.2 * LAYERS.z[0]) <= CELL / 2
    left = deposits([first, second, third], axes, LAYERS)
    cells = read_out(left, LAYERS, 0.0, 1.0, NO_DISC, np.random.default_rng(0))
    assert cells.shower.tolist() == [1, 2]


def test_noise_is_the_tail_of_a_gaussian() -> None:
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    rng, disc = np.random.default_rng(5), (400.0, 300.0, 200.0)
    cells = read_out(nothing, LAYERS, 0.2, 0.5, disc, rng)
    area = np.pi * (200 * LAYERS.z / LAYERS.z[0] / CELL) ** 2
    wanted = area.sum() * ndtr(-2.5)
    assert len(cells) == pytest.approx(wanted, abs=5 * np.sqrt(wanted))
    assert (cells.shower == NOISE).all()
    mips = cells.energy / LAYERS.mip[cells.layer]
    assert mips.min() > 0.5
    assert np.mean(mips > 0.6) == pytest.approx(ndtr(-3) / ndtr(-2.5), abs=0.03)
    scale = LAYERS.z[cells.layer] / LAYERS.z[0]
    assert np.hypot(cells.x / scale - 400, cells.y / scale - 300).max() < 200 + CELL


def test_showers_lie_in_a_disc_of_the_density_asked_for() -> None:
    settings = HgcalSettings(showers=200, density=3.0, noise=0.0, min_energy=5.0, max_energy=6.0)
    event = settings.simulator().event(1)
    particles = event.particles
    assert particles is not None
    assert len(particles) == 200
    x, y = (FRONT * (one / particles.pz) for one in (particles.px, particles.py))
    middle = np.array([x.mean(), y.mean()])
    reach = np.hypot(x - middle[0], y - middle[1])
    assert disc_radius(200, 3.0) ** 2 * np.pi / 1e4 == pytest.approx(200 / 3)  # square decimetres
    assert 0.9 < reach.max() / disc_radius(200, 3.0) < 1.2
    energy = np.sqrt(particles.px**2 + particles.py**2 + particles.pz**2)
    assert 5 <= energy.min() <= energy.max() <= 6.001
    assert set(np.abs(particles.particle_type).tolist()) == {ELECTRON, PHOTON, PION}
    assert (particles.q == 0).tolist() == (particles.particle_type == PHOTON).tolist()


def test_weights_are_shares_of_the_energy() -> None:
    event = HgcalSettings().simulator().event(7)
    assert event.truth is not None
    real = event.truth.particle_id != 0
    energy = hit_energies(event)
    assert 0 < np.mean(~real) < 0.3
    np.testing.assert_allclose(
        event.truth.weight, np.where(real, energy, 0) / energy[real].sum(), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"showers": 0}, "showers: 0 is not allowed, at least 1"),
        ({"showers": 5000}, "showers: 5000 is not allowed, at most 1000"),
        ({"hadrons": 1.5}, r"hadrons: 1\.5 is not allowed, at most 1"),
        ({"density": 0.0}, r"density: 0\.0 is not allowed, above 0"),
        ({"density": 0.01}, r"density: 0\.01 is not allowed, 10 showers would need a disc wider"),
        ({"min_energy": 0.5}, r"min_energy: 0\.5 is not allowed, above 1"),
        ({"max_energy": 2.0}, r"max_energy: 2\.0 is not allowed, at least min_energy, 5"),
        ({"threshold": 0.3}, r"threshold: 0\.3 is not allowed, above 0\.4"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(HgcalSettings(), **changes)  # type: ignore[arg-type]
