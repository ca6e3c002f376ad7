"""The hierarchical network (arXiv 2303.01640): hits, and supernodes above them.

Interaction rounds on the graph give every hit an embedding, a unit vector; GMPool makes supernodes
of hits that are alike. Then, with t the atanh of a cosine, hits x, edges e, supernodes s, the k
supernodes that are nearest to a hit (weights w, softmax of t) and the supernodes nearest to each
other (weights v, sigmoid of t), every round above does

    x, e <- interaction round(x, e)
    s    <- s + MLP[s, sum of v s over neighbours, sum of w x over hits]
    x    <- x + MLP[x, sum of w s over supernodes]

and the logit of a hit for a supernode is t, less its mean over the hit's supernodes, and an MLP of
[x, s, t, p], where p says whether the hit was pooled into it: that supernode is always one of the
k. The paper has the exponential of the cosine for w, and an MLP of [x, s] alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hitgraph.gnn.hierarchical.pooling import (
    GaussianPool,
    candidates,
    centres,
    nearest,
    similarity,
)
from hitgraph.gnn.interaction import InteractionSettings, Round
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import logits_of, mlp, sum_at
from hitgraph.nn.edges import EdgeNetwork


@dataclass(frozen=True)
class HierarchicalNetworkSettings:
    """Sizes of the network."""

    hidden: int = 32  # width of every state and layer
    steps: int = 6  # rounds on the graph, before hits are pooled
    steps_above: int = 3  # rounds with supernodes
    embedding: int = 8  # dimensions of the space in which hits are pooled
    gamma: float = 5.0  # how much likelier an edge above the cut is to join hits of one particle
    min_hits: int = 3  # of a supernode
    supernodes: int = 5  # that a hit may belong to
    neighbours: int = 10  # of a supernode

    def __post_init__(self) -> None:
        check_at_least(
            self,
            hidden=1,
            steps=1,
            steps_above=0,
            embedding=2,
            min_hits=1,
            supernodes=1,
            neighbours=0,
        )


class Hierarchy(NamedTuple):
    """What the network makes of an event."""

    embedding: Tensor  # (n_hits, d) unit vectors, before the hits are pooled
    final: Tensor  # (n_hits, d) unit vectors, after the rounds above
    supernode: Tensor  # (n_hits,) int64 that a hit was pooled into, -1 = none
    pairs: Tensor  # (2, n_pairs) int64 hits and supernodes that they may belong to
    logit: Tensor  # (n_pairs,)


class HierarchicalNetwork(EdgeNetwork):
    """Which hits belong to which supernode."""

    def __init__(
        self, settings: HierarchicalNetworkSettings, n_hit_inputs: int, n_edge_inputs: int
    ) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        self.settings, width = settings, settings.hidden
        sizes = InteractionSettings(hidden=width, mlp_hidden=width)
        self.encode_hits = mlp([n_hit_inputs, width, width])
        self.encode_edges = mlp([n_edge_inputs, width, width])
        self.below = nn.ModuleList(Round(sizes) for _ in range(settings.steps))
        self.embed = mlp([width, width, settings.embedding])
        self.pool = GaussianPool(settings.gamma)
        self.encode_supernodes = mlp([width + settings.embedding, width, width])
        self.rounds = nn.ModuleList(Round(sizes) for _ in range(settings.steps_above))
        self.above = nn.ModuleList(_Above(width) for _ in range(settings.steps_above))
        self.embed_again = mlp([width, width, settings.embedding])
        self.classify = mlp([2 * width + 2, width, 1])

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Logits (n_pairs,) of hits for supernodes; `hierarchy` tells which."""
        return self.hierarchy(x, edge_index, edge_attr).logit

    def hierarchy(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Hierarchy:
        """(n_hits, n_hit_inputs), (2, n_edges), (n_edges, n_edge_inputs) -> all of it."""
        settings = self.settings
        hits = self.encode_hits(self.standardise_hits(x))
        edges = self.encode_edges(self.standardise_edges(edge_attr))
        for one_round in self.below:
            hits, edges = self.recomputed(one_round, hits, edges, edge_index, self.backend)
        embedding = nn.functional.normalize(self.embed(hits).float(), dim=1)
        supernode = self.pool(embedding, edge_index, settings.min_hits)
        centre = centres(embedding, supernode)
        pairs = candidates(embedding, centre, supernode, settings.supernodes)
        alike = similarity(embedding[pairs[0]], centre[pairs[1]])[:, None]
        by_hit = alike.view(len(hits), min(settings.supernodes, len(centre)))
        share = torch.softmax(by_hit, dim=1).view(-1, 1)
        beside = nearest(centre, centre, settings.neighbours + 1)
        beside = beside[:, beside[0] != beside[1]]
        near = torch.sigmoid(similarity(centre[beside[0]], centre[beside[1]]))[:, None]
        members = sum_at(share * hits[pairs[0]], pairs[1], len(centre))
        supers = self.encode_supernodes(torch.cat([members, centre], dim=1))
        for one_round, above in zip(self.rounds, self.above, strict=True):
            hits, edges = self.recomputed(one_round, hits, edges, edge_index, self.backend)
            hits, supers = self.recomputed(above, hits, supers, pairs, share, beside, near)
        own = (supernode[pairs[0]] == pairs[1])[:, None].float()
        inputs = torch.cat([hits[pairs[0]], supers[pairs[1]], alike, own], dim=1)
        logit = logits_of(self.classify, inputs) + _above_mean(by_hit).flatten()
        final = nn.functional.normalize(self.embed_again(hits).float(), dim=1)
        return Hierarchy(embedding, final, supernode, pairs, logit)


def _above_mean(alike: Tensor) -> Tensor:
    """(n_hits, k) how much more alike a supernode is than the others that a hit may belong to."""
    return alike - alike.mean(dim=1, keepdim=True) if alike.shape[1] else alike


class _Above(nn.Module):
    """Supernodes hear each other and their hits, hits their supernodes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalise_supernodes, self.normalise_hits = (
            nn.LayerNorm(3 * width),
            nn.LayerNorm(2 * width),
        )
        self.supernodes = mlp([3 * width, width, width])
        self.hits = mlp([2 * width, width, width])

    def forward(
        self,
        hits: Tensor,
        supers: Tensor,
        pairs: Tensor,
        share: Tensor,
        beside: Tensor,
        near: Tensor,
    ) -> tuple[Tensor, Tensor]:
        around = sum_at(near * supers[beside[1]], beside[0], len(supers))
        members = sum_at(share * hits[pairs[0]], pairs[1], len(supers))
        heard = self.normalise_supernodes(torch.cat([supers, around, members], dim=1))
        supers = supers + self.supernodes(heard)
        own = sum_at(share * supers[pairs[1]], pairs[0], len(hits))
        return hits + self.hits(self.normalise_hits(torch.cat([hits, own], dim=1))), supers
