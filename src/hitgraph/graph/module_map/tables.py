"""A learnt module map: what it keeps, and the connections that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.graph.module_map.rings import Rings
from hitgraph.graph.module_map.statistics import Ranges
from hitgraph.graph.module_map.values import N_PAIR, PAIR_VARIABLES, TRIPLET_VARIABLES
from hitgraph.tensors import take

PARTS = ("pairs", "own_pairs", "triplets", "own_triplets")
TENSORS = tuple(f"{part}.{name}" for part in PARTS for name in ("key", "bounds", "seen"))

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ModuleMap:
    """Ranges of classes of pairs and of triplets of modules, and of single ones seen often.

    A class of triplets is a pair of rows of `pairs`, of which the outer ring of the first is the
    inner one of the second. Without triplets both tables of them are empty.
    """

    rings: Rings
    pairs: Ranges  # by class (Rings.classes)
    own_pairs: Ranges  # by inner module * n_modules + outer module
    triplets: Ranges  # by row of `pairs` * n_pairs + row of `pairs`
    own_triplets: Ranges  # by (first module * n_modules + second) * n_modules + third

    @property
    def n_modules(self) -> int:
        return len(self.rings.ring)

    def tensors(self) -> dict[str, Tensor]:
        """As `from_tensors` reads them."""
        ranges = (getattr(self, part) for part in PARTS)
        arrays = (array for one in ranges for array in (one.key, one.bounds, one.seen))
        return dict(zip(TENSORS, map(torch.from_numpy, arrays), strict=True))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], rings: Rings) -> "ModuleMap":
        """What `tensors` gave. Raises InputError where they do not fit the rings of a detector."""
        n = len(rings.ring)
        pairs = _take(tensors, "pairs", N_PAIR, rings.n_classes)
        return cls(
            rings,
            pairs,
            _take(tensors, "own_pairs", N_PAIR, n**2),
            _take(tensors, "triplets", len(TRIPLET_VARIABLES), len(pairs.key) ** 2),
            _take(tensors, "own_triplets", len(TRIPLET_VARIABLES), n**3),
        )


def _take(tensors: Mapping[str, Tensor], part: str, n_variables: int, n_keys: int) -> Ranges:
    key = take(tensors, f"{part}.key", (None,), torch.int64, low=0, high=n_keys - 1)
    bounds = take(tensors, f"{part}.bounds", (len(key), n_variables, 2))
    seen = take(tensors, f"{part}.seen", (len(key),), torch.int64, low=1)
    if len(key) and bool((key[1:] <= key[:-1]).any()):
        raise InputError(f"{part}.key: does not rise from row to row")
    upside_down = (bounds[..., 0] > bounds[..., 1]).nonzero()
    if len(upside_down):
        row, variable = upside_down[0].tolist()
        names = PAIR_VARIABLES if n_variables == N_PAIR else TRIPLET_VARIABLES
        low, high = bounds[row, variable].tolist()
        raise InputError(
            f"{part}.bounds: the range of {names[variable]} in row {row} begins at {low:g} and "
            f"ends at {high:g}"
        )
    return Ranges(*(one.contiguous().numpy() for one in (key, bounds, seen)))


@dataclass(frozen=True, eq=False)
class Connections:
    """All pairs of modules that a map connects, by inner module, class and outer module.

    Classes are rows of `ModuleMap.pairs`. Continuations are by class or connection, then by the
    class or connection that continues it.
    """

    first: Int64  # (n_modules + 1,) where those of each inner module begin
    inner: Int64  # (n,) module
    outer: Int64  # (n,) module
    of_class: Int64  # (n,)
    row: Int64  # (n,) of `bounds`
    bounds: NDArray[np.float32]  # (n_rows, 4, 2) of PAIR_VARIABLES
    class_first: Int64  # (n_classes + 1,) where the continuations of each class begin
    class_next: Int64  # (n,) class
    own_first: Int64  # (n_connections + 1,) the same of single connections
    own_next: Int64  # (n,) connection
    own_row: Int64  # (n,) of `ModuleMap.own_triplets`
    triplet_bounds: NDArray[np.float32]  # (n_triplets, 11, 2): those of classes, then own ones

    def triplets(self, begin: int, end: int) -> tuple[Int64, Int64, Int64]:
        """All triplets whose inner pair is a connection from `begin` to `end`.

        (n,) each: both connections, and the row of triplet_bounds.
        """
        one = np.arange(begin, min(end, len(self.inner)))
        at, row = _expand(self.class_first, self.of_class[one])
        n_classes = len(self.class_first)
        key = self.inner * n_classes + self.of_class  # rises
        wanted = self.outer[one[at]] * n_classes + self.class_next[row]
        other = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        there = key[other] == wanted
        one, other, row = one[at[there]], other[there], row[there]
        at, own = _expand(self.own_first, np.arange(begin, min(end, len(self.inner))))
        own_key = (begin + at) * len(key) + self.own_next[own]  # rises
        wanted = one * len(key) + other
        place = np.minimum(np.searchsorted(own_key, wanted), max(len(own_key) - 1, 0))
        if len(own_key):
            row = np.where(own_key[place] == wanted, len(self.class_next) + own[place], row)
        return one, other, row


def _expand(first: Int64, of: Int64) -> tuple[Int64, Int64]:
    """Row of `of` and value of each number in the ranges [first[k], first[k + 1]), k of `of`."""
    begin, count = first[of], first[of + 1] - first[of]
    at = np.repeat(np.arange(len(of)), count)
    return at, np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count) + begin[at]


def connect(learnt: ModuleMap) -> Connections:
    """What a map says of every pair of modules."""
    n, n_pairs = learnt.n_modules, len(learnt.pairs.key)
    of_class, inner, outer = learnt.rings.members(learnt.pairs.key)
    order = np.lexsort((outer, of_class, inner))
    of_class, inner, outer = of_class[order], inner[order], outer[order]
    own = learnt.own_pairs.find(inner * n + outer)
    first = np.searchsorted(inner, np.arange(n + 1))
    class_of, class_next = np.divmod(learnt.triplets.key, max(n_pairs, 1))
    own_of, own_next, row = _own_triplets(learnt, inner * n + outer)
    return Connections(
        first,
        inner,
        outer,
        of_class,
        np.where(own >= 0, n_pairs + own, of_class),
        np.concatenate([learnt.pairs.bounds, learnt.own_pairs.bounds]),
        np.searchsorted(class_of, np.arange(n_pairs + 1)),
        class_next,
        np.searchsorted(own_of, np.arange(len(inner) + 1)),
        own_next,
        row,
        np.concatenate([learnt.triplets.bounds, learnt.own_triplets.bounds[row]]),
    )


def _own_triplets(learnt: ModuleMap, key: Int64) -> tuple[Int64, Int64, Int64]:
    """Both connections of the triplets of modules with ranges of their own, and their rows.

    key (n_connections,) is that of own_pairs. Sorted by connections.
    """
    n = learnt.n_modules
    rest, third = np.divmod(learnt.own_triplets.key, n)
    by_key = np.argsort(key)
    one, other = (
        Ranges(key[by_key], np.empty(0, np.float32), by_key).find(pair)
        for pair in (rest, rest % n * n + third)
    )
    row = np.flatnonzero((one >= 0) & (other >= 0))
    one, other = by_key[one[row]], by_key[other[row]]
    order = np.lexsort((other, one))
    return one[order], other[order], row[order]
