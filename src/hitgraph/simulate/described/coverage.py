"""Gaps: whether the modules of a layer leave any, seen from where particles come from.

In phi, as seen from the beam line, modules can overlap, and there may be no gap. Along the beam
(cylinders) and from ring to ring (disks), as seen from the origin, modules may stand a little
apart: in one row they cannot overlap, and real sensors have edges that do not see anything.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import SettingsError
from hitgraph.simulate.described.description import Cylinders, Disks, Layers, each, one_each
from hitgraph.simulate.described.places import MRAD, along_beam, ring_places

Float64 = NDArray[np.float64]

WIDEST = 0.02  # of a module, a gap that edges of sensors explain


def require_no_gaps(entry: Layers, where: str) -> None:
    """Raise SettingsError, naming the key of `where`, for a layer or ring with a gap."""
    if isinstance(entry, Cylinders) and not entry.allow_gaps:
        keys = (entry.radius, entry.phi_modules, entry.width)
        for radius, n, width in zip(*(one_each(k, entry.radius) for k in keys), strict=True):
            furthest = radius + entry.stagger / 2
            covered = _seen(furthest, width, entry.tilt * MRAD)
            _require(covered, int(n), f"{where}.phi_modules", f"the layer at {radius:g} mm")
        _require_rows(entry, where)
    elif isinstance(entry, Disks) and not entry.allow_gaps:
        sizes = (entry.radius, entry.modules, entry.inner_width, entry.outer_width, entry.length)
        rings = zip(*(one_each(k, entry.radius) for k in sizes), strict=True)
        for radius, n, inner, outer, length in rings:
            covered = min(
                _seen(max(radius - length / 2, 1e-9), inner), _seen(radius + length / 2, outer)
            )
            _require(covered, int(n), f"{where}.modules", f"the ring at {radius:g} mm")
        _require_rings(entry, where)


def _require_rows(entry: Cylinders, where: str) -> None:
    """Along the beam: of lines from the origin to a layer, z / r."""
    keys = (entry.radius, entry.z_modules, entry.length)
    for radius, n, length in zip(*(one_each(k, entry.radius) for k in keys), strict=True):
        r, z = along_beam(entry, radius, int(n), length)
        gap = radius * widest_gap((z - length / 2) / r, (z + length / 2) / r)
        if gap > WIDEST * length:
            raise SettingsError(
                f"{where}.overlap: modules leave gaps of {gap:.3g} mm along the beam in the layer "
                f"at {radius:g} mm, as seen from the origin; the edges of sensors explain "
                f"{WIDEST:.0%} of a module, {WIDEST * length:.3g} mm: move them together, or "
                "allow_gaps: true"
            )


def _require_rings(entry: Disks, where: str) -> None:
    """From ring to ring: of lines from the origin to a disk, r / z."""
    radius, length = (np.array(one_each(key, entry.radius)) for key in (entry.radius, entry.length))
    for z in each(entry.z):
        if z == 0:  # around the origin
            continue
        nearest, furthest = ring_places(entry, z)
        inner, outer = (radius - length / 2) / nearest, (radius + length / 2) / furthest
        gap = abs(z) * widest_gap(inner, outer)
        if gap > WIDEST * length.min():
            raise SettingsError(
                f"{where}.radius: rings leave a gap of {gap:.3g} mm between them in the disk at "
                f"{z:g} mm, as seen from the origin; the edges of sensors explain {WIDEST:.0%} of "
                f"a module, {WIDEST * length.min():.3g} mm: move them together, or allow_gaps: true"
            )


def widest_gap(low: Float64, high: Float64) -> float:
    """The widest gap between intervals from low to high, (n,) each, in any order; 0 without."""
    order = np.argsort(low)
    reached = np.maximum.accumulate(high[order])
    return float(np.maximum(low[order][1:] - reached[:-1], 0.0).max(initial=0.0))


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
