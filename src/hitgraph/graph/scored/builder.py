"""Candidate edges from windows and a learnt score of what the windows let pass.

A graph builder of its own, on top of graph/windows, with the tables of scored.tables.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.graph.scored import cpu as search
from hitgraph.graph.scored.tables import ROUNDING, ScoredWindows
from hitgraph.graph.scored.values import N_GEOMETRY
from hitgraph.graph.windows import along_is_z, windows_by_layer
from hitgraph.graph.windows.cpu import sort_into_cells
from hitgraph.hits import Hits
from hitgraph.hits.density import hit_density, logit_shift
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.choice import Backend, for_gpu, for_host
from hitgraph.kernels.constants import Constants
from hitgraph.pairs.geometry import hit_rows

_HITS = 2048  # inner hits, what is worth a task


class ScoredBuilder:
    """Graph builder: pairs of hits that pass the windows of their layer pair and the score cut.

    Deterministic, whatever the threads. Two hits of one module are never joined. Raises
    InputError when the windows name a layer that the detector lacks.
    """

    def __init__(
        self, scored: ScoredWindows, detector: Detector, threads: int | None = None
    ) -> None:
        self.scored = scored
        self.detector = detector
        self.threads = threads
        self._barrel = along_is_z(detector)
        first, outer, order = windows_by_layer(scored.windows, detector)
        highest = scored.table[order].max(axis=2).astype(np.float32)
        outer_most = highest[:, N_GEOMETRY + 3 :].sum(axis=1)
        bounds = np.ascontiguousarray(scored.windows.bounds[order])
        self._windows = (
            first,
            outer,
            bounds,
            scored.base[order],
            np.ascontiguousarray(scored.low[order]),
            np.ascontiguousarray(scored.scale[order]),
            np.ascontiguousarray(scored.table[order]),
        )
        self._constants = Constants(self._barrel, *self._windows)
        self._reaches = search.window_reach(bounds)
        self._best = outer_most + np.float32(ROUNDING)

    def build(self, hits: Hits, backend: Backend = "auto") -> Tensor:
        """(2, n_edges) int64 candidate edges, inner hit first, without duplicates.

        Raises InputError when the score uses cluster shape and the hits have none.
        """
        return self.search(hits, backend)[0]

    def search(self, hits: Hits, backend: Backend = "auto") -> tuple[Tensor, Tensor]:
        """The edges of `build` and their scores, (n_edges,) float32.

        A score is a logit: sigmoid(score) is the share of true edges among such pairs, at the
        density of these hits (hits.density). The cut asks for the same share in every event.
        """
        if self.scored.cluster_shape and not hits.has_clusters:
            raise InputError(
                "the windows use cluster shape, but the hits have no cluster features: give "
                "events with cells, or train with graph.cluster_shape false"
            )
        if not for_host(hits.position, backend):
            return self.search_on_device(hits, backend)
        shift = float(self._shift(hits))
        rows, layer = hit_rows(hits, self.detector), hits.layer.numpy()
        order, starts, span = sort_into_cells(rows, layer, self._barrel, self.detector.n_layers)
        hits_of = (
            *search.sorted_hits(order, rows, hits),
            starts,
            span,
            self._barrel,
        )
        first, outer, bounds, base, low, scale, table = self._windows
        windows = (
            first, outer, bounds, self._reaches, base, low, scale,
            table.reshape(len(table), -1), self._best, np.float32(self.scored.cut + shift),
        )  # fmt: skip

        def task(begin: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            pairs, scores = search.search_scored(begin, end, hits_of, windows)
            return pairs.astype(np.int64), scores - np.float32(shift)

        none = np.empty((2, 0), np.int64), np.empty(0, np.float32)
        blocks = [none, *in_blocks(task, len(order), _HITS, self.threads)]
        pairs = np.concatenate([pairs for pairs, _ in blocks], axis=1)
        scores = np.concatenate([scores for _, scores in blocks])
        return torch.from_numpy(pairs), torch.from_numpy(scores)

    def search_on_device(self, hits: Hits, backend: Backend = "auto") -> tuple[Tensor, Tensor]:
        """What `search` gives, on any device; the order of the edges is another."""
        barrel, *windows = self._constants.on(hits.position.device)
        shift = self._shift(hits)
        if for_gpu(hits.position, backend):
            from hitgraph.graph.scored.gpu import search_scored
        else:
            from hitgraph.graph.scored.plain import search_scored
        edges, scores = search_scored(
            hits, self.detector, barrel, tuple(windows), self.scored.cut + shift
        )
        return edges, scores - shift.float()

    def _shift(self, hits: Hits) -> Tensor:
        return logit_shift(hit_density(hits, self.detector.n_layers), self.scored.density)
