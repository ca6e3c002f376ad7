"""Bins that follow the data: particles are counted in fine ones and shown in fewer.

Counts in fixed fine bins add up over events. What is shown ranges from the first to the last bin
with an entry, in the finest bins of which there are not too many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.ratio import BinnedRatio

Edges = tuple[float, ...]

# preferred numbers, R20 of ISO 3: equal steps of the logarithm, in round numbers
R20 = (
    *(1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8, 3.15, 3.55, 4.0, 4.5, 5.0, 5.6),
    *(6.3, 7.1, 8.0, 9.0),
)


@dataclass(frozen=True)
class Grid:
    """Bins from fine to coarse, whose edges are among the finest ones."""

    levels: tuple[Edges, ...]
    most: int = 16  # bins that are shown

    @property
    def edges(self) -> Edges:
        """Of the bins to count in. The outermost hold what lies beyond them."""
        return self.levels[0]

    def shown(self, curves: Sequence[BinnedRatio]) -> list[BinnedRatio]:
        """Curves counted in `edges`, all in the same bins that follow what they hold together."""
        total = np.sum([curve.total for curve in curves], axis=0)
        edges = self._edges_for(total)
        return [
            BinnedRatio(edges, self._merged(curve.passed, edges), self._merged(curve.total, edges))
            for curve in curves
        ]

    def shown_counts(self, counts: Sequence[Sequence[int]]) -> tuple[Edges, list[tuple[int, ...]]]:
        """The same for histograms: the edges, and the counts of each."""
        edges = self._edges_for(np.sum(counts, axis=0))
        return edges, [self._merged(one, edges) for one in counts]

    def _edges_for(self, total: NDArray[np.int64]) -> Edges:
        edges: Edges = ()
        for level in self.levels:
            full = np.flatnonzero(self._merged(total.tolist(), level))
            if len(full) == 0:
                return level[:2]
            edges = level[full[0] : full[-1] + 2]
            if len(edges) <= self.most + 1:
                break
        return edges

    def _merged(self, counts: Sequence[int], edges: Edges) -> tuple[int, ...]:
        ends = np.searchsorted(self.edges, edges)
        return tuple(int(np.sum(counts[low:high])) for low, high in pairwise(ends))


def logarithmic(first: int, last: int, below: Edges = ()) -> Grid:
    """From 10^first to 10^last in 20, 10, 5, 2 bins or one a decade; `below` are edges before."""
    levels = []
    for step in (1, 2, 4, 10, 20):
        powers = range(first, last)
        edges = [round(one * 10.0**power, 6) for power in powers for one in R20[::step]]
        levels.append((*below, *edges, 10.0**last))
    return Grid(tuple(levels))


def linear(end: float, widths: Edges, start: float = 0.0, most: int = 16) -> Grid:
    """From `start` to `end` in bins of each of the widths, which divide that."""
    return Grid(
        tuple(
            tuple(round(start + k * width, 6) for k in range(round((end - start) / width) + 1))
            for width in widths
        ),
        most,
    )


PT = logarithmic(-2, 3)  # GeV
ETA = linear(6.0, (0.1, 0.2, 0.5, 1.0), start=-6.0)
PHI = linear(3.2, (0.1, 0.2, 0.4, 0.8), start=-3.2)  # rad
RADIUS = logarithmic(0, 3, below=(0.0,))  # mm
VZ = linear(1000.0, (10.0, 20.0, 50.0, 100.0))  # mm, without the sign
LENGTH = linear(100.5, (1.0, 2.0, 5.0), start=0.5, most=30)  # hits on a track, or of a particle
