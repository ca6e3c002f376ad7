"""The walkthrough in torch, for edges that lie on a GPU: the tracks of its kernel in numba.

One after the other, a walk takes hits away from the walks of hits farther out. A walk reads and
takes only hits that can be reached from its start along edges above the walk cut and free hits;
so a start may be done before others if no hit it reaches can be reached from a free hit nearer to
the origin. Each round does all such starts at once: the innermost free hit is always among them.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.tracks.plain import connect, number_sets

if TYPE_CHECKING:
    from hitgraph.tracks.walkthrough import WalkthroughSettings


def walk_through(
    hits: Hits, edge_index: Tensor, scores: Tensor, settings: "WalkthroughSettings"
) -> Tensor:
    """What walkthrough.walk_through gives, on the device of the hits."""
    n_hits = len(hits)
    row = torch.arange(n_hits, device=scores.device)
    kept = (scores > settings.score_cut) & (edge_index[0] != edge_index[1])
    # From here on a hit is its place in the order from the origin outward: edges lead upward.
    outward = torch.argsort(squared_distance(hits.position), stable=True)
    place = torch.empty_like(outward)
    place[outward] = row
    inner, outer = place[edge_index[:, kept]].sort(dim=0).values
    component = connect(n_hits, inner, outer)
    branching = _branching(component, inner, outer)
    first = torch.where(branching, row, component)

    nodes = torch.nonzero(branching).squeeze(1)
    number = torch.cumsum(branching, 0) - 1
    walked = branching[inner] & (scores[kept].double() > settings.walk_cut)
    walks = _walks(
        len(nodes), number[inner[walked]], number[outer[walked]], scores[kept][walked], settings
    )
    first[nodes] = nodes[walks]
    group = torch.empty_like(first)
    group[outward] = outward[first]
    lowest = torch.full_like(row, n_hits).scatter_reduce_(0, group, row, "amin")
    return number_sets(lowest[group], settings.min_hits)


def _branching(component: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """(n_hits,) whether a hit of the same component has two edges to one side."""
    counts = (torch.bincount(ends, minlength=len(component))[ends] for ends in (inner, outer))
    several = torch.stack([count > 1 for count in counts]).any(dim=0)
    branches = torch.zeros_like(component, dtype=torch.bool)
    branches[component[inner[several]]] = True
    return branches[component]


def _walks(
    n: int, inner: Tensor, outer: Tensor, score: Tensor, settings: "WalkthroughSettings"
) -> Tensor:
    """(n,) first hit of the track of each hit, or the hit itself when it is on none."""
    hit = torch.arange(n, device=inner.device)
    order = torch.argsort(outer, stable=True)
    order = order[torch.argsort(score[order], stable=True, descending=True)]
    order = order[torch.argsort(inner[order], stable=True)]
    inner, outer, score = inner[order], outer[order], score[order]
    first, free = hit.clone(), torch.ones_like(hit, dtype=torch.bool)
    while bool(free.any()):
        open_ = free[inner] & free[outer]
        inner, outer, score = inner[open_], outer[open_], score[open_]
        now = free & (_lowest_rival(hit, inner, outer) == hit)
        best = torch.ones_like(inner, dtype=torch.bool)  # the first edge of each inner hit
        best[1:] = inner[1:] != inner[:-1]
        taken = best | (score.double() > settings.add_cut)
        length, onward = _longest(n, inner[taken], outer[taken], score[taken])
        free &= ~now
        start = at = hit[now & (length >= settings.min_hits)]
        while len(at):
            first[at] = start
            free[at] = False
            at = onward[at]
            goes_on = at >= 0
            start, at = start[goes_on], at[goes_on]
    return first


def _lowest_rival(hit: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """(n,) the lowest hit that reaches any hit which the given one reaches; each reaches itself."""
    lowest = hit.clone()
    for source, target in ((inner, outer), (outer, inner)):
        changed = True
        while changed:
            before = lowest
            lowest = before.scatter_reduce(0, target, before[source], "amin")
            changed = not torch.equal(lowest, before)
    return lowest


def _longest(n: int, inner: Tensor, outer: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """Hits of the longest path from each hit (n,), and its second hit (-1: none).

    Of several the one with the highest sum of scores, of these the one to the innermost hit.
    """
    length = torch.ones(n, dtype=torch.int64, device=inner.device)
    longest = 1
    while bool((rows := length[outer] == longest).any()):
        longest += 1
        length[inner[rows]] = longest
    total = torch.zeros(n, dtype=torch.float64, device=inner.device)
    onward = torch.full_like(length, -1)
    for steps in range(2, longest + 1):
        rows = (length[inner] == steps) & (length[outer] == steps - 1)
        a, b = inner[rows], outer[rows]
        each = score[rows].double() + total[b]
        most = torch.full_like(total, -torch.inf).scatter_reduce_(0, a, each, "amax")
        wins = each == most[a]
        second = torch.full_like(onward, n).scatter_reduce_(0, a[wins], b[wins], "amin")
        here = length == steps
        total, onward = torch.where(here, most, total), torch.where(here, second, onward)
    return length, onward
