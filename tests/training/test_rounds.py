"""Trainings on few bits and with few weights."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained import RADIUS, tiny_recipe, train_quietly
from tests.training.test_fit import Larger, assert_same, network, settings, weights
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.lessons.lesson import Batch
from hitgraph.lessons.settings import PruneSettings, QuantiseSettings
from hitgraph.nn.prune import count_weights
from hitgraph.nn.quantise import fake_quantise, linear_layers, row_scales
from hitgraph.pipeline import Pipeline
from hitgraph.training.epochs import Epoch
from hitgraph.training.rounds import fit_in_rounds

TWICE = PruneSettings(steps=2, share=0.5)
FEW_BITS = {"weights": [4], "activations": [8]}


class Moves(Larger):
    """Notes how far a bias moves in each step: with plain signs, the learning rate."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:  # noqa: ARG002
        bias = linear_layers(network)[0].bias
        self.rates.append(float(bias.detach()[0]))
        return bias.sum()  # a constant gradient: Adam moves every bias by the rate


def rounds(net: nn.Module, lesson: Larger, folder: Path, **changes: Any) -> list[dict[str, float]]:
    resume = changes.pop("resume", False)
    how = {"quiet": True, "resume": resume, "report": lambda _: None}
    return list(fit_in_rounds(net, lesson, settings(**changes), folder, **how))


def test_after_each_pruning_the_schedule_of_the_rate_begins_anew(tmp_path: Path) -> None:
    lesson = Moves(n_batches=10)
    changes = {"epochs": 2, "learning_rate": 0.01, "warmup": 0.25, "gradient_clip": 0.0}
    merits = rounds(network(), lesson, tmp_path, prune=TWICE, **changes)
    up = [0.01 * (step + 1) / 5 for step in range(5)]
    down = [0.01 * 0.5 * (1 + math.cos(math.pi * k / 15)) for k in range(14)]
    for one in (lesson.rates[:20], lesson.rates[20:40], lesson.rates[40:]):
        moved = [a - b for a, b in pairwise(one)]
        assert moved == pytest.approx(up + down, abs=2e-5)
    _, n_weights = count_weights(network())
    assert [one["weights"] for one in merits] == [n_weights, n_weights // 2, n_weights // 4]


def test_pruned_weights_are_zero_and_the_others_on_their_grid(tmp_path: Path) -> None:
    net = network()
    *_, merit = rounds(net, Larger(), tmp_path, prune=TWICE, quantise=QuantiseSettings((3,)))
    left, of = count_weights(net)
    assert left <= of // 4 + 1
    assert merit["val_auc"] > 0.8
    for layer in linear_layers(net):
        scale = row_scales(layer.weight, 3)
        torch.testing.assert_close(layer.weight, fake_quantise(layer.weight, scale, 3))
        assert len((layer.weight / scale).round().unique()) <= 7


def test_an_interrupted_round_goes_on_to_the_same_result(tmp_path: Path) -> None:
    whole, halved = network(), network()
    few = {"prune": TWICE, "quantise": QuantiseSettings((4,)), "epochs": 3}
    rounds(whole, Larger(), tmp_path / "whole", **few)

    class Stops(Larger):
        def batches(self, network: nn.Module, epoch: int) -> Any:
            if count_weights(network)[0] < 0.7 * count_weights(network)[1]:
                self.at, self.what = 1, KeyboardInterrupt()
            return super().batches(network, epoch)

    with pytest.raises(KeyboardInterrupt):
        rounds(halved, Stops(), tmp_path / "halved", **few)
    again = network()
    rounds(again, Larger(), tmp_path / "halved", **few, resume=True)
    assert_same(weights(again), weights(whole))


def test_rounds_share_their_time_and_are_one_training_for_who_watches(tmp_path: Path) -> None:
    seen: list[Epoch] = []
    how: dict[str, Any] = {"quiet": True, "report": lambda _: None, "watch": seen.append}
    given = (network(), Larger(), settings(prune=TWICE, epochs=2), tmp_path)
    *_, merit = fit_in_rounds(*given, cpu_seconds=0.3, **how)
    assert merit["cpu_seconds"] >= 0.3
    assert merit["epochs"] >= 3 * 0.25
    shares = [epoch.share for epoch in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_without_either_it_is_one_training(tmp_path: Path) -> None:
    net, lesson = network(), Larger()
    (merit,) = rounds(net, lesson, tmp_path)
    assert "weights" not in merit


def test_a_pipeline_on_few_bits_is_trained_saved_and_runs_the_same(
    tiny_store: Path, tmp_path: Path, tiny_event: Any
) -> None:
    prune = {"steps": 1, "share": 0.5}
    small = {"quantise": FEW_BITS, "prune": prune, "epochs": 1, "learning_rate": 0.02}
    only_weights = {**small, "quantise": {"weights": [4]}}
    recipe = tiny_recipe(
        graph={**RADIUS, "training": small}, filter__training=small, gnn__training=only_weights
    )
    trained = train_quietly(recipe, tiny_store, tmp_path / "out").pipeline
    loaded = Pipeline.load(tmp_path / "out")
    for stage in ("graph", "filter", "gnn"):
        left, of = count_weights(loaded.stages[stage].network)  # type: ignore[attr-defined]
        assert left <= of // 2 + 1
    assert loaded.stages["graph"].network.layers[0].grid.largest > 0  # type: ignore[attr-defined]
    assert loaded.run(tiny_event).labels.tolist() == trained.run(tiny_event).labels.tolist()


def test_activations_of_networks_in_kernels_are_refused_first(
    tiny_store: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(gnn__training={"quantise": FEW_BITS})
    with pytest.raises(SettingsError, match=r"gnn\.training\.quantise\.activations: is for"):
        train_quietly(recipe, tiny_store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"quantise": {"weights": [1]}}, r"quantise\.weights: 1 bits are not allowed, 2 to 16"),
        ({"quantise": {"weights": []}}, r"quantise\.weights: is empty"),
        ({"prune": {"share": 1.0}}, r"prune\.share: 1\.0 is not between 0 and 1"),
        ({"prune": {"steps": -1}}, r"prune\.steps: -1 is not allowed"),
    ],
)
def test_wrong_keys_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=rf"training\.{message}"):
        tiny_recipe(filter__training=wrong)
