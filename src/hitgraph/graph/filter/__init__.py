"""The edge filter: a small network on each candidate edge by itself (arXiv 2103.06995, sec. 5.2).

The paper concatenates the 12 features of both hits. Here the first layer is split, so that the
part of each hit is computed once a hit and not once an edge:

    W [x_i ; x_j ; e_ij] = W_1 x_i + W_2 x_j + W_3 e_ij
"""

from dataclasses import dataclass
from typing import Literal, TypeGuard

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.graph.filter.cpu import score_pairs
from hitgraph.hits import Hits
from hitgraph.kernels.choice import for_host
from hitgraph.kernels.tiles import MAX_WIDTH
from hitgraph.nn.blocks import Standardise, logits_of, mlp
from hitgraph.pairs import pair_features


@dataclass(frozen=True)
class FilterSettings:
    """Sizes of the filter network."""

    hidden: int = 64  # width of every hidden layer
    layers: int = 2  # hidden layers
    inputs: Literal["hits", "pairs", "both"] = "pairs"  # hits: the paper's 24; pairs: geometry

    def __post_init__(self) -> None:
        for key in ("hidden", "layers"):
            if getattr(self, key) < 1:
                raise SettingsError(f"{key}: {getattr(self, key)} is not allowed, at least 1")


class FilterNetwork(nn.Module):
    """Logit of each candidate edge from the features of its two hits and of the pair."""

    def __init__(self, settings: FilterSettings, n_hit_features: int, n_pair_features: int) -> None:
        super().__init__()
        self.settings = settings
        width = settings.hidden
        self.use_hits = settings.inputs in ("hits", "both")
        self.use_pairs = settings.inputs in ("pairs", "both")
        if self.use_hits:
            self.standardise_hits = Standardise(n_hit_features)
            self.inner = nn.Linear(n_hit_features, width)
            self.outer = nn.Linear(n_hit_features, width, bias=False)
        if self.use_pairs:
            self.standardise_pairs = Standardise(n_pair_features)
            self.pair = nn.Linear(n_pair_features, width)
        self.rest = mlp([width] * settings.layers + [1])

    def learn_inputs(self, x: Tensor, edge_attr: Tensor) -> None:
        """Standardise by a sample of hits (n, n_hit_features) and pairs (n, n_pair_features)."""
        if self.use_hits:
            self.standardise_hits.learn(x)
        if self.use_pairs:
            self.standardise_pairs.learn(edge_attr)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None) -> Tensor:
        """(n_hits, n_features), (2, n_edges), (n_edges, n_pair_features) -> (n_edges,) logits."""
        first: Tensor | None = None
        if self.use_hits:
            scaled = self.standardise_hits(x)
            first = self.inner(scaled).index_select(0, edge_index[0])
            first = first + self.outer(scaled).index_select(0, edge_index[1])
        if self.use_pairs:
            if edge_attr is None:
                raise ValueError("the filter was built with pair features: edge_attr is needed")
            pairs = self.pair(self.standardise_pairs(edge_attr))
            first = pairs if first is None else first + pairs
        assert first is not None
        return logits_of(self.rest, torch.relu(first))


@torch.no_grad()
def score_candidates(
    network: nn.Module,
    hits: Hits,
    edge_index: Tensor,
    detector: Detector,
    batch_size: int = 500_000,
    extra: Tensor | None = None,
) -> Tensor:
    """(n_edges,) float32 logits on the device of the hits, in batches of bounded memory.

    A network of pair inputs sees the pair features, then `extra` (n_edges, k). On a CPU a small
    FilterNetwork runs in one pass over the edges (graph/filter_kernel.py).
    """
    if runs_fused(network, hits):
        return score_pairs(network, hits, edge_index, detector, extra)
    logits = []
    for begin in range(0, edge_index.shape[1], batch_size):
        part = edge_index[:, begin : begin + batch_size].long()
        inputs = pair_features(hits, part, detector)
        if extra is not None:
            inputs = torch.cat([inputs, extra[begin : begin + batch_size]], dim=1)
        logits.append(network(hits.features, part, inputs).float())
    return torch.cat(logits) if logits else hits.features.new_zeros(0)


def runs_fused(network: nn.Module, hits: Hits) -> TypeGuard[FilterNetwork]:
    """Whether the CPU kernel takes the network: float32 weights that stay in the cache."""
    return (
        isinstance(network, FilterNetwork)
        and for_host(hits.features)
        and not torch.is_autocast_enabled("cpu")
        and network.settings.hidden <= MAX_WIDTH
        and all(p.dtype == torch.float32 and p.device.type == "cpu" for p in network.parameters())
    )
