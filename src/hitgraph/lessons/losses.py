"""Losses and figures of merit on labelled edges."""

from collections.abc import Sequence
from math import isnan

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.lessons.lesson import Batch


def weighted_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Binary cross entropy averaged by weight, 0 without edges; logits (..., n_edges)."""
    if logits.numel() == 0:
        return logits.sum()
    loss = binary_cross_entropy_with_logits(logits, batch.y.expand_as(logits), reduction="none")
    return (loss * batch.weight).mean() / batch.weight.mean().clamp_min(1e-6)


def kept_at_efficiency(logits: Tensor, batch: Batch, efficiency: float) -> float:
    """Edges above the cut that keeps `efficiency` of the true ones, divided by the true ones."""
    true = logits[(batch.y > 0) & (batch.weight > 0)]
    if len(true) == 0:
        return 0.0
    cut = torch.quantile(true, 1 - efficiency) if len(true) < 2**24 else true.median()
    return float((logits[batch.weight > 0] >= cut).sum() / len(true))


def auc(logits: Tensor, batch: Batch) -> float:
    """Area under the ROC curve of the edges that are not neutral."""
    counted = batch.weight > 0
    scores, y = logits[counted], batch.y[counted] > 0
    order = torch.argsort(scores)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(1, len(order) + 1, device=order.device)
    n_true, n_fake = int(y.sum()), int((~y).sum())
    if n_true == 0 or n_fake == 0:
        return 1.0
    return (float(rank[y].double().sum()) - n_true * (n_true + 1) / 2) / (n_true * n_fake)


def mean_of_known(scores: Sequence[float]) -> float | None:
    """The mean of those that are numbers: an event without weights has no score. None of none."""
    known = [score for score in scores if not isnan(score)]
    return sum(known) / len(known) if known else None
