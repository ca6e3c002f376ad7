"""Showers as spots of energy, in the way of GFLASH (G. Grindhammer, S. Peters, hep-ex/0001020).

Electromagnetic ones follow the parameterisation of that paper for homogeneous media (appendix A.1,
all constants), with depths in radiation lengths, radii in Moliere radii and its fluctuations and
correlation of ln T and ln alpha. The mean depth T of the maximum is that of the Particle Data
Group, ln(E / E_c) - 0.5 for electrons and + 0.5 for photons, where the paper has - 0.812. Not taken
from it: the changes for sampling calorimeters (A.2), and the number and the own profile of
spots (A.1.4), instead of which a spot is as large as the sampling asks for.

A charged hadron is a mip until its first interaction. Then a share of its energy goes into one
electromagnetic shower, 1 - (E / GeV)^(m - 1) on average with m = 0.82 (D. Groom, NIM A 572 (2007)
633, where m is 0.80 to 0.87), the rest into the hadronic part of R. K. Bock et al., NIM 186 (1981)
533: a gamma distribution in interaction lengths. That paper's share, 0.54 at all energies, and its
electromagnetic part are not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.simulate.worlds.hgcal.geometry import (
    CRITICAL_ENERGY,
    EFFECTIVE_Z,
    INTERACTION_LENGTH,
    MOLIERE_RADIUS,
    Float64,
    Layers,
)

ELECTRON, PHOTON, PION = 11, 22, 211  # PDG codes

MAXIMUM = {ELECTRON: -0.5, PHOTON: 0.5}  # radiation lengths, of the maximum behind ln(E / E_c)
SAMPLING = 0.2  # GeV^1/2, sigma(E) / E = SAMPLING / sqrt(E), of electromagnetic showers
HADRONIC_SAMPLING = 0.5  # GeV^1/2, of the rest of hadronic ones
HADRONIC_RESPONSE = 0.7  # what that rest shows of its energy: h / e
HADRONIC_RADIUS = 0.2 * INTERACTION_LENGTH  # mm, holds half of it; 95 % are within 0.9 lengths
FRACTION_SPREAD = 0.12  # standard deviation of the electromagnetic share
LANDAU_WIDTH = 0.1  # of a mip's signal, of the most probable one
WIDEST = 5.0  # Moliere radii (or HADRONIC_RADIUS), where radial profiles are cut off
LEAST_LOG = 3.0  # ln(E / E_c) below 0.2 GeV, where the formulas end


@dataclass(frozen=True, eq=False)
class Spots:
    """Where energy is left, one row a spot."""

    layer: NDArray[np.int64]  # (n_spots,) from 0
    dx: Float64  # (n_spots,) mm, off the axis of the shower
    dy: Float64  # (n_spots,)
    energy: Float64  # (n_spots,) GeV, as electrons would show it


def shower(
    pdg: int, energy: float, cosine: float, layers: Layers, rng: np.random.Generator
) -> Spots:
    """The spots of a particle of `energy` in GeV, `cosine` being that of its angle to the beam.

    What leaks out behind the last layer is left out.
    """
    if pdg in MAXIMUM:
        return electromagnetic(energy, MAXIMUM[pdg], 0.0, cosine, layers, rng)
    return hadronic(energy, cosine, layers, rng)


def electromagnetic(
    energy: float,
    maximum: float,
    start: float,
    cosine: float,
    layers: Layers,
    rng: np.random.Generator,
) -> Spots:
    """A shower that begins at the depth `start`, in radiation lengths along its axis."""
    top, alpha = profile(energy, maximum, rng)
    spots = _energies(energy, SAMPLING, rng)
    depth = rng.gamma(alpha, top / (alpha - 1), len(spots))
    usual = mean_shape(energy)
    tau = depth / top * (1 - 1 / alpha) / (1 - 1 / usual)
    radius = MOLIERE_RADIUS * radii(tau, energy, rng)
    layer = _layer_at((start + depth) * cosine, layers.radiation)
    return _spread(layer, radius, spots, len(layers), rng)


def profile(energy: float, maximum: float, rng: np.random.Generator) -> tuple[float, float]:
    """Depth T of the maximum in radiation lengths and shape alpha of one shower.

    hep-ex/0001020, appendix A.1.2, but for the mean of T.
    """
    log = _log(energy)
    first, second = rng.standard_normal(2)
    correlation = 0.705 - 0.023 * log
    second = correlation * first + np.sqrt(1 - correlation**2) * second
    top = np.log(log + maximum) + first / (-1.4 + 1.26 * log)
    alpha = np.log(mean_shape(energy)) + second / (-0.58 + 0.86 * log)
    return float(np.exp(top)), float(max(np.exp(alpha), 1.1))


def mean_shape(energy: float) -> float:
    """exp of the mean of ln alpha: hep-ex/0001020, appendix A.1.2."""
    return float(0.81 + (0.458 + 2.26 / EFFECTIVE_Z) * _log(energy))


def radii(tau: Float64, energy: float, rng: np.random.Generator) -> Float64:
    """(n_spots,) distances from the axis in Moliere radii, at depths tau (n_spots,) over T.

    A core and a tail, each of the density 2 r R^2 / (r^2 + R^2)^2: hep-ex/0001020, appendix A.1.3.
    Depths of a shower that fluctuates are over its centre of gravity, scaled to the usual T there.
    """
    log, z = np.log(energy), EFFECTIVE_Z
    core = 0.0251 + 0.00319 * log + (0.1162 - 0.000381 * z) * tau
    tail = (0.659 - 0.00309 * z) * (
        np.exp(-2.59 * (tau - 0.645)) + np.exp((0.3585 + 0.0421 * log) * (tau - 0.645))
    )
    far = (0.401 + 0.00187 * z - tau) / (1.313 - 0.0686 * log)
    share = np.clip((2.632 - 0.00094 * z) * np.exp(far - np.exp(far)), 0.0, 1.0)
    scale = np.where(rng.random(len(tau)) < share, core, tail)
    return _radii(scale, WIDEST, rng)


def hadronic(energy: float, cosine: float, layers: Layers, rng: np.random.Generator) -> Spots:
    """A charged hadron: a mip, and from its first interaction on two showers."""
    first = rng.exponential() * cosine  # interaction lengths along the beam
    crossed = np.flatnonzero(layers.interaction[1:] < first)
    signal = 1 - LANDAU_WIDTH * np.log(rng.standard_normal(len(crossed)) ** 2)
    none = np.zeros(len(crossed))
    track = Spots(crossed, none, none, layers.mip[crossed] * signal / cosine)
    if first >= layers.interaction[-1]:
        return track
    start = float(np.interp(first, layers.interaction, layers.radiation)) / cosine
    share = float(np.clip(rng.normal(1 - energy ** (0.82 - 1), FRACTION_SPREAD), 0.05, 0.95))
    core = electromagnetic(share * energy, MAXIMUM[PHOTON], start, cosine, layers, rng)
    spots = _energies((1 - share) * energy * HADRONIC_RESPONSE, HADRONIC_SAMPLING, rng)
    log = np.log(energy)
    depth = rng.gamma(0.6165 + 0.3183 * log, 1 / (0.9099 - 0.0237 * log), len(spots))
    layer = _layer_at(first + depth * cosine, layers.interaction)
    widest = WIDEST * HADRONIC_RADIUS
    radius = _radii(np.full(len(spots), HADRONIC_RADIUS), widest, rng)
    return together([track, core, _spread(layer, radius, spots, len(layers), rng)])


def _log(energy: float) -> float:
    """ln(E / E_c), where the formulas begin at least."""
    return max(float(np.log(energy / CRITICAL_ENERGY)), LEAST_LOG)


def together(parts: Sequence[Spots]) -> Spots:
    """All spots, one part after the other."""
    names = ("layer", "dx", "dy", "energy")
    return Spots(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _energies(energy: float, sampling: float, rng: np.random.Generator) -> Float64:
    """Exponential ones, so many that their sum is `energy` on average, spread as asked for."""
    mean = sampling**2 / 2
    return rng.exponential(mean, rng.poisson(energy / mean))


def _radii(scale: Float64, widest: float, rng: np.random.Generator) -> Float64:
    """Of the density 2 r R^2 / (r^2 + R^2)^2, R being `scale`, cut off at `widest`."""
    below = rng.random(len(scale)) * widest**2 / (widest**2 + scale**2)
    return np.asarray(scale * np.sqrt(below / (1 - below)))


def _layer_at(depth: Float64, edges: Float64) -> NDArray[np.int64]:
    """The layer behind the absorber at each depth; the number of layers behind all of them."""
    return np.searchsorted(edges[1:], depth, side="left").astype(np.int64)


def _spread(
    layer: NDArray[np.int64],
    radius: Float64,
    energy: Float64,
    n_layers: int,
    rng: np.random.Generator,
) -> Spots:
    angle = rng.uniform(-np.pi, np.pi, len(layer))
    dx, dy, inside = radius * np.cos(angle), radius * np.sin(angle), layer < n_layers
    return Spots(layer[inside], dx[inside], dy[inside], energy[inside])
