"""Fitting one network: it learns, it can be interrupted, it leaves its best weights and logs."""

import csv
import errno
import itertools
import math
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, InputError
from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings
from hitgraph.graph.filter.lesson import auc, weighted_loss
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.training.epochs import Epoch
from hitgraph.training.fit import Batch, Lesson, fit


def graph(seed: int) -> Batch:
    """A graph whose edges are true where they lead to the larger feature."""
    random = generator(seed, "graph")
    x = torch.randn(30, 2, generator=random)
    edges = torch.randint(30, (2, 120), generator=random)
    y = (x[edges[0], 0] < x[edges[1], 0]).float()
    return Batch(x, edges, torch.ones(120, 1), y, torch.ones(120))


@dataclass
class Larger(Lesson):
    """Four graphs an epoch. Raises `what` at the second batch of epoch `at`."""

    n_batches: int = 4
    n_validation: int = 2
    at: int | None = None
    what: BaseException | None = None
    rates: list[float] = field(default_factory=list)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        for number in range(self.n_batches):
            if (epoch, number) == (self.at, 1):
                assert self.what is not None
                raise self.what
            yield graph(1000 * epoch + number)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return weighted_loss(network(*batch[:3]), batch)

    def validation_batch(self, number: int) -> Batch:
        return graph(10**6 + number)

    @torch.no_grad()
    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = network(*batch[:3]).float()
        return {"val_loss": float(weighted_loss(logits, batch)), "val_auc": auc(logits, batch)}


def network(seed: int = 0) -> InteractionNetwork:
    torch.manual_seed(seed)
    return InteractionNetwork(InteractionSettings(8, 8, 2), 2, 1)


def settings(**changes: Any) -> TrainingSettings:
    return TrainingSettings(**{"epochs": 4, "learning_rate": 0.02, **changes})


def weights(net: nn.Module) -> list[Tensor]:
    return [value.clone() for value in net.state_dict().values()]


