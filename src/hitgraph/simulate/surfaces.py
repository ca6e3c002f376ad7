"""The surfaces of a detector, its modules and passive cylinders, and where paths meet them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.field import Reach
from hitgraph.simulate.bending import between
from hitgraph.simulate.matter import Tube
from hitgraph.simulate.voxels import Voxels

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

STEP = 20.0  # mm, the longest step in which modules are looked for
REACH = 0.55 * STEP  # mm around its middle
NEWTON = 4  # iterations to the place where a path meets a surface
EDGE = 1e-9  # mm by which a crossing may lie beside its module: rounding
MIN_COSINE = 0.05  # between path and normal: flatter paths count as this flat
NOWHERE = -1


def world_of(detector: Detector) -> Reach:
    """The cylinder around the origin that holds all modules, however they are turned."""
    half = np.hypot(detector.max_half_u, detector.half_v) + STEP
    r = np.hypot(detector.centre[:, 0], detector.centre[:, 1])
    z = float((np.abs(detector.centre[:, 2]) + half).max())
    return Reach(float((r + half).max()), -z, z)


class Path(NamedTuple):
    """One step of n particles, from one end to the other."""

    start: Float64  # (n, 3) mm
    first: Float64  # (n, 3) unit direction there
    end: Float64  # (n, 3) mm
    last: Float64  # (n, 3)
    length: Float64  # (n,) mm

    def of(self, rows: Int64) -> "Path":
        return Path(*(values[rows] for values in self))

    def at(self, fraction: Float64) -> Float64:
        """(n, 3) the point a fraction (n,) of the way on."""
        return between((self.start, self.first), (self.end, self.last), self.length, fraction)


class Surfaces:
    """Modules, numbered as in their table, and behind them the tubes."""

    def __init__(self, detector: Detector, tubes: tuple[Tube, ...]) -> None:
        self._detector, self._tubes = detector, tubes
        self._normal = np.ascontiguousarray(detector.rotation[:, :, 2])
        self._depth = np.einsum("ni,ni->n", self._normal, detector.centre)
        self._voxels = Voxels(detector, REACH)
        self.n_modules = detector.n_modules

    def free_path(self, position: Float64) -> Float64:
        """(n,) mm that can be gone from there without a look for modules."""
        return self._voxels.free_path(position)

    def first_met(self, path: Path, leaving: Int64) -> tuple[Int64, Int64, Float64]:
        """Rows of paths that meet a surface, the first one, and the fraction of the way to it.

        `leaving` (n,) are the surfaces on which the paths start, or NOWHERE.
        """
        found = [self._modules_met(path, leaving), *self._tubes_met(path, leaving)]
        row, surface, fraction = (np.concatenate(one) for one in zip(*found, strict=True))
        order = np.lexsort((surface, fraction, row))
        row, surface, fraction = row[order], surface[order], fraction[order]
        first = np.diff(row, prepend=-1) > 0
        return row[first], surface[first], fraction[first]

    def onto(self, place: Float64, direction: Float64, surface: Int64) -> tuple[Float64, Float64]:
        """Places (n, 3) moved along their directions (n, 3) onto the modules that they meet.

        Also (n,) cosines of the angle between path and normal. Tubes stay where they are met.
        """
        normal = place * (1.0, 1.0, 0.0)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        rows = np.flatnonzero(surface < self.n_modules)
        module = surface[rows]
        normal[rows] = self._normal[module]
        cosine = np.einsum("ni,ni->n", normal, direction)
        off = np.einsum("ni,ni->n", normal[rows], place[rows]) - self._depth[module]
        moved = place.copy()
        moved[rows] -= (off / cosine[rows])[:, None] * direction[rows]
        return moved, np.maximum(np.abs(cosine), MIN_COSINE)

    def _modules_met(self, path: Path, leaving: Int64) -> tuple[Int64, Int64, Float64]:
        short = np.flatnonzero(path.length <= STEP)
        row, module = self._voxels.near((path.start[short] + path.end[short]) / 2)
        row = short[row]
        before, behind = (
            np.einsum("ni,ni->n", self._normal[module], place[row]) - self._depth[module]
            for place in (path.start, path.end)
        )
        across = ((before < 0) != (behind < 0)) & (leaving[row] != module)
        row, module, before, behind = row[across], module[across], before[across], behind[across]
        path, slope = path.of(row), behind - before
        fraction = -before / slope
        for _ in range(NEWTON):
            height = np.einsum("ni,ni->n", self._normal[module], path.at(fraction))
            fraction = np.clip(fraction - (height - self._depth[module]) / slope, 0.0, 1.0)
        inside = self._inside(path.at(fraction), module)
        return row[inside], module[inside], fraction[inside]

    def _inside(self, place: Float64, module: Int64) -> NDArray[np.bool_]:
        """(n,) whether places on the planes of modules are on the modules."""
        detector = self._detector
        u, v = np.einsum(
            "nji,nj->in", detector.rotation[module][:, :, :2], place - detector.centre[module]
        )
        low, high = detector.min_half_u[module], detector.max_half_u[module]
        half_v = detector.half_v[module]
        half_u = (low + high) / 2 + (high - low) / 2 * v / half_v
        inside: NDArray[np.bool_] = (np.abs(u) <= half_u + EDGE) & (np.abs(v) <= half_v + EDGE)
        return inside

    def _tubes_met(self, path: Path, leaving: Int64) -> list[tuple[Int64, Int64, Float64]]:
        found = []
        r0, r1 = (np.hypot(place[:, 0], place[:, 1]) for place in (path.start, path.end))
        for k, tube in enumerate(self._tubes, start=self.n_modules):
            across = ((r0 < tube.radius) != (r1 < tube.radius)) & (leaving != k)
            row = np.flatnonzero(across)
            part, slope = path.of(row), r1[row] - r0[row]
            fraction = (tube.radius - r0[row]) / slope
            for _ in range(NEWTON):
                x, y, _z = part.at(fraction).T
                off = np.hypot(x, y) - tube.radius
                fraction = np.clip(fraction - off / slope, 0.0, 1.0)
            inside = np.abs(part.at(fraction)[:, 2]) <= tube.half_length
            found.append((row[inside], np.full(int(inside.sum()), k), fraction[inside]))
        return found
