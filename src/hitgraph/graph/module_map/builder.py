"""The search of a module map."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.graph.module_map import cpu, plain
from hitgraph.graph.module_map.tables import ModuleMap, connect
from hitgraph.graph.module_map.values import columns_of
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.constants import Constants

_HITS, _EDGES = 2048, 1 << 14  # inner hits, edges: what is worth a task


class ModuleMapBuilder:
    """Graph builder: every pair of hits that a module map lets pass.

    Deterministic, whatever the threads.
    """

    def __init__(self, learnt: ModuleMap, triplets: bool = True, threads: int | None = None):
        self.triplets, self.threads = triplets, threads
        self.connections = found = connect(learnt)
        self._pairs = (
            found.first.astype(np.int32),
            found.outer.astype(np.int32),
            found.row.astype(np.int32),
            found.bounds,
        )
        self._triplets = (
            found.of_class.astype(np.int32),
            found.class_first,
            found.class_next.astype(np.int32),
            found.own_first,
            found.own_next.astype(np.int32),
            found.triplet_bounds,
        )
        self._constants = Constants(*self._pairs, *self._triplets)

    def build(self, hits: Hits, backend: Backend = "auto") -> Tensor:
        """(2, n_edges) int64 candidate edges, inner hit first, without duplicates."""
        if not for_host(hits.position, backend):
            tables = self._constants.on(hits.position.device)
            n = len(self._pairs)
            return plain.search(hits, tables[:n], tables[n:] if self.triplets else None)
        order = torch.argsort(hits.module, stable=True)
        columns = columns_of(hits)[:, order].numpy()
        module = hits.module[order].numpy()
        starts = np.searchsorted(module, np.arange(len(self._pairs[0])))
        distance2 = squared_distance(hits.position)[order].numpy()
        shared = (columns, distance2, order.numpy(), module, starts, *self._pairs)

        def pairs(begin: int, end: int) -> NDArray[np.int32]:
            found: NDArray[np.int32] = cpu.search_pairs(begin, end, *shared)
            return found

        none = np.empty((3, 0), np.int32)
        found = np.concatenate([none, *in_blocks(pairs, len(order), _HITS, self.threads)], axis=1)
        if self.triplets:
            kept = self._in_triplets(columns, found)
            found = found[:, kept]
        return order[torch.from_numpy(found[:2].astype(np.int64))]

    def _in_triplets(
        self, columns: NDArray[np.float32], found: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """(n_edges,) whether each edge is part of an accepted triplet."""
        start = np.searchsorted(found[0], np.arange(columns.shape[1] + 1))
        kept = np.zeros(found.shape[1], np.bool_)

        def mark(begin: int, end: int) -> None:
            cpu.mark_triplets(begin, end, columns, found, start, kept, *self._triplets)

        in_blocks(mark, found.shape[1], _EDGES, self.threads)
        return kept
