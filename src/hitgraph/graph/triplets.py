"""The triplet filter: an edge is as good as the edges that continue it.

A pair of hits shows little of a track; three hits show a helix that the beam line does not have
to fix. For every edge this stage looks at all edges that continue it inward and outward, judges
each triplet with a small network (residuals, agreement of the two edges, how good they are by
themselves), and judges the edge anew from its own logit and from its best triplets on either
side. Triplets are never stored. After arXiv 2103.06995, section 5.4 (triplet graph), and
arXiv 1810.06111, without the cost of a graph network on triplets.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.graph import triplet_search as search
from hitgraph.graph.hits import Hits
from hitgraph.graph.networks import Standardise, mlp
from hitgraph.graph.pairs import edge_features

Float32 = NDArray[np.float32]

SUPPORT = ("inner_best", "inner_sum", "outer_best", "outer_sum")
EDGE_ROWS = ("curvature", "slope", "z0", "distance", "same_layer")
PLACES = ("inner_r", "inner_z", "outer_r", "outer_z")
_BLOCK = 2048  # middle hits a task


@dataclass(frozen=True)
class TripletSettings:
    """Sizes of the two networks, and how far a middle hit may lie off."""

    hidden: int = 32  # width of the hidden layers; the second of the triplet network has half
    reach_phi: float = 2.5  # mm, between the middle hit and the circle through the outer two
    reach_z: float = 4.0  # mm, between it and their straight line along z

    def __post_init__(self) -> None:
        if self.hidden < 2:
            raise SettingsError(f"hidden: {self.hidden} is not allowed, at least 2")
        for key in ("reach_phi", "reach_z"):
            if getattr(self, key) <= 0:
                raise SettingsError(f"{key}: {getattr(self, key)} mm is not allowed, above 0")


class RowNetwork(nn.Module):
    """Logit of each row of features; with `residual` added to the row's first feature."""

    def __init__(self, sizes: list[int], residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.standardise = Standardise(sizes[0])
        self.layers = mlp([*sizes, 1])

    def forward(self, rows: Tensor) -> Tensor:
        """(n, n_features) -> (n,)."""
        logits: Tensor = self.layers(self.standardise(rows)).squeeze(-1)
        return logits + rows[:, 0] if self.residual else logits


class TripletFilter(nn.Module):
    """Judges triplets, and edges by their triplets."""

    def __init__(self, settings: TripletSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.hidden
        self.triplet = RowNetwork([search.N_TRIPLET_INPUTS, width, width // 2], residual=False)
        n_inputs = 1 + len(SUPPORT) + len(EDGE_ROWS) - 1 + len(PLACES)
        self.edge = RowNetwork([n_inputs, width, width], residual=True)


class Doublets(NamedTuple):
    """Scored edges of an event, ordered for the search of triplets."""

    source: NDArray[np.int32]  # (n_edges,) inner hits
    target: NDArray[np.int32]  # (n_edges,) outer hits
    into_start: NDArray[np.int64]  # (n_hits + 1,) where in `into` a hit's edges begin
    into: NDArray[np.int32]  # (n_edges,) edges by outer hit
    from_start: NDArray[np.int64]  # (n_hits + 1,)
    out_of: NDArray[np.int32]  # (n_edges,) edges by inner hit
    position: Float32  # (n_hits, 3) mm
    rows: Float32  # (n_edges, 6) columns of triplet_search


def judge_edges(
    network: TripletFilter, hits: Hits, edge_index: Tensor, logits: Tensor, detector: Detector
) -> tuple[Tensor, Tensor]:
    """New logits (n_edges,) of edges with logits, and their SUPPORT (n_edges, 4), float32."""
    features = doublet_features(hits, edge_index, detector)
    doublets = order_doublets(hits, edge_index, logits, features)
    support = edge_support(network, doublets)
    with torch.no_grad():
        rows = edge_inputs(features, logits, support)
        judged = [network.edge(part) for part in torch.split(rows, 500_000)]
    return torch.cat(judged) if judged else logits, support


def edge_support(network: TripletFilter, doublets: Doublets) -> Tensor:
    """SUPPORT of each edge, (n_edges, 4): logit of the best triplet and log of the sum of odds."""
    n_edges = len(doublets.source)
    inner = np.zeros((n_edges, 2), np.float32)
    inner[:, 0] = search.NO_TRIPLET
    outer = inner.copy()
    weights = _weights(network.triplet)

    def task(begin: int) -> None:
        end = min(begin + _BLOCK, len(doublets.position))
        search.support_edges(
            begin, end, *doublets, *_reach(network.settings), *weights, inner, outer
        )

    _in_blocks(task, len(doublets.position))
    for side in (inner, outer):
        side[:, 1] = np.log(side[:, 1] + search.SUM_FLOOR)
    return torch.from_numpy(np.concatenate([inner, outer], axis=1))


def find_triplets(
    settings: TripletSettings, doublets: Doublets
) -> tuple[NDArray[np.int32], Float32]:
    """All triplets within reach: (n, 2) inner and outer edge, and the network's inputs (n, 15)."""
    found: dict[int, tuple[NDArray[np.int32], Float32]] = {}

    def task(begin: int) -> None:
        end = min(begin + _BLOCK, len(doublets.position))
        found[begin] = search.list_triplets(begin, end, *doublets, *_reach(settings))

    _in_blocks(task, len(doublets.position))
    blocks = [found[begin] for begin in sorted(found)]
    edges = [np.empty((0, 2), np.int32), *(block[0] for block in blocks)]
    inputs = [
        np.empty((0, search.N_TRIPLET_INPUTS), np.float32),
        *(block[1] for block in blocks),
    ]
    return np.concatenate(edges), np.concatenate(inputs)


def edge_inputs(features: Tensor, logits: Tensor, support: Tensor) -> Tensor:
    """(n_edges, 13) what the edge network reads; features are EDGE_ROWS and PLACES."""
    curvature, slope, _, *rest = features.unbind(1)
    columns = [logits, *support.unbind(1), curvature.abs(), slope.abs(), *(c.abs() for c in rest)]
    return torch.stack(columns, dim=1)


def doublet_features(hits: Hits, edge_index: Tensor, detector: Detector) -> Tensor:
    """(n_edges, 9) EDGE_ROWS and PLACES of edges (2, n_edges), the distance as its logarithm."""
    features = edge_features(hits, edge_index, detector, (*EDGE_ROWS, *PLACES)).cpu()
    # Two hits one behind the other along z lie on no circle.
    features = torch.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0)
    features[:, 3] = torch.log(features[:, 3].clamp_min(1e-3))
    return features


def order_doublets(hits: Hits, edge_index: Tensor, logits: Tensor, features: Tensor) -> Doublets:
    """Edges (2, n_edges) with logits (n_edges,) and doublet_features, as the search wants them."""
    source, target = (ends.astype(np.int32) for ends in edge_index.cpu().numpy())
    into_start, into = _group(target, len(hits))
    from_start, out_of = _group(source, len(hits))
    rows = torch.cat([features[:, : len(EDGE_ROWS)], logits.cpu()[:, None]], dim=1)
    return Doublets(
        source,
        target,
        into_start,
        into,
        from_start,
        out_of,
        np.ascontiguousarray(hits.position.cpu().numpy(), dtype=np.float32),
        np.ascontiguousarray(rows.numpy(), dtype=np.float32),
    )


def _group(end: NDArray[np.int32], n_hits: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Where the edges of each hit begin (n_hits + 1,), and the edges sorted by hit."""
    counts = np.bincount(end, minlength=n_hits)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return start, np.argsort(end, kind="stable").astype(np.int32)


def _weights(network: RowNetwork) -> tuple[Float32, ...]:
    linear = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    constants = [network.standardise.mean, 1.0 / network.standardise.std]
    tensors = [*constants, *(t for layer in linear for t in (layer.weight, layer.bias))]
    return tuple(np.ascontiguousarray(t.detach().cpu().numpy()) for t in tensors)


def _reach(settings: TripletSettings) -> tuple[np.float32, np.float32]:
    return np.float32(settings.reach_phi), np.float32(settings.reach_z)


def _in_blocks(task: Callable[[int], None], n_hits: int) -> None:
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(task, range(0, n_hits, _BLOCK)))
