"""Losses and figures of merit."""

import math

import pytest
import torch
from tests.training.lessons import labelled

from hitgraph.lessons.losses import auc, kept_at_efficiency, weighted_loss


def test_the_loss_is_the_weighted_mean_cross_entropy() -> None:
    logits = torch.tensor([0.0, math.log(3.0), -5.0])
    batch = labelled([1.0, 0.0, 1.0], [1.0, 2.0, 0.0])
    by_hand = (1.0 * math.log(2.0) + 2.0 * math.log(4.0)) / 3.0  # the last one is neutral
    assert float(weighted_loss(logits, batch)) == pytest.approx(by_hand)
    both = torch.stack([logits, torch.zeros(3)])
    assert float(weighted_loss(both, batch)) == pytest.approx((by_hand + math.log(2.0)) / 2)


def test_nothing_but_neutral_edges_is_no_loss() -> None:
    logits = torch.randn(3, requires_grad=True)
    loss = weighted_loss(logits, labelled([1.0, 1.0, 1.0], [0.0] * 3))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert logits.grad.tolist() == [0.0] * 3


def test_edges_kept_at_an_efficiency() -> None:
    """Of four true edges at 4, 3, 2, 1: to keep three of four, everything from 2 up stays."""
    logits = torch.tensor([4.0, 3.0, 2.0, 1.0, 2.5, 0.5, 9.0])
    batch = labelled([1, 1, 1, 1, 0, 0, 1], [1, 1, 1, 1, 1, 1, 0])
    assert kept_at_efficiency(logits, batch, 0.75) == pytest.approx(4 / 4)
    assert kept_at_efficiency(logits, batch, 1.0) == pytest.approx(5 / 4)
    assert kept_at_efficiency(logits, labelled([0.0] * 7), 0.9) == 0.0


def test_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(60, generator=random)
    y = (torch.rand(60, generator=random) < 0.3).float()
    weight = (torch.rand(60, generator=random) < 0.8).float()
    batch = labelled(y.tolist(), weight.tolist())
    true, fake = logits[(y > 0) & (weight > 0)], logits[(y == 0) & (weight > 0)]
    in_order = (true[:, None] > fake[None, :]).float().mean()
    assert auc(logits, batch) == pytest.approx(float(in_order))
    assert auc(logits, labelled([1.0] * 60)) == 1.0
