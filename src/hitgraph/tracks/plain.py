"""Connected components and the module-exclusive merge in torch, where the edges lie on a GPU.

Both work in rounds over all edges at once and give the tracks of their counterparts in numba.
"""

import torch
from torch import Tensor

from hitgraph.kernels.ranges import expand


def best_first(edge_index: Tensor, scores: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    """Source and target of the edges whose score is strictly above `cut`, by falling score.

    Equal scores stay in the order of the edges; a NaN score is not above any cut.
    """
    rows = torch.nonzero(scores > cut).squeeze(1)
    rows = rows[torch.argsort(scores[rows], descending=True, stable=True)]
    return edge_index[0, rows], edge_index[1, rows]


def without_junctions(edge_index: Tensor, scores: Tensor, n_hits: int) -> tuple[Tensor, Tensor]:
    """Edges, and their scores, than which none is better that begins, or ends, at the same hit."""
    order = torch.argsort(scores.nan_to_num(-1.0), descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    kept = torch.ones_like(scores, dtype=torch.bool)
    for ends in edge_index.long():
        best = torch.full((n_hits,), len(rank), device=rank.device)
        kept &= rank == best.scatter_reduce_(0, ends, rank, "amin")[ends]
    return edge_index[:, kept], scores[kept]


def connect(n_hits: int, source: Tensor, target: Tensor) -> Tensor:
    """(n_hits,) lowest row of the component of each hit.

    Every round takes the lower root of both ends of each edge to the other one's root, then
    shortens the paths until each hit points to its root: a number of rounds that grows like the
    logarithm of the longest path.
    """
    root = torch.arange(n_hits, device=source.device)
    while True:
        a, b = root[source], root[target]
        if bool((a == b).all()):
            return root
        low = torch.minimum(a, b)
        root.scatter_reduce_(0, torch.cat([a, b]), torch.cat([low, low]), "amin")
        while bool((root[root] != root).any()):
            root = root[root]


def merge(
    source: Tensor, target: Tensor, module: Tensor, max_hits: int, given: Tensor | None = None
) -> Tensor:
    """(n_hits,) lowest row of the group of each hit after the merge along edges, best first.

    `given` (n_hits,) is the lowest row of the group that each hit is in already, if it is in one.
    A merge is refused where both groups hold a hit of one module, or more than max_hits together.
    The best edge of both groups it touches may merge at once, whatever happens elsewhere: edges
    better than it are done with, and those groups change only through it. So each round merges
    along all such edges, and gives what merging one after the other gives.
    """
    n_hits = len(module)
    group = torch.arange(n_hits, device=source.device) if given is None else given
    rank = torch.arange(len(source), device=source.device)
    while len(rank) > 0:
        size = torch.bincount(group, minlength=n_hits)
        a, b = group[source[rank]], group[target[rank]]
        open_ = (a != b) & (size[a] + size[b] <= max_hits)
        rank, a, b = rank[open_], a[open_], b[open_]
        best = torch.full_like(group, len(source))
        best.scatter_reduce_(0, torch.cat([a, b]), torch.cat([rank, rank]), "amin")
        now = (best[a] == rank) & (best[b] == rank)
        a, b, rank = a[now], b[now], rank[~now]
        fits = ~_share_module(a, b, group, module)
        low, high = torch.minimum(a, b)[fits], torch.maximum(a, b)[fits]
        root = torch.arange(n_hits, device=source.device)
        root[high] = low
        group = root[group]
    return group


def _share_module(a: Tensor, b: Tensor, group: Tensor, module: Tensor) -> Tensor:
    """(n_pairs,) whether the groups a and b both hold a hit of one module."""
    n_modules = int(module.max()) + 1 if len(module) else 1
    held = torch.unique(group * n_modules + module)  # sorted: one number a group and module
    owner = held // n_modules
    begin, end = torch.searchsorted(owner, a), torch.searchsorted(owner, a, right=True)
    pair, place = expand(begin, end)
    wanted = b[pair] * n_modules + held[place] % n_modules
    found = held[torch.searchsorted(held, wanted).clamp_max(len(held) - 1)] == wanted
    shared = torch.zeros(len(a), dtype=torch.bool, device=a.device)
    shared[pair[found]] = True
    return shared


def number_sets(root: Tensor, min_hits: int) -> Tensor:
    """(n_hits,) track of each hit, -1 in sets smaller than min_hits; numbered by lowest row.

    root (n_hits,) is the lowest row of each hit's set.
    """
    kept = torch.bincount(root, minlength=len(root)) >= min_hits
    number = torch.where(kept, torch.cumsum(kept, 0) - 1, -1)
    return number[root]
