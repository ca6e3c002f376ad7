"""Small graphs for the tests of the track builders."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.hits import Hits

Edge = tuple[int, int, float]


def make_hits(n_hits: int, module: Sequence[int] | None = None) -> Hits:
    """Hits on the x axis, each farther out than the one before, on modules of their own."""
    position = torch.zeros(n_hits, 3)
    position[:, 0] = torch.arange(1, n_hits + 1)
    return Hits(
        features=torch.zeros(n_hits, 3),
        position=position,
        layer=torch.arange(n_hits),
        module=torch.arange(n_hits) if module is None else torch.tensor(module).long(),
    )


def make_edges(edges: Iterable[Edge]) -> tuple[Tensor, Tensor]:
    """(2, n_edges) and (n_edges,) of (source, target, score)."""
    listed = list(edges)
    index = torch.tensor([edge[:2] for edge in listed], dtype=torch.int64).reshape(-1, 2)
    return index.T.contiguous(), torch.tensor([edge[2] for edge in listed], dtype=torch.float32)


def partition(labels: Tensor) -> set[frozenset[int]]:
    """The tracks as sets of hits, whatever their numbers."""
    tracks = np.unique(labels.numpy())
    return {frozenset(np.flatnonzero(labels.numpy() == t).tolist()) for t in tracks if t >= 0}


def sets(*tracks: Iterable[int]) -> set[frozenset[int]]:
    return {frozenset(track) for track in tracks}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Hits, list[Edge]]:
    """A random graph without duplicates whose scores are all different, and few modules."""
    n_hits = draw(st.integers(0, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pairs = [(i, j) for i in range(n_hits) for j in range(i + 1, n_hits)]
    chosen = random.random(len(pairs)) < draw(st.sampled_from([0.03, 0.1, 0.3]))
    scores = (random.permutation(len(pairs)) + 0.5) / max(1, len(pairs))
    edges = [(*pair, float(s)) for pair, s, c in zip(pairs, scores, chosen, strict=True) if c]
    modules = random.integers(0, draw(st.sampled_from([4, 200])), n_hits).tolist()
    return make_hits(n_hits, modules), edges


@st.composite
def wild_graphs(draw: st.DrawFn) -> tuple[Hits, list[Edge]]:
    """Graphs with loops, edges that stand twice or in both directions, equal scores and scores
    that are no number; also no edges, all hits on one module, or every hit joined to every other.
    """
    n_hits = draw(st.integers(1, 16))
    hit = st.integers(0, n_hits - 1)
    score = st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0, float("nan")])
    edges = draw(st.lists(st.tuples(hit, hit, score), max_size=40))
    if draw(st.booleans()):
        edges += [(i, j, 0.9) for i in range(n_hits) for j in range(n_hits)]
    n_modules = draw(st.sampled_from([1, 3, 100]))
    modules = draw(st.lists(st.integers(0, n_modules), min_size=n_hits, max_size=n_hits))
    return make_hits(n_hits, modules), edges


def shuffled(hits: Hits, edges: list[Edge], seed: int) -> tuple[Hits, list[Edge], list[int]]:
    """The same graph with hits and edges in another order; new row r was row order[r]."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(hits))
    row = np.argsort(order)
    moved = [(int(row[a]), int(row[b]), score) for a, b, score in edges]
    return (
        hits.select(torch.from_numpy(order)),
        [moved[i] for i in random.permutation(len(moved))],
        order.tolist(),
    )
