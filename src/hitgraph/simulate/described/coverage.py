"""Gaps in phi: whether the modules around a layer leave none, seen from the beam line."""

import math

import numpy as np

from hitgraph.errors import SettingsError
from hitgraph.simulate.described.description import Cylinders, Disks, Layers, one_each
from hitgraph.simulate.described.places import MRAD


def require_no_gaps(entry: Layers, where: str) -> None:
    """Raise SettingsError, naming the key of `where`, for a layer or ring with a gap in phi."""
    if isinstance(entry, Cylinders) and not entry.allow_gaps:
        keys = (entry.radius, entry.phi_modules, entry.width)
        for radius, n, width in zip(*(one_each(k, entry.radius) for k in keys), strict=True):
            furthest = radius + entry.stagger / 2
            covered = _seen(furthest, width, entry.tilt * MRAD)
            _require(covered, int(n), f"{where}.phi_modules", f"the layer at {radius:g} mm")
    elif isinstance(entry, Disks) and not entry.allow_gaps:
        sizes = (entry.radius, entry.modules, entry.inner_width, entry.outer_width, entry.length)
        rings = zip(*(one_each(k, entry.radius) for k in sizes), strict=True)
        for radius, n, inner, outer, length in rings:
            covered = min(
                _seen(max(radius - length / 2, 1e-9), inner), _seen(radius + length / 2, outer)
            )
            _require(covered, int(n), f"{where}.modules", f"the ring at {radius:g} mm")


def _seen(radius: float, width: float, tilt: float = 0.0) -> float:
    """The angle in rad under which a module of this width appears from the beam line."""
    across, along = width / 2 * math.cos(tilt), width / 2 * math.sin(tilt)
    return float(sum(np.arctan2(across, radius + side * along) for side in (-1.0, 1.0)))


def _require(covered: float, n: int, key: str, what: str) -> None:
    gap = 2 * math.pi / n - covered
    if n * gap > 1e-9:
        raise SettingsError(
            f"{key}: {n} modules leave gaps of {1e3 * gap:.3g} mrad in phi in {what}: at least "
            f"{math.ceil(2 * math.pi / covered)} are needed, or wider ones, or allow_gaps: true"
        )
