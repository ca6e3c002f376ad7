"""Candidate edges from two cuts on each pair of layers that true edges join.

The simple builder of the first graph networks for tracking (arXiv 1810.06111): a straight line in
(r, z) from near the beam line, and little change of azimuth.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.graph.layer_pairs import cpu, plain
from hitgraph.graph.windows import ROUNDING
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.constants import Constants
from hitgraph.lessons.material import Material, true_edges_near
from hitgraph.lessons.settings import check_above, check_share
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import refuse_others, take

TENSORS = ("inner", "outer", "limits", "n_true")
_HITS = 2048  # inner hits, what is worth a task


@dataclass(frozen=True)
class LayerPairSettings(StageSettings):
    """Pairs of hits on layers that true edges join, cut on z0 and on the change of azimuth by r."""

    coverage: float = 0.98  # share of the true edges of a layer pair within each cut
    pair_coverage: float = 0.998  # share of the true edges that the kept layer pairs hold
    max_radius: float = 20.0  # mm, particles born farther out are not learnt from

    paper: ClassVar[str] = "1810.06111"
    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def __post_init__(self) -> None:
        check_share(self, "coverage", "pair_coverage")
        check_above(self, max_radius=0)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "LayerPairStage":
        refuse_others(tensors, TENSORS)
        return LayerPairStage(context, LayerPairs.from_tensors(tensors, context.detector))

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "LayerPairStage":
        workshop.report(f"learning layer pairs from {len(material.train)} events")
        pairs = learn_layer_pairs(
            true_edges_near(material.train, self.max_radius), context.detector, self
        )
        workshop.record({"layer_pairs": len(pairs.inner)})
        return LayerPairStage(context, pairs)


@dataclass(frozen=True, eq=False)
class LayerPairs:
    """What was learnt, one row a pair of layers, by rising inner and outer layer."""

    inner: NDArray[np.int64]  # (n_pairs,) dense layer index of the inner hit
    outer: NDArray[np.int64]  # (n_pairs,)
    limits: NDArray[np.float32]  # (n_pairs, 3) of |dphi|, |dphi / dr| in 1/mm and |z0| in mm
    n_true: NDArray[np.int64]  # (n_pairs,) true edges it was learnt from

    def tensors(self) -> dict[str, Tensor]:
        """As `from_tensors` reads them."""
        columns = (self.inner, self.outer, self.limits, self.n_true)
        return dict(zip(TENSORS, map(torch.from_numpy, columns), strict=True))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], detector: Detector) -> "LayerPairs":
        """What `tensors` gave. Raises InputError where they do not fit the detector."""
        last = detector.n_layers - 1
        inner = take(tensors, "inner", (None,), torch.int64, low=0, high=last)
        n = len(inner)
        outer = take(tensors, "outer", (n,), torch.int64, low=0, high=last)
        key = inner * detector.n_layers + outer
        if bool((key[1:] <= key[:-1]).any()):
            raise InputError("inner, outer: the pairs of layers do not rise from row to row")
        limits = take(tensors, "limits", (n, 3), low=0.0)
        n_true = take(tensors, "n_true", (n,), torch.int64, low=0)
        return cls(*(one.contiguous().numpy() for one in (inner, outer, limits, n_true)))


def learn_layer_pairs(
    events: Iterable[tuple[Hits, Tensor]], detector: Detector, settings: LayerPairSettings
) -> LayerPairs:
    """Cuts that hold all but the tails of the true edges of each pair of layers.

    `events` yields hits and their true edges (2, n_edges) int64, inner hit first. Raises InputError
    when there are no true edges.
    """
    keys, values = [np.empty(0, np.int64)], [np.empty((0, 3), np.float32)]
    for hits, edges in events:
        inner, outer = hits.layer[edges]
        keys.append((inner * detector.n_layers + outer).numpy())
        values.append(plain.pair_values(plain.columns_of(hits), *edges).abs().numpy())
    key, value = np.concatenate(keys), np.concatenate(values)
    if not len(key):
        raise InputError("there are no true edges to learn layer pairs from: are these empty?")
    found, member, seen = np.unique(key, return_inverse=True, return_counts=True)
    needed = np.searchsorted(np.cumsum(np.sort(seen)[::-1]), settings.pair_coverage * len(key))
    kept = np.sort(np.argsort(-seen, kind="stable")[: needed + 1])
    limits = [np.quantile(value[member == row], settings.coverage, axis=0) for row in kept]
    return LayerPairs(
        found[kept] // detector.n_layers,
        found[kept] % detector.n_layers,
        (np.array(limits) * (1 + ROUNDING)).astype(np.float32),
        seen[kept].astype(np.int64),
    )


class LayerPairBuilder:
    """Graph builder: every pair of hits within the cuts of its layers, none of one module.

    Deterministic, whatever the threads.
    """

    def __init__(self, pairs: LayerPairs, n_layers: int, threads: int | None = None) -> None:
        self.n_layers, self.threads = n_layers, threads
        first = np.searchsorted(pairs.inner, np.arange(n_layers + 1))
        self._tables = (first, pairs.outer, pairs.limits)
        self._constants = Constants(*self._tables)

    def build(self, hits: Hits, backend: Backend = "auto") -> Tensor:
        """(2, n_edges) int64 candidate edges, inner hit first, without duplicates."""
        if not for_host(hits.position, backend):
            return plain.search(hits, *self._constants.on(hits.position.device))
        columns, order, starts = plain.sort_hits(hits, self.n_layers)
        shared = (
            columns.contiguous().numpy(),
            squared_distance(hits.position)[order].numpy(),
            order.numpy(),
            hits.layer[order].numpy(),
            hits.module[order].numpy(),
            starts.numpy(),
            *self._tables,
        )

        def task(begin: int, end: int) -> NDArray[np.int32]:
            found: NDArray[np.int32] = cpu.search_pairs(begin, end, *shared)
            return found

        none = np.empty((2, 0), np.int32)
        found = [none, *in_blocks(task, len(order), _HITS, self.threads)]
        return order[torch.from_numpy(np.concatenate(found, axis=1).astype(np.int64))]


class LayerPairStage:
    """Ready to run."""

    def __init__(self, context: Context, pairs: LayerPairs) -> None:
        self.context, self.pairs = context, pairs
        self.builder = LayerPairBuilder(pairs, context.detector.n_layers)

    def __call__(self, state: State) -> State:
        return state.with_edges(self.builder.build(state.hits, self.context.backend))

    def tensors(self) -> dict[str, Tensor]:
        return self.pairs.tensors()
