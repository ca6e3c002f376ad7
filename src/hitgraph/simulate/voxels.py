"""Which modules are near a point: a grid of cubes, each with the list of the modules around it."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SIZE = 20.0  # mm, an edge of a cube, where that does not make more cubes than MOST
MOST = 4e6


class Voxels:
    """The modules of a detector by place."""

    def __init__(self, detector: Detector, reach: float) -> None:
        """`reach` in mm: a cube lists the modules that are no further from any point in it."""
        from scipy.ndimage import distance_transform_cdt  # slow to import

        half = np.stack(
            [detector.max_half_u, detector.half_v, np.zeros(detector.n_modules)], axis=1
        )
        extent = np.einsum("nij,nj->ni", np.abs(detector.rotation), half) + reach
        low, high = (detector.centre - extent).min(axis=0), (detector.centre + extent).max(axis=0)
        self._low = low
        self._size = max(SIZE, float(np.cbrt(np.prod(high - low) / MOST)))
        self._shape = np.floor((high - low) / self._size).astype(np.int64) + 1
        first, last = self._cube(detector.centre - extent), self._cube(detector.centre + extent)
        cube, module = self._filled(detector, first, last, reach)
        order = np.argsort(cube, kind="stable")
        self._module = module[order]
        self._start = np.concatenate(
            [[0], np.cumsum(np.bincount(cube, minlength=int(np.prod(self._shape))))]
        )
        empty = (np.diff(self._start) == 0).reshape(self._shape)
        away = distance_transform_cdt(empty, metric="chessboard").reshape(-1)
        # From anywhere in a cube that many cubes away from the next filled one, in any direction.
        self._free = np.maximum(away - 1, 0) * self._size

    def free_path(self, points: Float64) -> Float64:
        """(n,) mm that can be gone from `points` (n, 3) without coming near a module."""
        cube = self._cube(points)
        inside = ((cube >= 0) & (cube < self._shape)).all(axis=1)
        beyond = np.maximum(self._low - points, points - (self._low + self._shape * self._size))
        free: Float64 = np.maximum(beyond.max(axis=1), 0.0)
        free[inside] = self._free[self._flat(cube[inside])]
        return free

    def near(self, points: Float64) -> tuple[Int64, Int64]:
        """Rows of `points` (n, 3) and modules within reach of them, one pair after the other."""
        cube = self._cube(points)
        rows = np.flatnonzero(((cube >= 0) & (cube < self._shape)).all(axis=1))
        flat = self._flat(cube[rows])
        begin, count = self._start[flat], self._start[flat + 1] - self._start[flat]
        return np.repeat(rows, count), self._module[_ranges(begin, count)]

    def _cube(self, points: Float64) -> Int64:
        cube: Int64 = np.floor((points - self._low) / self._size).astype(np.int64)
        return cube

    def _flat(self, cube: Int64) -> Int64:
        _, ny, nz = self._shape.tolist()
        flat: Int64 = (cube[:, 0] * ny + cube[:, 1]) * nz + cube[:, 2]
        return flat

    def _filled(
        self, detector: Detector, first: Int64, last: Int64, reach: float
    ) -> tuple[Int64, Int64]:
        """The cubes from `first` to `last` (n_modules, 3) that are near the plane of the module."""
        n = last - first + 1
        count = np.prod(n, axis=1)
        module = np.repeat(np.arange(len(n)), count)
        index = _ranges(np.zeros(len(n), np.int64), count)
        steps = np.stack(
            [
                index // (n[module, 1] * n[module, 2]),
                index // n[module, 2] % n[module, 1],
                index % n[module, 2],
            ],
            axis=1,
        )
        cube = first[module] + steps
        middle = self._low + (cube + 0.5) * self._size
        normal = detector.rotation[module][:, :, 2]
        height = np.abs(np.einsum("ni,ni->n", normal, middle - detector.centre[module]))
        near = height <= np.abs(normal).sum(axis=1) * self._size / 2 + reach
        return self._flat(cube[near]), module[near]


def _ranges(begin: Int64, count: Int64) -> Int64:
    """begin[0], begin[0] + 1, ... `count[0]` of them, then those of the next range."""
    skipped = np.cumsum(count) - count - begin
    return np.arange(int(count.sum())) - np.repeat(skipped, count)
