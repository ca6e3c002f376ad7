"""The search of a module map in torch, on any device: count, sum, fill, a part at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

from hitgraph.graph.line_graph import edge_pairs_in_parts
from hitgraph.graph.module_map.values import columns_of, pair_values, triplet_values
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.ranges import expand_in_parts

PAIRS = 1 << 22  # pairs or triplets tested at a time


def search(hits: Hits, pairs: tuple[Tensor, ...], triplets: tuple[Tensor, ...] | None) -> Tensor:
    """The edges of ModuleMapBuilder.build; the tables are those of its kernels."""
    columns = columns_of(hits)
    found = torch.cat(
        [
            torch.empty(3, 0, dtype=torch.int64, device=columns.device),
            *_pairs(hits, columns, *pairs),
        ],
        dim=1,
    )
    if triplets is None:
        return found[:2]
    kept = torch.zeros(found.shape[1], dtype=torch.bool, device=columns.device)
    for one, other in edge_pairs_in_parts(found[:2], len(hits), PAIRS):
        good = _accepted(columns, found, one, other, *triplets)
        kept[one[good]] = True
        kept[other[good]] = True
    return found[:2, kept]


def _pairs(
    hits: Hits, columns: Tensor, first: Tensor, outer: Tensor, row: Tensor, bounds: Tensor
) -> Iterator[Tensor]:
    """(3, n) inner hit, outer hit and connection of all pairs within the ranges."""
    order = torch.argsort(hits.module, stable=True)
    module = torch.arange(len(first), device=first.device)
    starts = torch.searchsorted(hits.module[order], module)
    far = squared_distance(hits.position)
    begin, end = (first[hits.module + side].long() for side in (0, 1))
    for i, connection in expand_in_parts(begin, end, PAIRS):
        other = outer[connection].long()
        for at, place in expand_in_parts(starts[other], starts[other + 1], PAIRS):
            a, b, c = i[at], order[place], connection[at]
            outward = (far[b] > far[a]) | ((far[b] == far[a]) & (b > a))
            a, b, c = a[outward], b[outward], c[outward]
            fits = _inside(pair_values(columns, a, b), bounds[row[c].long()])
            yield torch.stack([a[fits], b[fits], c[fits]])


def _accepted(
    columns: Tensor,
    edges: Tensor,
    one: Tensor,
    other: Tensor,
    of_class: Tensor,
    class_first: Tensor,
    class_next: Tensor,
    own_first: Tensor,
    own_next: Tensor,
    bounds: Tensor,
) -> Tensor:
    """Rows of those pairs of edges, the second continuing the first, that the map accepts."""
    c, d = edges[2, one], edges[2, other]
    own = _find(own_first, own_next, c, d, len(own_first))
    shared = _find(
        class_first, class_next, of_class[c].long(), of_class[d].long(), len(class_first)
    )
    row = torch.where(own >= 0, len(class_next) + own, shared)
    known = (row >= 0).nonzero().squeeze(1)
    one, other = one[known], other[known]
    values = triplet_values(columns, edges[0, one], edges[1, one], edges[1, other])
    return known[_inside(values, bounds[row[known]])]


def _find(first: Tensor, following: Tensor, a: Tensor, b: Tensor, n: int) -> Tensor:
    """Place of b among the continuations of a, -1 where it is not among them."""
    if not len(following):
        return torch.full_like(a, -1)
    of = torch.repeat_interleave(first.diff())
    key, wanted = of * n + following, a * n + b
    place = torch.searchsorted(key, wanted).clamp_max(len(key) - 1)
    return torch.where(key[place] == wanted, place, -1)


def _inside(values: Tensor, bounds: Tensor) -> Tensor:
    return ((values >= bounds[..., 0]) & (values <= bounds[..., 1])).all(dim=1)
