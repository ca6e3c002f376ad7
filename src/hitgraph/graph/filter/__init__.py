"""The edge filter: a small network on each candidate edge by itself (arXiv 2103.06995, sec. 5.2).

The paper concatenates the 12 features of both hits. Here the first layer is split, so that the
part of each hit is computed once a hit and not once an edge:

    W [x_i ; x_j ; e_ij] = W_1 x_i + W_2 x_j + W_3 e_ij
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hitgraph.event.detector import Detector
from hitgraph.graph.filter.cpu import score_pairs
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.tiles import MAX_WIDTH
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, logits_of, mlp
from hitgraph.nn.quantise import has_input_grids
from hitgraph.pairs import pair_columns


@dataclass(frozen=True)
class FilterSettings:
    """Sizes of the filter network."""

    hidden: int = 64  # width of every hidden layer
    layers: int = 2  # hidden layers
    inputs: Literal["hits", "pairs", "both"] = "pairs"  # hits: the paper's 24; pairs: geometry

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, layers=1)


class FilterNetwork(nn.Module):
    """Logit of each candidate edge from the features of its two hits and of the pair."""

    def __init__(
        self, settings: FilterSettings, hit_inputs: Sequence[str], pair_inputs: Sequence[str]
    ) -> None:
        """`hit_inputs` and `pair_inputs` name the columns of hits and of pairs that it sees."""
        super().__init__()
        self.settings = settings
        self.hit_inputs, self.pair_inputs = tuple(hit_inputs), tuple(pair_inputs)
        n_hit_features, n_pair_features = len(self.hit_inputs), len(self.pair_inputs)
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
    network: FilterNetwork,
    hits: Hits,
    edge_index: Tensor,
    detector: Detector,
    batch_size: int = 500_000,
    backend: Backend = "auto",
) -> Tensor:
    """(n_edges,) float32 logits on the device of the hits, in batches of bounded memory.

    On a CPU a small network runs in one pass over the edges (graph/filter/cpu.py).
    """
    if runs_fused(network, hits, backend):
        return score_pairs(network, hits, edge_index, detector)
    x = hits.take(network.hit_inputs) if network.use_hits else hits.features
    logits = []
    for begin in range(0, edge_index.shape[1], batch_size):
        part = edge_index[:, begin : begin + batch_size].long()
        pairs = pair_columns(hits, part, detector, network.pair_inputs, backend)
        logits.append(network(x, part, pairs).float())
    return torch.cat(logits) if logits else hits.features.new_zeros(0)


def runs_fused(network: FilterNetwork, hits: Hits, backend: Backend = "auto") -> bool:
    """Whether the CPU kernel takes the network: float32 weights that stay in the cache.

    The kernel knows no grids of inputs.
    """
    return (
        for_host(hits.features, backend)
        and not torch.is_autocast_enabled("cpu")
        and network.settings.hidden <= MAX_WIDTH
        and not has_input_grids(network)
        and all(p.dtype == torch.float32 and p.device.type == "cpu" for p in network.parameters())
    )