def assert_same(one: list[Tensor], other: list[Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[InteractionNetwork, dict, Path]:
    """A network after four epochs, its merit, and where its logs are."""
    folder = tmp_path_factory.mktemp("fit")
    net = network()
    return net, fit(net, Larger(), settings(), folder, quiet=True), folder


def test_a_network_learns(taught: tuple[InteractionNetwork, dict, Path]) -> None:
    lesson, before = Larger(), network()
    first = lesson.measure(before, lesson.validation_batch(0))
    after = lesson.measure(taught[0], lesson.validation_batch(0))
    assert after["val_loss"] < 0.7 * first["val_loss"]
    assert after["val_auc"] > 0.9


def test_the_merit_is_that_of_the_weights_it_leaves(
    taught: tuple[InteractionNetwork, dict, Path],
) -> None:
    net, merit, _ = taught
    lesson = Larger()
    measured = [lesson.measure(net, lesson.validation_batch(number)) for number in range(2)]
    for name in ("val_loss", "val_auc"):
        assert merit[name] == pytest.approx(sum(each[name] for each in measured) / 2, rel=1e-5)
    assert not net.training


def test_logs_and_checkpoints_are_kept(taught: tuple[InteractionNetwork, dict, Path]) -> None:
    folder = taught[2]
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert names == ["best.ckpt", "last.ckpt"]
    (log,) = (folder / "csv").rglob("metrics.csv")
    rows = list(csv.DictReader(log.read_text().splitlines()))
    losses = [float(row["val_loss"]) for row in rows if row["val_loss"]]
    assert len(losses) == 4
    assert min(losses) == pytest.approx(taught[1]["val_loss"], rel=1e-4)
    assert list((folder / "tensorboard").rglob("events.out.tfevents.*"))


class Worse(Larger):
    """Every epoch is judged worse than the one before it."""

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:  # noqa: ARG002
        moved = sum(float(p.detach().abs().sum()) for p in network.parameters())
        self.rates.append(moved)
        return {"val_loss": float(len(self.rates))}


def test_the_best_epoch_wins_not_the_last(tmp_path: Path) -> None:
    once, often = network(), network()
    fit(once, Worse(), settings(epochs=1, warmup=0.0), tmp_path / "once", quiet=True)
    lesson = Worse(n_validation=1)
    fit(often, lesson, settings(epochs=3), tmp_path / "often", quiet=True)
    after_each_epoch = lesson.rates
    assert after_each_epoch[-1] == after_each_epoch[0] != after_each_epoch[2]


@pytest.mark.parametrize("at", [1, 3])
def test_interrupted_and_resumed_is_not_interrupted(
    tmp_path: Path, taught: tuple[InteractionNetwork, dict, Path], at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(network(), Larger(at=at, what=KeyboardInterrupt()), settings(), tmp_path, quiet=True)
    resumed = network(seed=99)  # what it starts from does not matter any more
    merit = fit(resumed, Larger(), settings(), tmp_path, resume=True, quiet=True)
    assert_same(weights(resumed), weights(taught[0]))
    assert merit == taught[1]


def test_interrupted_in_the_first_epoch_it_starts_again(
    tmp_path: Path, taught: tuple[InteractionNetwork, dict, Path]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(network(), Larger(at=0, what=KeyboardInterrupt()), settings(), tmp_path, quiet=True)
    again = network()
    fit(again, Larger(), settings(), tmp_path, resume=True, quiet=True)
    assert_same(weights(again), weights(taught[0]))


def test_resuming_what_is_complete_changes_nothing(
    tmp_path: Path, taught: tuple[InteractionNetwork, dict, Path]
) -> None:
    fit(network(), Larger(), settings(), tmp_path, quiet=True)
    again = network(seed=99)
    merit = fit(again, Larger(), settings(), tmp_path, resume=True, quiet=True)
    assert_same(weights(again), weights(taught[0]))
    assert merit["val_loss"] == taught[1]["val_loss"]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *[("last.ckpt", how) for how in ("cut", "flipped", "empty")],
        *[("best.ckpt", how) for how in ("cut", "flipped", "empty", "missing")],
    ],
)
def test_a_damaged_checkpoint_is_one_message(
    tmp_path: Path, taught: tuple[InteractionNetwork, dict, Path], name: str, damage: str
) -> None:
    """Also a flipped bit in the middle, in numbers that torch would read without a word."""
    shutil.copytree(taught[2] / "checkpoints", tmp_path / "checkpoints")
    path = tmp_path / "checkpoints" / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        at = content.index(weights(taught[0])[-1].numpy().tobytes())
        content[at] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    message = rf"{name}: is no checkpoint .* \((it cannot|the check sum).*\): remove .*--resume"
    with pytest.raises(InputError, match=message):
        fit(network(), Larger(), settings(), tmp_path, resume=True, quiet=True)


class Planted:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("kind", ["planted", "no checkpoint", "of another network"])
@pytest.mark.parametrize("name", ["last", "best"])
def test_a_checkpoint_is_never_run_and_a_bad_one_is_named(
    tmp_path: Path, name: str, kind: str, taught: tuple[InteractionNetwork, dict, Path]
) -> None:
    shutil.copytree(taught[2], tmp_path / "fit")
    path = tmp_path / "fit" / "checkpoints" / f"{name}.ckpt"
    content = torch.load(path, weights_only=True)
    if kind == "planted":
        torch.save(content | {"state_dict": Planted(tmp_path / "trap")}, path)
    elif kind == "no checkpoint":
        torch.save([1, 2], path)
    else:
        state = {key: value[:1] for key, value in content["state_dict"].items()}
        torch.save(content | {"state_dict": state}, path)
    with pytest.raises(InputError, match=rf"{name}\.ckpt: is no checkpoint of this network"):
        fit(network(), Larger(), settings(), tmp_path / "fit", resume=True, quiet=True)
    assert not (tmp_path / "trap").exists()


class StopsAtOnce(Larger):
    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        raise self.what or KeyboardInterrupt


def test_an_interrupt_is_never_taken_for_an_error_nor_an_error_for_an_interrupt(
    tmp_path: Path,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(network(), StopsAtOnce(), settings(), tmp_path, quiet=True)
    with pytest.raises(RuntimeError, match="a bug"):
        fit(network(), Larger(at=0, what=RuntimeError("a bug")), settings(), tmp_path, quiet=True)


class PressesCtrlC(Larger):
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return super().loss(network, batch)


def test_ctrl_c_is_an_interrupt_and_works_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fit(network(), PressesCtrlC(), settings(), tmp_path, quiet=True)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_seed_one_result(tmp_path: Path, taught: tuple[InteractionNetwork, dict, Path]) -> None:
    same, other = network(), network(seed=1)
    fit(same, Larger(), settings(), tmp_path / "same", quiet=True)
    fit(other, Larger(), settings(), tmp_path / "other", quiet=True)
    assert_same(weights(same), weights(taught[0]))
    assert not torch.equal(weights(other)[-1], weights(taught[0])[-1])


def test_a_full_disk_is_one_message(tmp_path: Path) -> None:
    full = Larger(at=0, what=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(HitgraphError, match="the disk is full"):
        fit(network(), full, settings(), tmp_path, quiet=True)


class Rates(Larger):
    """Notes how far the first weight moves in each step: with plain signs, the learning rate."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:  # noqa: ARG002
        first = next(network.parameters())
        self.rates.append(float(first.detach()[0, 0]))
        return first.sum()  # a constant gradient: Adam moves every weight by the rate


def test_the_rate_warms_up_and_falls_along_a_cosine(tmp_path: Path) -> None:
    lesson = Rates(n_batches=10)
    fit(
        network(),
        lesson,
        settings(epochs=2, learning_rate=0.01, warmup=0.25, gradient_clip=0.0),
        tmp_path,
        quiet=True,
    )
    moved = [a - b for a, b in zip(lesson.rates[:-1], lesson.rates[1:], strict=True)]
    up = [0.01 * (step + 1) / 5 for step in range(5)]
    down = [0.01 * 0.5 * (1 + math.cos(math.pi * k / 15)) for k in range(14)]
    assert moved == pytest.approx(up + down, abs=2e-5)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_learns_on_a_cpu(tmp_path: Path, precision: str) -> None:
    net = network()
    net.checkpointing = True
    merit = fit(net, Larger(), settings(precision=precision), tmp_path, quiet=True)
    assert merit["val_auc"] > 0.85
    assert all(value.dtype == torch.float32 for value in weights(net))


def test_quiet_is_silent_and_else_a_bar_is_drawn(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fit(network(), Larger(), settings(epochs=1), tmp_path / "quiet", quiet=True)
    shown = capfd.readouterr()
    assert shown.out == shown.err == ""
    fit(network(), Larger(), settings(epochs=1), tmp_path / "loud")
    shown = capfd.readouterr()
    assert "GPU" not in shown.out + shown.err  # none of Lightning's own remarks
    assert "tip" not in (shown.out + shown.err).lower()


def test_one_step_in_all_is_a_training(tmp_path: Path) -> None:
    """One epoch of one batch: all of it is warm-up."""
    net = network()
    before = weights(net)
    merit = fit(net, Larger(n_batches=1), settings(epochs=1), tmp_path, quiet=True)
    assert math.isfinite(merit["val_loss"])
    assert any(not torch.equal(a, b) for a, b in zip(before, weights(net), strict=True))


def test_a_log_gets_a_line_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    fit(network(), Larger(n_batches=1), settings(epochs=2), tmp_path, report=lines.append)
    number = r"-?[\d.e-]+"
    for k, line in enumerate(lines, start=1):
        figures = rf"train_loss {number}, val_loss {number}, val_auc {number}"
        assert re.fullmatch(rf"epoch {k}/2: {figures}, \d+ s", line)
    assert len(lines) == 2
    assert capsys.readouterr().out == ""  # no bar


def test_who_watches_may_end_it(tmp_path: Path) -> None:
    seen: list[float] = []

    def watch(epoch: Epoch) -> None:
        seen.append(epoch.share)
        if epoch.number == 3:
            raise InputError("enough")

    with pytest.raises(InputError, match="enough"):
        fit(network(), Larger(), settings(), tmp_path, quiet=True, watch=watch)
    assert seen == [0.25, 0.5, 0.75]


class Stuck(Larger):
    """Never gets better; a note of each epoch that was begun."""

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        self.rates.append(epoch)
        yield from super().batches(network, epoch)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:  # noqa: ARG002
        return {"val_loss": 1.0}


def test_a_training_that_gets_no_better_ends_when_patience_does(tmp_path: Path) -> None:
    lesson, often = Stuck(), settings(epochs=9, patience=2)
    fit(network(), lesson, often, tmp_path, quiet=True)
    assert lesson.rates == [0, 1, 2]
    again = Stuck()
    fit(network(), again, often, tmp_path, quiet=True, resume=True)
    assert again.rates[-1] == 2


def press_ctrl_c(epoch: Epoch) -> None:
    if epoch.number == 2:
        raise KeyboardInterrupt


def test_the_range_test_finds_where_the_loss_falls(tmp_path: Path) -> None:
    """The weights are not those after the test, and a resumed training keeps the rate."""
    chosen = settings(epochs=4, learning_rate=0.5, range_test=True)
    whole, resumed = network(), network()
    merit = fit(whole, Larger(), chosen, tmp_path / "whole", quiet=True)
    assert 1e-6 < merit["learning_rate"] < 0.5
    same = settings(epochs=4, learning_rate=merit["learning_rate"])
    plain = network()
    fit(plain, Larger(), same, tmp_path / "plain", quiet=True)
    assert_same(weights(whole), weights(plain))
    with pytest.raises(KeyboardInterrupt):
        fit(network(), Larger(), chosen, tmp_path / "stopped", quiet=True, watch=press_ctrl_c)
    found = fit(resumed, Larger(), chosen, tmp_path / "stopped", quiet=True, resume=True)
    assert found["learning_rate"] == merit["learning_rate"]
    assert_same(weights(whole), weights(resumed))


@pytest.fixture
def second_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU time goes on by a second whenever it is asked for."""
    clock = itertools.count()
    monkeypatch.setattr("hitgraph.training.fit.time.process_time", lambda: float(next(clock)))


@pytest.mark.usefixtures("second_a_step")
def test_a_budget_of_time_ends_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    lesson = Rates(n_batches=4)
    chosen = settings(learning_rate=0.01, warmup=0.2, gradient_clip=0.0)
    merit = fit(network(), lesson, chosen, tmp_path, quiet=True, cpu_seconds=10.0)
    assert len(lesson.rates) == 10
    assert (merit["cpu_seconds"], merit["epochs"]) == (10.0, 2.5)
    moved = [a - b for a, b in zip(lesson.rates[:-1], lesson.rates[1:], strict=True)]
    # Each step takes the rate of the time when the one before it began.
    up = [0.01 * share / 0.2 for share in (0.01, 0.01, 0.1)]
    down = [0.01 * 0.5 * (1 + math.cos(math.pi * k / 8)) for k in range(6)]
    assert moved == pytest.approx(up + down, abs=2e-5)


@pytest.mark.usefixtures("second_a_step")
def test_a_budget_that_ends_in_the_first_epoch_is_a_training(tmp_path: Path) -> None:
    net = network()
    merit = fit(net, Larger(), settings(), tmp_path, quiet=True, cpu_seconds=2.0)
    assert merit["epochs"] == 0.5
    assert not all(torch.equal(a, b) for a, b in zip(weights(net), weights(network()), strict=True))


@pytest.mark.usefixtures("second_a_step")
def test_a_resumed_training_has_the_rest_of_its_budget(tmp_path: Path) -> None:
    lesson = Larger(at=2, what=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fit(network(), lesson, settings(), tmp_path, quiet=True, cpu_seconds=12.0)
    merit = fit(
        network(), Larger(), settings(), tmp_path, resume=True, quiet=True, cpu_seconds=12.0
    )
    assert (merit["cpu_seconds"], merit["epochs"]) == (12.0, 3.0)
