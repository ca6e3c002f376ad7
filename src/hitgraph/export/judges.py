"""Stages that look at several edges together, as other programs call them: called as a Judge."""

import torch
from torch import Tensor, nn

from hitgraph.export.space_points import Judge
from hitgraph.graph.triplets import TripletFilter, TripletSettings
from hitgraph.graph.triplets.plain import (
    edge_inputs,
    edge_rows,
    edge_support,
    triplets_of,
)
from hitgraph.kernels.joins import equal_rows
from hitgraph.tracks.rivals import unrivalled

BEATEN = -50.0  # a logit whose sigmoid no cut lets pass
SLACK = 0.05  # of logits, and of their size above one: the largest difference let pass


class TripletJudge(nn.Module):
    """A triplet filter behind the filter whose logits it is given."""

    def __init__(self, network: TripletFilter, before: Judge) -> None:
        super().__init__()
        self.network, self.before = network, before

    def forward(self, hits: Tensor, straight: Tensor, edge_index: Tensor, pairs: Tensor) -> Tensor:
        logits = self.before(hits, straight, edge_index, pairs)
        rows = edge_rows(straight, edge_index, logits, torch.zeros_like(logits))
        support = edge_support(self.network, straight, edge_index, rows, triplets_at_once)
        judged: Tensor = self.network.edge(edge_inputs(straight, edge_index, rows, support))
        return judged


def triplets_at_once(
    settings: TripletSettings, position: Tensor, edge_index: Tensor, rows: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What `triplets_in_parts` gives, in one part whose size no trace fixes."""
    source, target = edge_index.unbind(dim=0)
    e, f = equal_rows(target, source, position.shape[0])
    return [triplets_of(settings, position, edge_index, rows, e, f)]


class Unrivalled(nn.Module):
    """Another judge, whose edges that better ones contradict get the logit BEATEN."""

    def __init__(self, judge: nn.Module, joined: float) -> None:
        super().__init__()
        self.judge, self.joined = judge, joined

    def forward(self, hits: Tensor, straight: Tensor, edge_index: Tensor, pairs: Tensor) -> Tensor:
        logits = self.judge(hits, straight, edge_index, pairs)
        kept = unrivalled(edge_index, logits, hits.shape[0], self.joined)
        return torch.where(kept, logits, BEATEN)


def without_rivals(edge_index: Tensor, logits: Tensor, n_hits: int, joined: float) -> Tensor:
    """What `Unrivalled` gives, and NaN where a rounding of the logits by SLACK decides."""
    rounding = SLACK * logits.abs().clamp_min(1.0)
    lost, doubted = (
        ~unrivalled(edge_index, logits, n_hits, joined, slack) for slack in (rounding, -rounding)
    )
    found = torch.where(lost, BEATEN, logits)
    return torch.where(lost != doubted, torch.nan, found)
