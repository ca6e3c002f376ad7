"""Modules that run into each other: no two pieces of silicon can be in one place.

A module is a slab with four corners on either face. Two convex bodies are apart if and only if
their shadows are apart along the normal of a face of one, or along the cross product of an edge of
one and an edge of the other (the separating axis theorem).
"""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import SettingsError
from hitgraph.simulate.described.description import Passive
from hitgraph.simulate.described.places import Places

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

TOUCHING = 1e-6  # mm by which modules may overlap
MOST_PAIRS = 20_000_000  # that are compared; the shipped detectors have a twentieth
SAMPLED = 50  # modules of which the pairs are counted beforehand
SAMPLES = 5  # points a side of a module that are held against a passive cylinder


def require_apart(entries: dict[str, tuple[Places, float]], passive: tuple[Passive, ...]) -> None:
    """Raise SettingsError where two modules, or a module and a passive cylinder, overlap.

    `entries` are the modules of each entry and their thickness in mm.
    """
    for first, second in combinations_with_replacement(entries, 2):
        (a, thick_a), (b, thick_b) = entries[first], entries[second]
        i, j = _near(a, b, max(thick_a, thick_b), f"{first}: its modules and those of {second}")
        if first == second:
            i, j = i[i < j], j[i < j]
        hit = _overlapping(_slabs(a, thick_a), _slabs(b, thick_b), i, j)
        if hit.any():
            k = int(np.argmax(hit))
            x, y, z = (a.centre[i[k]] + b.centre[j[k]]) / 2
            raise SettingsError(
                f"{first}: {_name(a, i[k])} and {_name(b, j[k])} of {second} overlap near "
                f"({x:.1f}, {y:.1f}, {z:.1f}) mm ({int(hit.sum())} such pairs): move them apart, "
                "or give them a tilt, a stagger, another overlap or size"
            )
    for number, cylinder in enumerate(passive):
        same = [k for k in range(number) if passive[k].radius == cylinder.radius]
        if same:
            raise SettingsError(
                f"passive[{number}].radius: {cylinder.radius:g} mm is that of passive[{same[0]}]: "
                "two cylinders cannot be in one place; give one with the material of both"
            )
        for where, (places, _) in entries.items():
            through = _crossed(places, cylinder)
            if through.any():
                raise SettingsError(
                    f"passive[{number}].radius: {cylinder.radius:g} mm runs through "
                    f"{_name(places, int(np.argmax(through)))} of {where} ({int(through.sum())} "
                    "such modules): move it away from them"
                )


def _name(places: Places, row: int) -> str:
    return f"module {places.module_id[row]} of layer {places.layer_id[row]}"


def _near(a: Places, b: Places, thickness: float, who: str) -> tuple[Int64, Int64]:
    """Pairs of rows whose modules may touch: spheres around them do.

    Raises SettingsError, beginning with `who`, where there are more than anybody needs.
    """
    from scipy.spatial import cKDTree  # slow to import

    reach = sum(
        float(np.hypot(one.half_sizes[:, :2].max(), one.half_sizes[:, 2].max())) for one in (a, b)
    )
    other = cKDTree(b.centre)
    some = a.centre[:: max(1, len(a.centre) // SAMPLED)]
    near = other.query_ball_point(some, reach + thickness, return_length=True)
    n_pairs = round(float(np.mean(near)) * len(a.centre))
    if n_pairs > MOST_PAIRS:
        raise SettingsError(
            f"{who} stand so densely that about {n_pairs} pairs may touch, at most {MOST_PAIRS} "
            "are compared: take fewer modules, or smaller ones"
        )
    found = cKDTree(a.centre).sparse_distance_matrix(
        other, reach + thickness, output_type="coo_matrix"
    )
    return found.row.astype(np.int64), found.col.astype(np.int64)


def _slabs(places: Places, thickness: float) -> tuple[Float64, Float64, Float64]:
    """Corners (n, 8, 3), face normals (n, 4, 3) and edge directions (n, 4, 3) of modules."""
    low, high, half_v = places.half_sizes.T
    u = np.stack([-low, low, high, -high], axis=1)
    v = np.stack([-half_v, -half_v, half_v, half_v], axis=1)
    face = np.stack([u, v], axis=2)
    w = np.full((*u.shape, 1), thickness / 2)
    local = np.concatenate([np.dstack([face, w]), np.dstack([face, -w])], axis=1)
    turn = places.rotation.transpose(0, 2, 1)
    corners = places.centre[:, None] + local @ turn
    slope, nothing = high - low, np.zeros_like(low)
    edges = np.stack(
        [
            np.stack([slope, 2 * half_v, nothing], axis=1),
            np.stack([-slope, 2 * half_v, nothing], axis=1),
        ],
        axis=1,
    )
    edges /= np.linalg.norm(edges, axis=2, keepdims=True)
    normals = np.stack([edges[:, :, 1], -edges[:, :, 0], edges[:, :, 2]], axis=2)
    straight = np.broadcast_to(np.eye(3)[[0, 2]], (len(low), 2, 3))
    upright = np.broadcast_to(np.eye(3)[[1, 2]], (len(low), 2, 3))
    return (
        corners,
        np.concatenate([upright, normals], axis=1)[:, ::-1] @ turn,
        np.concatenate([straight, edges], axis=1) @ turn,
    )


def _overlapping(
    a: tuple[Float64, Float64, Float64],
    b: tuple[Float64, Float64, Float64],
    i: Int64,
    j: Int64,
) -> NDArray[np.bool_]:
    """(n_pairs,) whether the slabs i of `a` and j of `b` share more than their skin."""
    together = np.arange(len(i))  # pairs that no axis has told apart so far
    axes = [(0, k, None) for k in range(4)] + [(1, k, None) for k in range(4)]
    crossed = [(2, k, m) for k in range(4) for m in range(4)]
    for kind, k, m in [*axes, *crossed]:
        left, right = i[together], j[together]
        if kind < 2:
            axis = a[1][left, k] if kind == 0 else b[1][right, k]
        else:
            axis = np.cross(a[2][left, k], b[2][right, m])
        length = np.linalg.norm(axis, axis=1)
        axis = axis / np.maximum(length, 1e-12)[:, None]
        first = np.einsum("pci,pi->pc", a[0][left], axis)
        second = np.einsum("pci,pi->pc", b[0][right], axis)
        depth = np.minimum(first.max(1), second.max(1)) - np.maximum(first.min(1), second.min(1))
        together = together[(depth > TOUCHING) | (length < 1e-9)]
    result = np.zeros(len(i), np.bool_)
    result[together] = True
    return result


def _crossed(places: Places, cylinder: Passive) -> NDArray[np.bool_]:
    """(n,) whether modules lie on both sides of a cylinder, within its length."""
    t = np.linspace(-1, 1, SAMPLES)
    along_v, along_u = (one.reshape(-1) for one in np.meshgrid(t, t, indexing="ij"))
    low, high, half_v = places.half_sizes.T[:, :, None]
    u = along_u * ((low + high) / 2 + along_v * (high - low) / 2)
    local = np.stack([u, along_v * half_v, np.zeros_like(u)], axis=2)
    points = places.centre[:, None] + local @ places.rotation.transpose(0, 2, 1)
    beside = np.abs(points[:, :, 2]) > cylinder.half_length
    r = np.hypot(points[:, :, 0], points[:, :, 1])
    inside = np.where(beside, np.inf, r).min(axis=1) < cylinder.radius
    outside = np.where(beside, -np.inf, r).max(axis=1) > cylinder.radius
    crossed: NDArray[np.bool_] = inside & outside
    return crossed
