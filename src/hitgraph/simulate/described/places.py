"""Where the modules of an entry of a description stand: arrays, one row a module."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitgraph.simulate.described.description import (
    AXES,
    Cylinders,
    Disks,
    Layers,
    Planes,
    each,
    one_each,
)

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
MRAD = 1e-3


@dataclass(frozen=True, eq=False)
class Places:
    """Modules of one entry, sides of a layer not yet told apart. `rotation` has columns u, v, w."""

    volume_id: Int32  # (n,)
    layer_id: Int32  # (n,) from 1
    module_id: Int32  # (n,) from 0
    centre: Float64  # (n, 3) mm
    rotation: Float64  # (n, 3, 3)
    half_sizes: Float64  # (n, 3) mm, along u at -v, along u at +v, along v


def concatenate(parts: list[Places]) -> Places:
    """All modules of all parts."""
    return Places(
        *(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Places))
    )


def places_of(entry: Layers) -> Places:
    """The modules of an entry, both sides of double-sided layers."""
    if isinstance(entry, Cylinders):
        layers = _cylinders(entry)
    elif isinstance(entry, Disks):
        layers = _disks(entry)
    else:
        assert isinstance(entry, Planes)
        layers = _planes(entry)
    both = concatenate(layers)
    return _two_sided(both, entry) if entry.gap > 0 else both


def _cylinders(entry: Cylinders) -> list[Places]:
    layers = []
    keys = (entry.radius, entry.phi_modules, entry.z_modules, entry.width, entry.length)
    rows = zip(*(one_each(key, entry.radius) for key in keys), strict=True)
    for layer, (radius, n_phi, n_z, width, length) in enumerate(rows, start=1):
        k, j = (index.reshape(-1) for index in np.indices((int(n_phi), int(n_z))))
        outward, along_phi, along_z = _around(2 * np.pi * k / n_phi)
        r, z = along_beam(entry, radius, int(n_z), length)
        centre = r[j, None] * outward + z[j, None] * along_z
        rotation = _turned(np.stack([along_phi, along_z, outward], axis=2), entry.tilt * MRAD)
        half = (width / 2, width / 2, length / 2)
        layers.append(_layer(entry.volume, layer, centre, rotation, half))
    return layers


def along_beam(entry: Cylinders, radius: float, n: int, length: float) -> tuple[Float64, Float64]:
    """Radius and z, (n,) mm each, of the modules of a layer that follow each other along it."""
    j = np.arange(n, dtype=np.float64)
    z: Float64 = (j - (n - 1) / 2) * (length - entry.overlap)
    r: Float64 = radius + entry.stagger * (0.5 - j % 2)
    return r, z


def ring_places(entry: Disks, z: float) -> tuple[Float64, Float64]:
    """(n_rings,) mm each: distance from the origin, along the beam, of the nearest modules of a
    ring and of its furthest, in the disk at z."""
    middle = abs(z) + np.array(one_each(entry.offset, entry.radius))
    return middle - abs(entry.stagger) / 2, middle + abs(entry.stagger) / 2


def _disks(entry: Disks) -> list[Places]:
    sides = [(entry.volume, 1.0)] + ([] if entry.mirror is None else [(entry.mirror, -1.0)])
    keys = (
        entry.radius,
        entry.modules,
        entry.inner_width,
        entry.outer_width,
        entry.length,
        entry.offset,
    )
    rings = list(zip(*(one_each(key, entry.radius) for key in keys), strict=True))
    layers = []
    for volume, side in sides:
        for layer, z in enumerate(each(entry.z), start=1):
            parts, halves = [], []
            for radius, n, inner, outer, length, offset in rings:
                k = np.arange(int(n))
                outward, along_phi, along_z = _around(2 * np.pi * k / n)
                place = abs(z) + offset + entry.stagger * (0.5 - k % 2)
                place *= side * (1.0 if z >= 0 else -1.0)
                centre = radius * outward + place[:, None] * along_z
                parts.append((centre, np.stack([along_phi, outward, -along_z], axis=2)))
                halves.append(np.tile((inner / 2, outer / 2, length / 2), (int(n), 1)))
            centre, rotation = (np.concatenate(one) for one in zip(*parts, strict=True))
            layers.append(_layer(volume, layer, centre, rotation, np.concatenate(halves)))
    return layers


def _planes(entry: Planes) -> list[Places]:
    axis = AXES.index(entry.axis)
    axes = np.roll(np.eye(3), -(axis + 1), axis=1)  # the last column, w, is the axis
    rotation = _turned(axes[None], entry.tilt * MRAD)
    keys = (entry.position, entry.width, entry.length)
    rows = zip(*(one_each(key, entry.position) for key in keys), strict=True)
    return [
        _layer(
            entry.volume,
            layer,
            place * axes[None, :, 2],
            rotation,
            (width / 2, width / 2, length / 2),
        )
        for layer, (place, width, length) in enumerate(rows, start=1)
    ]


def _around(phi: Float64) -> tuple[Float64, Float64, Float64]:
    """(n, 3) unit vectors away from the beam, along phi and along the beam."""
    cosine, sine, nothing = np.cos(phi), np.sin(phi), np.zeros_like(phi)
    return (
        np.stack([cosine, sine, nothing], axis=1),
        np.stack([-sine, cosine, nothing], axis=1),
        np.stack([nothing, nothing, nothing + 1], axis=1),
    )


def _turned(rotation: Float64, angle: float) -> Float64:
    """Modules turned about v, u towards w."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turned: Float64 = rotation @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    return turned


def _layer(
    volume: int, layer: int, centre: Float64, rotation: Float64, half_sizes: ArrayLike
) -> Places:
    n = len(centre)
    return Places(
        volume_id=np.full(n, volume, np.int32),
        layer_id=np.full(n, layer, np.int32),
        module_id=np.arange(n, dtype=np.int32),
        centre=centre,
        rotation=rotation,
        half_sizes=np.broadcast_to(np.asarray(half_sizes, np.float64), (n, 3)),
    )


def _two_sided(one: Places, entry: Layers) -> Places:
    """Modules 2k on the axial side, nearer to the origin, 2k + 1 on the turned one."""
    normal = one.rotation[:, :, 2]
    away = np.where(np.einsum("ni,ni->n", normal, one.centre) < 0, -1.0, 1.0)
    shift = (entry.gap / 2 * away)[:, None] * normal
    cosine, sine = np.cos(entry.stereo * MRAD), np.sin(entry.stereo * MRAD)
    stereo = one.rotation @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])

    def side(number: int, centre: Float64, rotation: Float64) -> Places:
        return Places(
            one.volume_id,
            one.layer_id,
            2 * one.module_id + number,
            centre,
            rotation,
            one.half_sizes,
        )

    axial = side(0, one.centre - shift, one.rotation)
    return concatenate([axial, side(1, one.centre + shift, stereo)])
