"""Tracks by merging hits along the best edges first, never two hits of one module on a track."""

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.tracks import plain as on_device
from hitgraph.tracks.checks import check_edges, check_min_hits, check_score
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.unionfind import Int64, edges_above, find_root, number_sets, share_module


@dataclass(frozen=True)
class MergeSettings(TrackSettings):
    """Hits merged along the best edges first, never two of one module."""

    score_cut: float = 0.5  # edges strictly above it may merge
    min_hits: int = 3  # smaller groups are no track
    max_hits: int = 30  # a merge that would make a longer track is refused

    def __post_init__(self) -> None:
        check_score("score_cut", self.score_cut)
        check_min_hits(self.min_hits)
        if self.max_hits < self.min_hits:
            raise SettingsError(f"max_hits: {self.max_hits} is below min_hits, {self.min_hits}")

    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        return merge_exclusive(hits, edge_index, scores, self, backend)


def merge_exclusive(
    hits: Hits,
    edge_index: Tensor,
    scores: Tensor,
    settings: MergeSettings,
    backend: Backend = "auto",
) -> Tensor:
    """Track of each hit, (n_hits,) int64, -1 = none.

    Walks through the edges above the cut by falling score (equal scores in the order of the
    edges) and joins the two groups an edge touches, unless both hold a hit of the same module or
    the joint group would be longer than `max_hits`. A particle crosses a module once, so a group
    with two hits of a module is two particles. scores (n_edges,) from 0 to 1.
    """
    check_edges(len(hits), edge_index, scores)
    if not for_host(scores, backend):
        return on_device.number_sets(
            on_device.merge(
                *on_device.best_first(edge_index, scores, settings.score_cut),
                hits.module,
                settings.max_hits,
            ),
            settings.min_hits,
        )
    source, target, score = edges_above(edge_index, scores, settings.score_cut)
    order = np.argsort(-score, kind="stable")
    module = hits.module.numpy()
    parent = merge_groups(source[order], target[order], module, settings.max_hits, 0)
    return torch.from_numpy(number_sets(parent, settings.min_hits))


@numba.njit(cache=True)
def merge_groups(source: Int64, target: Int64, module: Int64, max_hits: int, n_given: int) -> Int64:
    """(n_hits,) parent of each hit after merging along the edges in the order given.

    The first `n_given` edges are taken whatever they join: groups that are there already.
    """
    n_hits = len(module)
    parent = np.arange(n_hits)
    size = np.ones(n_hits, dtype=np.int64)
    following = np.full(n_hits, -1, dtype=np.int64)  # the next hit of the same group
    last = np.arange(n_hits)  # of each root, the last hit of its group
    # A bit a module (modulo 64): groups without a common bit have no common module.
    bits = np.left_shift(np.uint64(1), (module & 63).astype(np.uint64))
    for edge in range(len(source)):
        a = find_root(parent, source[edge])
        b = find_root(parent, target[edge])
        if a == b:
            continue
        if edge >= n_given:
            if size[a] + size[b] > max_hits:
                continue
            if bits[a] & bits[b] and share_module(a, b, module, following):
                continue
        if size[a] < size[b]:
            a, b = b, a
        parent[b] = a
        size[a] += size[b]
        bits[a] |= bits[b]
        following[last[a]] = b
        last[a] = last[b]
    return parent
