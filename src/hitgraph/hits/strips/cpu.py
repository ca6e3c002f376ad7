"""Crossings of strips by kernels of the CPU."""

import numpy as np

from hitgraph.kernels.jit import formula, kernel


@kernel
def cross(  # type: ignore[no-untyped-def]
    centre, half, module, other_centre, other_half, other_module, origin, tolerance
):
    """As `plain.cross`, of arrays."""
    n_pairs = 0
    pairs = np.empty((2, 0), np.int64)
    position = np.empty((0, 3), np.float64)
    for fill in (False, True):
        if fill:
            pairs = np.empty((2, n_pairs), np.int64)
            position = np.empty((n_pairs, 3), np.float64)
            n_pairs = 0
        begin = 0
        for i in range(len(module)):
            while begin < len(other_module) and other_module[begin] < module[i]:
                begin += 1
            j = begin
            while j < len(other_module) and other_module[j] == module[i]:
                m = _along(centre[i], half[i], other_centre[j], other_half[j], origin)
                n = _along(other_centre[j], other_half[j], centre[i], half[i], origin)
                if abs(m) <= _limit(half[i], tolerance[i]) and abs(n) <= _limit(
                    other_half[j], tolerance[i]
                ):
                    if fill:
                        pairs[0, n_pairs], pairs[1, n_pairs] = i, j
                        place = min(max(m, -1.0), 1.0)
                        for axis in range(3):
                            position[n_pairs, axis] = centre[i, axis] + place * half[i, axis]
                    n_pairs += 1
                j += 1
    return pairs, position


@formula
def _along(centre, half, other_centre, other_half, origin):  # type: ignore[no-untyped-def]
    """Where a strip meets the plane of the origin and the other, in half lengths."""
    s0, s1, s2 = centre[0] - origin[0], centre[1] - origin[1], centre[2] - origin[2]
    t0, t1, t2 = (
        other_centre[0] - origin[0],
        other_centre[1] - origin[1],
        other_centre[2] - origin[2],
    )
    x = other_half[1] * t2 - other_half[2] * t1
    y = other_half[2] * t0 - other_half[0] * t2
    z = other_half[0] * t1 - other_half[1] * t0
    return -(s0 * x + s1 * y + s2 * z) / (half[0] * x + half[1] * y + half[2] * z)


@formula
def _limit(half, tolerance):  # type: ignore[no-untyped-def]
    return 1.0 + tolerance / np.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
