"""Fitting one network with Lightning: progress, logs, checkpoints, resuming."""

import contextlib
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from hitgraph.files import cannot_write
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.parts import Part, loss_of_part, part_of
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.training.checkpoints import checkpoint_to_resume, unusable
from hitgraph.training.clock import TrainingClock
from hitgraph.training.epochs import Epoch, EpochEnds, Progress
from hitgraph.training.nodes import fit_on_nodes, is_rank, nodes_of
from hitgraph.training.ranks import (
    batches_of_rank,
    check_ranks,
    devices_of,
    ended_rank,
    ending_ranks,
    environment_of,
    shares_graphs,
    strategy_of,
)
from hitgraph.training.rate import find_rate
from hitgraph.training.trackers import loggers

_log = logging.getLogger(__name__)
_LOSS = "val_loss"  # of which the best epoch has the lowest


def fit(
    network: nn.Module,
    lesson: Lesson,
    settings: TrainingSettings,
    folder: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    quiet: bool = False,
    cpu_seconds: float | None = None,
    ranks: int = 1,
    clock: TrainingClock | None = None,
    report: Callable[[str], None] = _log.info,
    watch: Callable[[Epoch], None] | None = None,
) -> dict[str, float]:
    """Train `network` in place and leave it with the weights of its best epoch.

    Several `ranks`, processes with a copy of the network each on this machine or spread over the
    nodes of a Slurm job (hitgraph.training.nodes), share the batches
    of a step, or each graph (hitgraph.training.ranks): the result is that of one process within
    rounding.

    `cpu_seconds` of this process, validation included, replace the number of epochs: the last one
    ends early, and the schedule of the learning rate follows the time.

    Unless `quiet`, a bar shows the progress in a terminal, and else `report` gets a line an epoch.
    `watch` is called with each epoch and may end the training with an exception. Of ranks on
    several nodes nothing is shown, and `watch` is not called.

    Writes logs (CSV, TensorBoard) and the checkpoints best.ckpt and last.ckpt into `folder`;
    with `resume` goes on from last.ckpt, to the same result as without the interruption.
    Returns the last training loss and the figures of merit of the weights it leaves. Raises
    KeyboardInterrupt on Ctrl-C, HitgraphError when `folder` cannot be written, InputError when a
    checkpoint to go on from is damaged, of another network, or more than tensors and numbers.
    """
    check_ranks(ranks, settings, lesson.n_batches)
    nodes = nodes_of(ranks)
    if nodes > 1 and not is_rank():
        there = partial(
            fit,
            lesson=lesson,
            settings=settings,
            folder=folder,
            device=device,
            resume=resume,
            quiet=True,
            cpu_seconds=cpu_seconds,
            ranks=ranks,
            clock=clock,
        )
        return fit_on_nodes(there, network, folder, nodes, ranks)
    checkpoints = ModelCheckpoint(
        dirpath=folder / "checkpoints",
        filename="best",
        monitor=_LOSS,
        save_last=True,
        enable_version_counter=False,
    )
    budget = None if cpu_seconds is None else _Budget(cpu_seconds)
    callbacks: list[Callback] = [checkpoints]
    if budget is not None:
        callbacks.append(budget)
    if clock is not None:
        callbacks.append(clock)
    if settings.patience:
        callbacks.append(EarlyStopping(_LOSS, patience=settings.patience, check_finite=False))
    shown = not quiet and Console().is_terminal
    if shown:
        callbacks.append(Progress(leave=False))
    callbacks.append(EpochEnds(None if quiet or shown else report, watch, budget))
    last = checkpoint_to_resume(folder / "checkpoints") if resume else None
    how: dict[str, Any] = {
        "accelerator": "cuda" if device.startswith("cuda") else "cpu",
        "devices": devices_of(ranks // nodes, device),
        "accumulate_grad_batches": batches_of_rank(ranks, settings),
        "precision": settings.precision,
        "gradient_clip_val": settings.gradient_clip or None,
        "reload_dataloaders_every_n_epochs": 1,
        "num_sanity_val_steps": 0,
        "enable_model_summary": False,
    }
    with (
        _silent_lightning(),
        _interrupt_kept(),
        ending_ranks(),
        loggers(settings, folder) as logged,
    ):
        if settings.range_test and last is None:  # the rate is in the checkpoint
            begun = time.process_time()
            rate = find_rate(_Module(network, lesson, settings), settings.learning_rate, **how)
            settings = replace(settings, learning_rate=rate)
            if budget is not None:
                budget.used = time.process_time() - begun
        trainer = L.Trainer(
            max_epochs=settings.epochs if budget is None else -1,
            num_nodes=nodes,
            strategy=strategy_of(ranks, device, nodes),
            plugins=[environment_of(nodes)],
            callbacks=callbacks,
            logger=logged,
            log_every_n_steps=10,
            enable_progress_bar=shown,
            **how,
        )
        module = _Module(network, lesson, settings, budget)
        try:
            # A checkpoint may be planted: nothing in it is run.
            trainer.fit(module, ckpt_path=last, weights_only=True)
        except (SystemExit, Exception) as error:
            ended = isinstance(error, SystemExit | RuntimeError)  # as Lightning does after Ctrl-C
            if ended and isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            if ranks > 1:
                raise ended_rank(error) from error
            if isinstance(error, OSError):
                raise cannot_write(folder, error) from error
            if last is not None and not module.begun:
                raise unusable(last, type(error).__name__) from error
            raise
        if trainer.interrupted:
            raise KeyboardInterrupt
    best = folder / "checkpoints" / "best.ckpt"
    try:
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
        module.load_state_dict(state)
    except Exception as error:
        raise unusable(best, type(error).__name__) from error
    merit = {name: float(value) for name, value in trainer.callback_metrics.items()}
    merit |= _measure(network.to(device).eval(), lesson, device)
    network.cpu()
    if budget is not None:
        merit |= {"cpu_seconds": budget.used, "epochs": trainer.global_step / module.n_steps}
    if settings.range_test:
        merit["learning_rate"] = trainer.lr_scheduler_configs[0].scheduler.base_lrs[0]
    return merit


@torch.no_grad()
def _measure(network: nn.Module, lesson: Lesson, device: str) -> dict[str, float]:
    """Mean of every figure of merit over the validation events."""
    measured = []
    for number in range(lesson.n_validation):
        tensors = (None if t is None else t.to(device) for t in lesson.validation_batch(number))
        measured.append(lesson.measure(network, Batch(*tensors)))  # type: ignore[arg-type]
    return {name: sum(each[name] for each in measured) / len(measured) for name in measured[0]}


class _Budget(Callback):
    """Ends a training when the CPU time of the process that it may take is used up."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.used = seconds, 0.0
        self._last = time.process_time()

    @property
    def share(self) -> float:
        """That is used, from 0 to 1."""
        return min(1.0, self.used / self.seconds)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._last = time.process_time()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        now = time.process_time()
        self.used, self._last = self.used + now - self._last, now
        if self.used >= self.seconds:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"used": self.used}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.used = state_dict["used"]


class _Module(L.LightningModule):
    def __init__(
        self,
        network: nn.Module,
        lesson: Lesson,
        settings: TrainingSettings,
        budget: _Budget | None = None,
    ) -> None:
        super().__init__()
        self.network, self.lesson, self.settings = network, lesson, settings
        self.budget = budget
        self.begun = False
        self.n_steps = lesson.n_batches // settings.batches_a_step  # an epoch

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _silence_lightning()  # in the process of a rank

    def on_train_start(self) -> None:
        self.begun = True

    def train_dataloader(self) -> DataLoader[Batch | Part]:
        epoch = _Epoch(
            self.lesson,
            self.network,
            self.current_epoch,
            self.n_steps * self.settings.batches_a_step,
            self.trainer.global_rank,
            self.trainer.world_size,
            shares_graphs(self.trainer.world_size, self.settings),
        )
        return DataLoader(epoch, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(_Validation(self.lesson), batch_size=None)

    def training_step(self, batch: Batch | Part) -> Tensor:
        loss: Tensor
        if isinstance(batch, Part):  # DDP takes the mean of the gradients of the ranks
            loss = loss_of_part(self.lesson, self.network, batch) * self.trainer.world_size
        else:
            loss = self.lesson.loss(self.network, batch)
        self.log("train_loss", loss.detach(), prog_bar=True, batch_size=1, sync_dist=True)
        return loss

    def validation_step(self, batch: Batch) -> None:
        for name, value in self.lesson.measure(self.network, batch).items():
            self.log(name, value, prog_bar=True, batch_size=1, sync_dist=True)

    def configure_optimizers(self) -> Any:
        settings = self.settings
        optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        n_steps = settings.epochs * self.n_steps
        n_warm = max(1, round(settings.warmup * n_steps))

        def by_step(step: int) -> float:
            if step < n_warm:
                return (step + 1) / n_warm
            return _half_cosine((step - n_warm) / max(1, n_steps - n_warm))  # 1 step: warm-up only

        def by_time(budget: _Budget) -> float:
            if budget.share < settings.warmup:
                return max(budget.share, 0.01) / settings.warmup
            return _half_cosine((budget.share - settings.warmup) / (1 - settings.warmup))

        budget = self.budget
        factor = by_step if budget is None else lambda _: by_time(budget)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def _half_cosine(share: float) -> float:
    """From 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


class _Epoch(IterableDataset[Batch | Part]):
    """Every `ranks`-th batch of an epoch, or the own part of every one where graphs are `split`.

    Those behind the last whole step are left out.
    """

    def __init__(
        self,
        lesson: Lesson,
        network: nn.Module,
        epoch: int,
        n_batches: int,
        rank: int,
        ranks: int,
        split: bool,
    ) -> None:
        self.lesson, self.network, self.epoch = lesson, network, epoch
        self.n_batches, self.rank, self.ranks = n_batches, rank, ranks
        self.split = split

    def __len__(self) -> int:
        return self.n_batches if self.split else self.n_batches // self.ranks

    def __iter__(self) -> Iterator[Batch | Part]:
        batches = self.lesson.batches(self.network, self.epoch)
        if self.split:
            for batch in islice(batches, self.n_batches):
                yield part_of(batch, self.rank, self.ranks)
        else:
            yield from islice(batches, self.rank, self.n_batches, self.ranks)


class _Validation(torch.utils.data.Dataset[Batch]):
    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson

    def __len__(self) -> int:
        return self.lesson.n_validation

    def __getitem__(self, number: int) -> Batch:
        return self.lesson.validation_batch(number)


@contextlib.contextmanager
def _interrupt_kept() -> Iterator[None]:
    """Lightning turns Ctrl-C off once it has seen one: turn it on again."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _silent_lightning() -> Iterator[None]:
    """Lightning's advice on workers, tips and hardware is not for the user of a recipe."""
    levels = [logger.level for logger in _LOGGERS]
    try:
        with warnings.catch_warnings():
            _silence_lightning()
            yield
    finally:
        for logger, level in zip(_LOGGERS, levels, strict=True):
            logger.setLevel(level)


_LOGGERS = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]


def _silence_lightning() -> None:
    for logger in _LOGGERS:
        logger.setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
