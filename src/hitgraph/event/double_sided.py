"""Which modules are the two sides of one: strips on either, at a small angle."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector

MAX_GAP = 20.0  # mm between the sides; the staves of a large tracker have some 6
MAX_OFFSET = 5.0  # mm between their middles, along the module
PARALLEL = 1e-3  # sine of the angle between their normals, at most
MIN_STEREO = 1e-3  # sine of the angle between their strips, at least: parallel ones do not cross

NO_SIDE = -1


@lru_cache(maxsize=4)  # the events of a folder share their detector
def other_sides(detector: Detector) -> NDArray[np.int64]:
    """(n_modules,) row of the module on the other side of each, NO_SIDE for single ones.

    Two modules of a layer are sides of one where they lie on one another within MAX_GAP, with
    strips at an angle; both have to be each other's nearest. Numbers of modules play no role.
    """
    from scipy.spatial import cKDTree  # slow to import, and seldom needed

    side = np.full(detector.n_modules, NO_SIDE, np.int64)
    pairs = cKDTree(detector.centre).query_pairs(MAX_GAP + MAX_OFFSET, output_type="ndarray")
    one, other = pairs.T.astype(np.int64)
    keep = detector.layer[one] == detector.layer[other]
    one, other = one[keep], other[keep]
    away = detector.centre[other] - detector.centre[one]
    axes = detector.rotation[one]
    across = np.cross(axes[:, :, 2], detector.rotation[other][:, :, 2])
    stereo = np.cross(axes[:, :, 1], detector.rotation[other][:, :, 1])
    u, v, w = np.einsum("nij,ni->jn", axes, away)
    fits = (np.abs(w) <= MAX_GAP) & (np.hypot(u, v) <= MAX_OFFSET)
    fits &= np.linalg.norm(across, axis=1) <= PARALLEL
    fits &= np.linalg.norm(stereo, axis=1) >= MIN_STEREO
    near = np.flatnonzero(fits)[np.argsort(np.linalg.norm(away[fits], axis=1), kind="stable")]
    for a, b in zip(one[near].tolist(), other[near].tolist(), strict=True):
        if side[a] == NO_SIDE and side[b] == NO_SIDE:
            side[a], side[b] = b, a
    return side
