"""A training shared among two processes is that of one, within rounding."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.trained import tiny_recipe
from tests.training.test_fit import Batch, Larger, network, settings, weights
from torch import nn

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.training.fit import fit
from hitgraph.training.ranks import check_ranks, ranks_of
from hitgraph.training.train import train


class Dies(Larger):
    """The second rank ends like one that the system kills, in the second epoch."""

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        if epoch == 1 and os.environ.get("LOCAL_RANK") == "1":
            os._exit(9)
        return super().batches(network, epoch)


def assert_close(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_two_ranks_come_to_the_weights_of_one_and_either_goes_on_with_the_other(
    tmp_path: Path,
) -> None:
    two = settings(epochs=2, batches_a_step=2)
    alone, shared = network(), network()
    merit = fit(alone, Larger(), two, tmp_path / "alone", quiet=True)
    found = fit(shared, Larger(), two, tmp_path / "shared", quiet=True, ranks=2)
    assert_close(alone, shared)
    assert found["val_loss"] == pytest.approx(merit["val_loss"], rel=1e-4)
    assert len(list((tmp_path / "shared" / "csv").rglob("metrics.csv"))) == 1

    with pytest.raises(HitgraphError, match="a rank of the training has ended"):
        fit(network(), Dies(), two, tmp_path / "died", quiet=True, ranks=2)
    resumed = network()
    fit(resumed, Larger(), two, tmp_path / "died", quiet=True, resume=True)  # one rank goes on
    assert_close(alone, resumed)


def test_ranks_without_anything_to_share_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--ranks: 2 have nothing to share"):
        train(tiny_recipe(), [], tmp_path / "out", ranks=2)
    recipe = tiny_recipe(gnn__training__batches_a_step=2)
    with pytest.raises(SettingsError, match="--ranks: only 2 of 4 have a share, as no stage has"):
        train(recipe, [], tmp_path / "out", ranks=4)
    assert not (tmp_path / "out").exists()


def test_ranks_that_cannot_share_are_refused() -> None:
    with pytest.raises(SettingsError, match="3 cannot be shared evenly by 2 ranks"):
        check_ranks(2, settings(batches_a_step=3), 10)
    assert ranks_of(4, settings(batches_a_step=6)) == 2
    with pytest.raises(SettingsError, match=r"4 is not allowed, an epoch has 3 batches"):
        check_ranks(2, settings(batches_a_step=4), 3)
