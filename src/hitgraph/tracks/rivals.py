"""Edges that contradict better ones go, so that components are tracks.

A track goes on from a hit to one other hit, or to several that lie on it one behind the other. So
of two edges that leave a hit, only one can be true, unless a good edge joins the hits where they
end; the same holds for two edges that come to a hit. What is asked is local and asked of all edges
at once: other programs can run it as a part of a network (hitgraph.export).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.kernels.joins import equal_rows, find_rows
from hitgraph.lessons.material import Material
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, LOGIT, State, logit
from hitgraph.tensors import refuse_others
from hitgraph.tracks.checks import check_score

_MOST_HITS = 1 << 31


@dataclass(frozen=True)
class RivalSettings(StageSettings):
    """Of two edges from one hit to hits that no good edge joins, the better stays."""

    joined: float = 0.5  # score of an edge that joins two hits

    needs: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES, LOGIT})

    def __post_init__(self) -> None:
        check_score("joined", self.joined)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "RivalStage":
        refuse_others(tensors, [])
        return RivalStage(context, self)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "RivalStage":  # noqa: ARG002
        return RivalStage(context, self)


@dataclass(frozen=True, eq=False)
class RivalStage:
    """Ready to run."""

    context: Context
    settings: RivalSettings

    def __call__(self, state: State) -> State:
        edges = state.graph()
        best = unrivalled(edges, state.edge["logit"], len(state.hits), self.settings.joined)
        return state.with_edges_at(torch.nonzero(best).squeeze(1))

    def tensors(self) -> dict[str, Tensor]:
        return {}


def unrivalled(
    edge_index: Tensor, logits: Tensor, n_hits: int, joined: float, slack: float | Tensor = 0.0
) -> Tensor:
    """(n_edges,) bool which edges no better one contradicts.

    edge_index (2, n_edges) int64 is directed, inner hit first. Edges below a cut on the scores may
    be left out before or after, where the cut is not above `joined`: they contradict no better one.
    With a slack, of logits, in doubt for an edge, below zero against it, one or (n_edges,): what
    rounding decides are the edges where both answers differ.
    """
    good, beaten_by = logits >= logit(joined) - slack, logits + slack
    source, target = edge_index.unbind(dim=0)
    key, order = torch.sort(_pair(source, target))
    edges, ends, others = [], [], []
    for near, far in ((source, target), (target, source)):
        e, f = equal_rows(near, near, n_hits)
        better = (e != f) & (logits[f] > beaten_by[e])
        e, f = e[better], f[better]
        edges.append(e)
        ends.append(far[e])
        others.append(far[f])
    row = find_rows(key, _pair(torch.cat(ends), torch.cat(others)))
    joins = (row >= 0) & good[order[row.clamp_min(0)]]
    beaten = torch.zeros_like(logits).index_add(0, torch.cat(edges), (~joins).to(logits.dtype))
    return beaten == 0


def _pair(one: Tensor, other: Tensor) -> Tensor:
    """(n,) a number for each pair of hits, whichever stands first."""
    return torch.minimum(one, other) * _MOST_HITS + torch.maximum(one, other)
