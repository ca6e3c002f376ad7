"""Particles that fly through cylinders in a constant field, by formulas of their own."""

from dataclasses import dataclass

import numpy as np
import torch

from hitgraph.event.detector import Detector
from hitgraph.event.perigee import true_parameters
from hitgraph.hits import Hits

TESLA = 2.0
RADII = np.array([32.0, 72.0, 116.0, 172.0, 260.0, 360.0, 500.0, 660.0, 820.0])
BEND = 0.299792458e-3 * TESLA  # GeV / mm


@dataclass(frozen=True)
class Particles:
    """Where particles fly, (n, 3) each, and their charges (n,)."""

    place: np.ndarray  # mm
    momentum: np.ndarray  # GeV
    charge: np.ndarray

    def parameters(self) -> np.ndarray:
        return true_parameters(self.place, self.momentum, self.charge, TESLA)

    def flown_to(self, radius: float) -> "Particles":
        """Where they leave a cylinder about the beam line, going forward."""
        pt = np.hypot(*self.momentum[:, :2].T)
        turning = -BEND * self.charge / pt  # rad / mm of path across the beam
        phi = np.arctan2(self.momentum[:, 1], self.momentum[:, 0])

        def at(path: np.ndarray) -> np.ndarray:
            x = (np.sin(phi + turning * path) - np.sin(phi)) / turning
            y = -(np.cos(phi + turning * path) - np.cos(phi)) / turning
            return self.place[:, :2] + np.stack([x, y], axis=1)

        low, high = np.zeros(len(pt)), np.pi / np.abs(turning)  # half a circle at most
        for _ in range(80):  # r grows on the way there
            middle = (low + high) / 2
            inside = np.hypot(*at(middle).T) < radius
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        z = self.place[:, 2] + low * self.momentum[:, 2] / pt
        new = phi + turning * low
        momentum = np.stack([pt * np.cos(new), pt * np.sin(new), self.momentum[:, 2]], axis=1)
        return Particles(np.column_stack([at(low), z]), momentum, self.charge)

    def scattered(self, theta0: np.ndarray, random: np.random.Generator) -> "Particles":
        """Turned by an angle theta0 (n,) rad in each of two directions across the flight."""
        size = np.linalg.norm(self.momentum, axis=1, keepdims=True)
        forward = self.momentum / size
        aside = np.cross([0.0, 0.0, 1.0], forward)
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        up = np.cross(forward, aside)
        one, other = theta0[:, None] * random.normal(size=(2, len(size), 1))
        turned = forward + one * aside + other * up
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        return Particles(self.place, size * turned, self.charge)


def some_particles(n: int, seed: int, low: float = 0.5, high: float = 5.0) -> Particles:
    """Born within a millimetre of the beam line, pT from `low` to `high` GeV, |eta| < 2."""
    random = np.random.default_rng(seed)
    pt, phi = random.uniform(low, high, n), random.uniform(-np.pi, np.pi, n)
    momentum = np.stack(
        [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(random.uniform(-2, 2, n))]
    )
    place = random.normal(size=(n, 3)) * [0.5, 0.5, 50.0]
    return Particles(place, momentum.T, random.choice([-1, 1], n))


def barrel(sigma: float, thickness: float) -> Detector:
    """Modules without number: eight a layer, of which only directions, pitch and material count."""
    layer, place = np.divmod(np.arange(64 * len(RADII)), 64)
    phi = 2 * np.pi * (place + 0.5) / 64 - np.pi
    zero, n = np.zeros(len(phi)), len(phi)
    normal = np.stack([np.cos(phi), np.sin(phi), zero], axis=1)
    along = np.stack([-np.sin(phi), np.cos(phi), zero], axis=1)
    beam = np.broadcast_to([0.0, 0.0, 1.0], normal.shape)
    return Detector(
        volume_id=np.full(n, 8, np.int32),
        layer_id=(2 + 2 * layer).astype(np.int32),
        module_id=(1 + place).astype(np.int32),
        centre=RADII[layer][:, None] * normal,
        rotation=np.stack([along, beam, normal], axis=2),
        half_thickness=np.full(n, thickness),
        min_half_u=np.full(n, 50.0),
        max_half_u=np.full(n, 50.0),
        half_v=np.full(n, 1e4),
        pitch_u=np.full(n, sigma * np.sqrt(12)),
        pitch_v=np.full(n, sigma * np.sqrt(12)),
    )


def hits_at(position: np.ndarray, layer: np.ndarray) -> Hits:
    """Hits without clusters on the modules of `barrel`; positions as exact as they are given."""
    phi = np.arctan2(position[:, 1], position[:, 0])
    module = layer * 64 + np.clip((phi + np.pi) / (2 * np.pi) * 64, 0, 63).astype(int)
    place, where = torch.from_numpy(position), torch.from_numpy(module)
    return Hits(place.float(), place, torch.from_numpy(layer), where, columns=("x", "y", "z"))
