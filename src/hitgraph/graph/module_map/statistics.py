"""Cuts from the values that true connections have: minmax, meanrms, hybrid, quantile."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hitgraph.graph.windows import ROUNDING

Cuts = Literal["minmax", "meanrms", "hybrid", "quantile"]


@dataclass(frozen=True)
class CutSettings:
    """How ranges follow from values: see ModuleMapSettings, which has the same fields."""

    cuts: Cuts
    widen: float
    n_rms: float
    hybrid_seen: int
    tail: float


@dataclass(frozen=True, eq=False)
class Ranges:
    """The range of each variable of each connection, by rising key."""

    key: NDArray[np.int64]  # (n,) which connection
    bounds: NDArray[np.float32]  # (n, n_variables, 2) lowest and highest value
    seen: NDArray[np.int64]  # (n,) how often it was seen

    def find(self, key: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) row of keys (n,), -1 where there is none."""
        if not len(self.key):
            return np.full(len(key), -1)
        row = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        found: NDArray[np.int64] = np.where(self.key[row] == key, row, -1)
        return found


def learn_ranges(
    key: NDArray[np.int64], value: NDArray[np.float32], least: int, settings: CutSettings
) -> Ranges:
    """Ranges of the connections that were seen at least so many times.

    key (n,) says which connection a row of value (n, n_variables) is of.
    """
    found, member, seen = np.unique(key, return_inverse=True, return_counts=True)
    often = seen >= least
    kept = often[member]
    member = (np.cumsum(often) - 1)[member[kept]]
    order = np.argsort(member, kind="stable")
    found, seen, value = found[often], seen[often].astype(np.int64), value[kept][order]
    bounds = np.zeros((len(found), value.shape[1], 2), np.float32)
    if len(found):
        bounds = _bounds(value, member[order], seen, settings)
    margin = ROUNDING * np.abs(bounds).max(axis=2)
    bounds[..., 0] -= margin
    bounds[..., 1] += margin
    return Ranges(found.astype(np.int64), bounds, seen)


def _bounds(
    value: NDArray[np.float32],
    member: NDArray[np.int64],
    seen: NDArray[np.int64],
    settings: CutSettings,
) -> NDArray[np.float32]:
    """(n, n_variables, 2) of values that are sorted by the connection they are a member of."""
    first = np.cumsum(seen) - seen
    if settings.cuts == "quantile":
        cut = (settings.tail * seen).astype(np.int64)
        sides = []
        for column in value.T:
            ranked = column[np.lexsort((column, member))]
            sides.append(np.stack([ranked[first + cut], ranked[first + seen - 1 - cut]], axis=1))
        return np.stack(sides, axis=1)
    low, high = np.minimum.reduceat(value, first), np.maximum.reduceat(value, first)
    if settings.cuts == "meanrms":
        narrow = np.ones(len(seen), bool)
    else:
        narrow = (seen >= settings.hybrid_seen) & (settings.cuts == "hybrid")
    mean = np.add.reduceat(value.astype(np.float64), first) / seen[:, None]
    square = np.add.reduceat((value - mean[member]) ** 2, first) / seen[:, None]
    reach = settings.n_rms * np.sqrt(square)
    wider = settings.widen / seen[:, None] * (high - low)
    bounds = np.stack(
        [
            np.where(narrow[:, None], np.maximum(mean - reach, low), low - wider),
            np.where(narrow[:, None], np.minimum(mean + reach, high), high + wider),
        ],
        axis=2,
    )
    return bounds.astype(np.float32)
