"""A training shared among two processes is that of one, within rounding."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.trained import JOIN, tiny_recipe
from tests.training.test_fit import Batch, Larger, network, settings, weights
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.training.fit import fit
from hitgraph.training.ranks import check_ranks, ranks_of
from hitgraph.training.train import train


class Dies(Larger):
    """The second rank ends like one that the system kills, in the second epoch."""

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        if epoch == 1 and os.environ.get("LOCAL_RANK") == "1":
            os._exit(9)
        return super().batches(network, epoch)


class Split(Larger):
    """Graphs with an azimuth, by which ranks can share them; a step sees some of each weight."""

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        for number, batch in enumerate(super().batches(network, epoch)):
            weight = (torch.arange(len(batch.y)) % (number + 2)).float()
            yield batch._replace(phi=batch.x[:, 1], weight=weight)


def assert_close(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
def test_two_ranks_come_to_the_weights_of_one(tmp_path: Path) -> None:
    two = settings(epochs=2, batches_a_step=2)
    alone, shared = network(), network()
    merit = fit(alone, Larger(), two, tmp_path / "alone", quiet=True)
    found = fit(shared, Larger(), two, tmp_path / "shared", quiet=True, ranks=2)
    assert_close(alone, shared)
    assert found["val_loss"] == pytest.approx(merit["val_loss"], rel=1e-4)
    assert len(list((tmp_path / "shared" / "csv").rglob("metrics.csv"))) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
def test_a_rank_that_dies_ends_the_others_and_one_rank_goes_on(tmp_path: Path) -> None:
    two = settings(epochs=2, batches_a_step=2)
    alone = network()
    fit(alone, Larger(), two, tmp_path / "alone", quiet=True)
    with pytest.raises(HitgraphError, match="a rank of the training has ended"):
        fit(network(), Dies(), two, tmp_path / "died", quiet=True, ranks=2)
    resumed = network()
    fit(resumed, Larger(), two, tmp_path / "died", quiet=True, resume=True)
    assert_close(alone, resumed)


def gradients(folder: Path) -> list[Tensor]:
    """Of every weight in the only step of a training, read off the first moments of Adam."""
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    (optimiser,) = saved["optimizer_states"]
    beta = optimiser["param_groups"][0]["betas"][0]
    moments = [state["exp_avg"] for _, state in sorted(optimiser["state"].items())]
    return [moment / (1 - beta) for moment in moments]


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
@pytest.mark.parametrize(("ranks", "split"), [(2, "none"), (2, "phi"), (3, "phi")])
def test_the_gradient_of_ranks_is_that_of_one_process(
    ranks: int, split: str, tmp_path: Path
) -> None:
    """Whether they share the four batches of a step or each of their graphs."""
    one_step = settings(epochs=1, batches_a_step=4, gradient_clip=0.0, split=split)
    merit = fit(network(), Split(), one_step, tmp_path / "alone", quiet=True)
    found = fit(network(), Split(), one_step, tmp_path / "shared", quiet=True, ranks=ranks)
    expected = gradients(tmp_path / "alone")
    assert sum(bool(gradient.any()) for gradient in expected) > 20
    for one, other in zip(gradients(tmp_path / "shared"), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    if split == "phi":  # else it is that of the last batches, of two ranks or of one
        assert found["train_loss"] == pytest.approx(merit["train_loss"], rel=1e-5)


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
    assert ranks_of(4, settings(split="phi")) == 4
    with pytest.raises(SettingsError, match=r"4 is not allowed, an epoch has 3 batches"):
        check_ranks(2, settings(batches_a_step=4), 3)


@pytest.mark.parametrize("stage", ["filter", "join", "gnn"])
def test_graphs_that_cannot_be_split_are_refused_with_the_recipe(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = {**JOIN, "training": {"epochs": 1}}
    tiny_recipe(gnn__training__split="phi", join=join)
    monkeypatch.setattr(InteractionSettings, "can_split", False)  # as in a package of somebody else
    with pytest.raises(SettingsError, match=r"training\.split: phi is not allowed"):
        tiny_recipe(**{"join": join, f"{stage}__training__split": "phi"})
