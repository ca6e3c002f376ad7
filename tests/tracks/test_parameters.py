"""The helix fit: exact helices come back, errors are what they say, what turns with the event."""

import numpy as np
import pytest
import torch
from tests.tracks.helices import RADII, TESLA, Particles, barrel, hits_at, some_particles

from hitgraph.event.field import CURVATURE, constant
from hitgraph.tracks.parameters import Fit, fit_tracks
from hitgraph.tracks.parameters.measured import RADIATION_LENGTH, FitSettings, Modules

CPU = torch.device("cpu")
NO_PIPE = FitSettings(iterations=6, pipe=0.0)


def flown(particles: Particles, theta0: float = 0.0, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Positions, layer and particle of their hits; theta0 rad GeV scatters them at each layer."""
    random = np.random.default_rng(seed)
    n, positions = len(particles.charge), []
    for radius in RADII:
        particles = particles.flown_to(radius)
        positions.append(particles.place)
        if theta0:
            p = np.linalg.norm(particles.momentum, axis=1)
            straight = np.abs((particles.momentum * particles.place)[:, :2].sum(1)) / p / radius
            particles = particles.scattered(highland(theta0 / straight, p), random)
    layer = np.repeat(np.arange(len(RADII)), n)
    return np.concatenate(positions), layer, np.tile(np.arange(n), len(RADII))


def highland(lengths: np.ndarray, p: np.ndarray) -> np.ndarray:
    """rad, by the formula of the Particle Data Group for a pion."""
    beta = p / np.hypot(p, 0.13957)
    return 0.0136 / (beta * p) * np.sqrt(lengths) * (1 + 0.038 * np.log(lengths))


def fitted(
    position: np.ndarray,
    layer: np.ndarray,
    track: np.ndarray,
    sigma: float = 0.01,
    lengths: float = 1e-12,
) -> Fit:
    modules = Modules.of(barrel(sigma, lengths * RADIATION_LENGTH), 0.0, CPU)
    labels = torch.from_numpy(track)
    return fit_tracks(hits_at(position, layer), labels, constant(TESLA), modules, NO_PIPE)


def difference(fit: Fit, true: np.ndarray) -> np.ndarray:
    found = fit.parameters.numpy() - true
    found[:, 2] = np.arctan2(np.sin(found[:, 2]), np.cos(found[:, 2]))
    return found


def test_exact_helices_come_back() -> None:
    """In a constant field, without material: to the digits that positions in mm have."""
    particles = some_particles(200, seed=1)
    fit = fitted(*flown(particles))
    off = np.abs(difference(fit, particles.parameters())).max(axis=0)
    assert (off < [1e-7, 1e-7, 1e-9, 1e-9, 1e-9]).all(), off
    assert float(fit.chi2.max()) < 1e-6
    assert (fit.ndf == 2 * len(RADII) - 5).all()


def test_the_order_of_hits_does_not_matter() -> None:
    position, layer, track = flown(some_particles(20, seed=2))
    order = np.random.default_rng(0).permutation(len(track))
    one, other = fitted(position, layer, track), fitted(position[order], layer[order], track[order])
    torch.testing.assert_close(one.parameters, other.parameters, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(one.pull[order], other.pull, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("lengths", [1e-12, 0.02], ids=["noise", "noise and scattering"])
def test_errors_are_as_large_as_they_say(lengths: float) -> None:
    """Hits smeared by a known width, particles scattered in known material: pulls of width one."""
    sigma, n = 0.03, 1500
    particles = some_particles(n, seed=3)
    position, layer, track = flown(particles, lengths if lengths > 1e-6 else 0.0)
    random = np.random.default_rng(4)
    phi = np.arctan2(position[:, 1], position[:, 0])
    aside = np.stack([-np.sin(phi), np.cos(phi), 0 * phi], axis=1)
    position = position + sigma * random.normal(size=(len(phi), 1)) * aside
    position[:, 2] += sigma * random.normal(size=len(phi))
    fit = fitted(position, layer, track, sigma, lengths)
    off = difference(fit, particles.parameters())
    pull = off / np.sqrt(np.einsum("nii->ni", fit.covariance.numpy()))
    np.testing.assert_allclose(pull.std(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(pull.mean(axis=0), 0, atol=0.15)
    # All five together, with their correlations, follow chi2 of five degrees of freedom.
    together = np.einsum("ni,nij,nj->n", off, np.linalg.inv(fit.covariance.numpy()), off)
    assert together.mean() == pytest.approx(5, abs=0.5)
    assert float((fit.chi2 / fit.ndf).mean()) == pytest.approx(1, abs=0.05)


def test_turning_the_event_turns_phi_alone() -> None:
    position, layer, track = flown(some_particles(50, seed=5), 0.02)
    eighth = np.pi / 4  # the modules look the same behind it
    turn = np.array([[np.cos(eighth), -np.sin(eighth), 0], [np.sin(eighth), np.cos(eighth), 0]])
    turned = position @ np.vstack([turn, [0, 0, 1]]).T
    one, other = (
        fitted(position, layer, track, lengths=0.02),
        fitted(turned, layer, track, lengths=0.02),
    )
    wanted = one.parameters.numpy() + np.array([0, 0, eighth, 0, 0])
    np.testing.assert_allclose(difference(other, wanted), 0, atol=1e-8)
    torch.testing.assert_close(one.covariance, other.covariance, rtol=1e-6, atol=1e-12)
    # steep ones amplify rounding: one in 1e13 of the first guess becomes one in 1e6
    torch.testing.assert_close(one.chi2, other.chi2, rtol=1e-5, atol=1e-9)


def test_a_mirror_turns_the_charge_around() -> None:
    """Seen in a mirror along the beam, charge, d0 and phi change sign."""
    position, layer, track = flown(some_particles(50, seed=6), 0.02)
    one, other = (
        fitted(position * [1, sign, 1], layer, track, lengths=0.02) for sign in (1.0, -1.0)
    )
    signs = np.array([-1.0, 1, -1, 1, -1])
    np.testing.assert_allclose(difference(other, signs * one.parameters.numpy()), 0, atol=1e-8)
    mirrored = one.covariance.numpy() * signs[:, None] * signs
    np.testing.assert_allclose(other.covariance.numpy(), mirrored, rtol=1e-6, atol=1e-12)


def test_short_tracks_have_numbers_and_no_degrees_of_freedom() -> None:
    position, layer, track = flown(some_particles(3, seed=7))
    kept = layer < track  # no hit of track 0, one of track 1, two of track 2
    fit = fitted(position[kept], layer[kept], track[kept] - 1)
    assert fit.ndf.tolist() == [-3, -1]
    for one in fit:
        assert torch.isfinite(one).all()


def test_no_track_no_parameters() -> None:
    position, layer, track = flown(some_particles(1, seed=8))
    fit = fitted(position, layer, np.full_like(track, -1))
    assert (len(fit.parameters), len(fit.covariance), len(fit.chi2)) == (0, 0, 0)
    assert len(fit.pull) == len(position)


def test_a_field_that_is_not_there_bends_nothing() -> None:
    """Without a field q/p is not known, and its error says so."""
    particles = some_particles(5, seed=9, low=1e6, high=2e6)
    position, layer, track = flown(particles)
    modules = Modules.of(barrel(0.01, 1e-12), 0.0, CPU)
    labels = torch.from_numpy(track)
    fit = fit_tracks(hits_at(position, layer), labels, constant(0.0), modules, NO_PIPE)
    assert CURVATURE > 0
    assert (fit.covariance[:, 4, 4].sqrt() > 0.5).all()
    np.testing.assert_allclose(difference(fit, particles.parameters())[:, :4], 0, atol=1e-3)
