"""The triplet filter: an edge is as good as the edges that continue it.

A pair of hits shows little of a track; three hits show a helix that the beam line does not have
to fix. For every edge this stage looks at all edges that continue it inward and outward, judges
each triplet with a small network (residuals, agreement of the two edges, how good they are by
themselves), and judges the edge anew from its own logit and from its best triplets on either
side. Triplets are never stored. After arXiv 2103.06995, section 5.4 (triplet graph), and
arXiv 1810.06111, without the cost of a graph network on triplets.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.graph.triplets import cpu, plain, search
from hitgraph.graph.triplets import rows as edge_rows
from hitgraph.hits import Hits
from hitgraph.kernels.blocks import in_blocks, in_parallel
from hitgraph.kernels.choice import Backend, for_gpu, for_host
from hitgraph.kernels.groups import group_by_hit
from hitgraph.kernels.tiles import COLUMNS, pad, whole_rows
from hitgraph.lessons.settings import check_above, check_at_least
from hitgraph.nn.blocks import Standardise, as_numpy, logits_of, mlp

Float32 = NDArray[np.float32]

SUPPORT = ("inner_best", "inner_sum", "outer_best", "outer_sum")
_HITS = 1024  # middle hits, what is worth a task
_EDGES = 256 * edge_rows.LANES  # the same of edges


@dataclass(frozen=True)
class TripletSettings:
    """Sizes of the two networks, and how far a middle hit may lie off."""

    hidden: int = 32  # width of the hidden layers; the second of the triplet network has half
    reach_phi: float = 2.5  # mm, between the middle hit and the circle through the outer two
    reach_z: float = 4.0  # mm, between it and their straight line along z
    same_layer: bool = True  # they are told which edges join hits of one layer

    def __post_init__(self) -> None:
        check_at_least(self, hidden=2)
        check_above(self, reach_phi=0, reach_z=0)


class RowNetwork(nn.Module):
    """Logit of each row of features; with `residual` added to the row's first feature."""

    def __init__(self, sizes: list[int], residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.standardise = Standardise(sizes[0])
        self.layers = mlp([*sizes, 1])

    def forward(self, rows: Tensor) -> Tensor:
        """(n, n_features) -> (n,)."""
        logits = logits_of(self.layers, self.standardise(rows))
        return logits + rows[:, 0] if self.residual else logits


class TripletFilter(nn.Module):
    """Judges triplets, and edges by their triplets."""

    def __init__(self, settings: TripletSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.hidden
        self.triplet = RowNetwork([search.N_TRIPLET_INPUTS, width, width // 2], residual=False)
        self.edge = RowNetwork([edge_rows.N_EDGE_INPUTS, width, width], residual=True)


class Doublets(NamedTuple):
    """Scored edges of an event, ordered for the search of triplets."""

    source: NDArray[np.int32]  # (n_edges,) inner hits
    target: NDArray[np.int32]  # (n_edges,) outer hits
    into_start: NDArray[np.int64]  # (n_hits + 1,) where in `into` a hit's edges begin
    into: NDArray[np.int32]  # (n_edges,) edges by outer hit
    from_start: NDArray[np.int64]  # (n_hits + 1,)
    out_of: NDArray[np.int32]  # (n_edges,) edges by inner hit
    points: Float32  # (n_hits, 4) x, y, z in mm, and x^2 + y^2
    rows: Float32  # (n_edges, 8) columns of triplets.rows


def judge_edges(
    network: TripletFilter,
    hits: Hits,
    edge_index: Tensor,
    logits: Tensor,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor]:
    """New logits (n_edges,) of edges with logits, and their SUPPORT (n_edges, 4), float32.

    edge_index (2, n_edges) is directed, inner hit first.
    """
    if not for_host(logits, backend):
        return plain.judge_edges(network, hits, edge_index, logits, _device_search(logits, backend))
    doublets = order_doublets(hits, edge_index, logits, network.settings.same_layer)
    support = edge_support(network, doublets)
    judged = np.empty(len(doublets.source), np.float32)
    weights = _weights(network.edge)

    def task(begin: int, end: int) -> None:
        cpu.judge_edges(
            begin, end, doublets.source, doublets.target, doublets.points, doublets.rows,
            support, weights, judged,
        )  # fmt: skip

    in_blocks(task, len(judged), _EDGES)
    return torch.from_numpy(judged), torch.from_numpy(support)


def _device_search(logits: Tensor, backend: Backend) -> plain.Search:
    if for_gpu(logits, backend):
        from hitgraph.graph.triplets.gpu import triplets_in_parts

        return triplets_in_parts
    return plain.triplets_in_parts


def edge_support(network: TripletFilter, doublets: Doublets) -> Float32:
    """The support of each edge by the triplets within reach: (n_edges, 4), columns SUPPORT.

    Of the triplets that lead into it from inside, and of those that lead on from it, the best
    logit and the logarithm of the sum of their odds.
    """
    support = np.empty((len(doublets.source), len(SUPPORT)), np.float32)
    weights = _weights(network.triplet)

    def judge(begin: int, end: int) -> None:
        cpu.support_edges(begin, end, *doublets, *_reach(network.settings), weights, support)

    def begin_with(begin: int, end: int) -> None:
        cpu.clear_support(begin, end, support)

    def finish(begin: int, end: int) -> None:
        cpu.take_logarithms(begin, end, support)

    in_blocks(begin_with, len(support), _EDGES)
    in_blocks(judge, len(doublets.points), _HITS)
    in_blocks(finish, len(support), _EDGES)
    return support


def edge_inputs(doublets: Doublets, support: Float32) -> Float32:
    """(n_edges, 13) what the edge network reads; its first column is the old logit."""
    inputs: Float32 = edge_rows.list_edge_inputs(
        doublets.source, doublets.target, doublets.points, doublets.rows, support
    )
    return inputs


def find_triplets(
    settings: TripletSettings, doublets: Doublets
) -> tuple[NDArray[np.int32], Float32]:
    """All triplets within reach: (n, 2) inner and outer edge, and the network's inputs (n, 15)."""
    found: dict[int, tuple[NDArray[np.int32], Float32]] = {}

    def task(begin: int, end: int) -> None:
        found[begin] = search.list_triplets(begin, end, *doublets, *_reach(settings))

    in_blocks(task, len(doublets.points), _HITS)
    blocks = [found[begin] for begin in sorted(found)]
    edges = [np.empty((0, 2), np.int32), *(block[0] for block in blocks)]
    inputs = [
        np.empty((0, search.N_TRIPLET_INPUTS), np.float32),
        *(block[1] for block in blocks),
    ]
    return np.concatenate(edges), np.concatenate(inputs)


def order_doublets(
    hits: Hits, edge_index: Tensor, logits: Tensor, same_layer: bool = True
) -> Doublets:
    """Edges (2, n_edges), inner hit first, with logits (n_edges,), as the search wants them.

    Where `same_layer` is not to be known, no two hits are on one.
    """
    source, target = (ends.astype(np.int32) for ends in edge_index.cpu().numpy())
    points = np.empty((len(hits), 4), np.float32)
    points[:, :3] = hits.straight.cpu().numpy()
    points[:, 3] = points[:, 0] ** 2 + points[:, 1] ** 2
    layer = hits.layer.cpu().numpy() if same_layer else np.arange(len(hits))
    logit = logits.detach().cpu().numpy()
    rows = np.empty((len(source), edge_rows.EDGE_WIDTH), np.float32)

    def task(begin: int, end: int) -> None:
        edge_rows.fill_edge_rows(begin, end, source, target, points, layer, logit, rows)

    in_blocks(task, len(source), _EDGES)
    (into_start, into), (from_start, out_of) = in_parallel(
        lambda end: group_by_hit(end, len(hits)), (target, source)
    )
    return Doublets(source, target, into_start, into, from_start, out_of, points, rows)


def _weights(network: RowNetwork) -> tuple[Float32 | np.float32, ...]:
    """As the kernels want them: whole rows of tiles, and each bias as a row of equal numbers."""
    first, second, last = (layer for layer in network.layers if isinstance(layer, nn.Linear))
    widths = whole_rows(first.out_features), whole_rows(second.out_features)
    return (
        as_numpy(network.standardise.mean),
        as_numpy(1.0 / network.standardise.std),
        pad(as_numpy(first.weight), widths[0], first.in_features),
        pad(as_numpy(first.bias), widths[0])[:, None].repeat(COLUMNS, axis=1),
        pad(as_numpy(second.weight), *widths[::-1]),
        pad(as_numpy(second.bias), widths[1])[:, None].repeat(COLUMNS, axis=1),
        pad(as_numpy(last.weight)[0], widths[1]),
        np.float32(last.bias.item()),
    )


def _reach(settings: TripletSettings) -> tuple[np.float32, np.float32]:
    return np.float32(settings.reach_phi), np.float32(settings.reach_z)
