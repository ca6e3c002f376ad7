"""Tracks made by hand: they come from known places on the beam line."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from hitgraph.event.fits import FittedTracks

Maker = Callable[..., FittedTracks]


def _tracks(
    counts: Mapping[float, int], error: float = 0.05, seed: int = 0, spread: bool = True
) -> FittedTracks:
    """`counts[z]` tracks from z mm, in all directions, whose z0 and d0 have this error in mm."""
    random = np.random.default_rng(seed)
    z = np.repeat(np.array(list(counts), np.float64), list(counts.values()))
    n = len(z)
    noise = error * random.normal(size=(2, n)) if spread else np.zeros((2, n))
    slope = random.uniform(-2, 2, n)  # pz / pT
    theta = np.arctan2(1, slope)
    pt = random.uniform(0.5, 3, n)
    charge = random.choice([-1.0, 1.0], n)
    parameters = np.stack(
        [noise[0], z + noise[1], random.uniform(-3, 3, n), theta, charge * np.sin(theta) / pt],
        axis=1,
    )
    covariance = np.tile(np.diag([error**2, error**2, 1e-6, 1e-6, 1e-4]), (n, 1, 1))
    whole = np.arange(1, n + 1)
    return FittedTracks(
        whole, whole + 5, whole + 0.5, 2 * whole, np.full(n, 2.0), parameters, covariance
    )


@pytest.fixture(scope="session")
def tracks_from() -> Maker:
    """`tracks_from({z: n_tracks, ...}, error, seed, spread) -> FittedTracks`."""
    return _tracks
