"""Modules that a turn about the beam line takes into each other: the rings of a detector.

A ring is the modules of one layer at one place along it: at one z in a barrel, at one r in a disk.
Two pairs of modules on the same two rings, equally far apart around the beam, see the same tracks
but for the azimuth. They make one *class*, and share what a training saw of either.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.graph.windows import along_is_z

GAP = 1.0  # mm along a layer between the centres of modules of two rings

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rings:
    """The ring of every module, and its place there."""

    ring: Int64  # (n_modules,)
    place: Int64  # (n_modules,) number of the module on its ring, counted by azimuth
    size: Int64  # (n_rings,) modules of each ring

    @property
    def n_classes(self) -> int:
        """One more than the highest class of `classes` can be."""
        return len(self.size) ** 2 * int(self.size.max(initial=1))

    def classes(self, inner: Int64, outer: Int64) -> Int64:
        """(n,) class of pairs of modules (n,): inner ring, outer ring and how far it is around.

        On rings of unequally many modules the step around is that of the ring with more.
        """
        a, b = self.ring[inner], self.ring[outer]
        n, m = self.size[a], self.size[b]
        step = (self.place[outer] * n - self.place[inner] * m) // np.minimum(n, m)
        most = int(self.size.max(initial=1))
        found: Int64 = (a * len(self.size) + b) * most + step % np.maximum(n, m)
        return found

    def members(self, classes: Int64) -> tuple[Int64, Int64, Int64]:
        """All pairs of modules of some classes: row of the class, inner and outer module, (n,)."""
        most, n_rings = int(self.size.max(initial=1)), len(self.size)
        rings, step = np.divmod(classes, most)
        a, b = np.divmod(rings, n_rings)
        n, m = self.size[a], self.size[b]
        count = np.minimum(n, m)  # a module of the smaller ring is in one pair
        row = np.repeat(np.arange(len(classes)), count)
        k = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        n, m, step = n[row], m[row], step[row]
        inner = np.where(n <= m, k, (k * n // m - step) % n)
        outer = np.where(n <= m, (step - (-k * m // n)) % m, k)
        start, modules = self._modules
        return row, modules[start[a[row]] + inner], modules[start[b[row]] + outer]

    @property
    def _modules(self) -> tuple[Int64, Int64]:
        """Where the modules of each ring begin, and the modules by ring and place."""
        return np.cumsum(self.size) - self.size, np.lexsort((self.place, self.ring))


def find_rings(detector: Detector) -> Rings:
    """The rings of a detector."""
    x, y, z = detector.centre.T
    along = np.where(along_is_z(detector)[detector.layer], z, np.hypot(x, y))
    order = np.lexsort((along, detector.layer))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(detector.layer[order]) != 0) | (np.diff(along[order]) > GAP)
    ring = np.empty(len(order), np.int64)
    ring[order] = np.cumsum(first) - 1
    size = np.bincount(ring).astype(np.int64)
    order = np.lexsort((np.arctan2(y, x), ring))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    return Rings(ring, place, size)


def single_modules(detector: Detector) -> Rings:
    """Every module a ring of its own: a class is then a pair of modules."""
    n = detector.n_modules
    return Rings(np.arange(n), np.zeros(n, np.int64), np.ones(n, np.int64))
