"""The module-exclusive merge on a GPU: the rounds of tracks.plain.merge, three kernels each.

Each group keeps the modules of its hits in a row of a table, so that two groups are compared, and
joined, by one program. Edges that are settled are taken out of the list every ROUNDS rounds.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

ROUNDS = 4
BLOCK = 256  # edges or hits a program


def merge(
    source: Tensor, target: Tensor, module: Tensor, max_hits: int, given: Tensor | None = None
) -> Tensor:
    """What tracks.plain.merge gives."""
    n_hits, n_edges, device = len(module), len(source), module.device
    own = torch.arange(n_hits, dtype=torch.int32, device=device)
    group = own.clone() if given is None else given.int()
    size = torch.bincount(group, minlength=n_hits).int()
    width = triton.next_power_of_2(max_hits)
    held = _modules_held(group, size, module, width)
    parent, best = own, torch.full_like(own, n_edges)
    source, target = source.int(), target.int()
    is_open = torch.ones(n_edges, dtype=torch.int8, device=device)
    rank = torch.arange(n_edges, dtype=torch.int32, device=device)
    while len(rank) > 0:
        n = len(rank)
        for _ in range(ROUNDS):
            _offer[(triton.cdiv(n, BLOCK),)](
                rank, n, source, target, group, size, max_hits, is_open, best, BLOCK=BLOCK
            )
            _take[(n,)](
                rank, source, target, group, size, held, parent, is_open, best,
                WIDTH=width, num_warps=1,
            )  # fmt: skip
            _relabel[(triton.cdiv(n_hits, BLOCK),)](
                group, parent, best, n_hits, n_edges, BLOCK=BLOCK
            )
        rank = rank[is_open[rank] > 0]
    return group.long()


def _modules_held(group: Tensor, size: Tensor, module: Tensor, width: int) -> Tensor:
    """(n_hits, width) int32 the modules of each group's hits, -1 behind the last."""
    held = module.new_full((len(module), width), -1, dtype=torch.int32)
    order = torch.argsort(group, stable=True)
    of = group[order].long()
    slot = torch.arange(len(group), device=group.device) - (torch.cumsum(size, 0) - size)[of]
    fits = slot < width  # a longer group takes nobody in
    held[of[fits], slot[fits]] = module[order][fits].int()
    return held


@triton.jit
def _offer(  # type: ignore[no-untyped-def]
    rank, n, source, target, group, size, max_hits, is_open, best, BLOCK: tl.constexpr
):
    """Closes edges that can join nothing; the others offer themselves to both their groups."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    edge = tl.load(rank + place, mask=inside, other=0)
    inside = inside & (tl.load(is_open + edge, mask=inside, other=0) > 0)
    a = tl.load(group + tl.load(source + edge, mask=inside, other=0), mask=inside, other=0)
    b = tl.load(group + tl.load(target + edge, mask=inside, other=0), mask=inside, other=0)
    hits = tl.load(size + a, mask=inside, other=0) + tl.load(size + b, mask=inside, other=0)
    fits = inside & (a != b) & (hits <= max_hits)
    tl.store(is_open + edge, fits.to(tl.int8), mask=inside)
    tl.atomic_min(best + a, edge, mask=fits)
    tl.atomic_min(best + b, edge, mask=fits)


@triton.jit
def _take(  # type: ignore[no-untyped-def]
    rank, source, target, group, size, held, parent, is_open, best, WIDTH: tl.constexpr
):
    """The edge that both its groups hold for the best joins them, if they share no module."""
    edge = tl.load(rank + tl.program_id(0))
    if tl.load(is_open + edge) > 0:
        a = tl.load(group + tl.load(source + edge))
        b = tl.load(group + tl.load(target + edge))
        if (tl.load(best + a) == edge) & (tl.load(best + b) == edge):
            tl.store(is_open + edge, 0)
            slot = tl.arange(0, WIDTH)
            low, high = tl.minimum(a, b), tl.maximum(a, b)
            one = tl.load(held + low.to(tl.int64) * WIDTH + slot)
            other = tl.load(held + high.to(tl.int64) * WIDTH + slot)
            same = (one[:, None] == other[None, :]) & (one[:, None] >= 0)
            if tl.max(tl.max(same.to(tl.int32), 1), 0) == 0:
                n, more = tl.load(size + low), tl.load(size + high)
                tl.store(held + low.to(tl.int64) * WIDTH + n + slot, other, mask=slot < more)
                tl.store(size + low, n + more)
                tl.store(parent + high, low)


@triton.jit
def _relabel(group, parent, best, n_hits, none, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Hits follow their group into the one that took it in; no edge is the best of any."""
    hit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = hit < n_hits
    mine = tl.load(group + hit, mask=inside, other=0)
    tl.store(group + hit, tl.load(parent + mine, mask=inside, other=0), mask=inside)
    tl.store(best + hit, none, mask=inside)
