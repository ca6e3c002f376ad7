"""What is told at the end of each epoch: to a log that is no terminal, and to a search."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.callbacks import Callback, RichProgressBar


@dataclass(frozen=True)
class Epoch:
    """A finished epoch of a training."""

    number: int  # from 1
    last: int | None  # where their number is known before
    share: float  # of the whole training, 0 to 1
    figures: Mapping[str, float]  # losses and figures of merit
    seconds: float  # that it took
    cpu_seconds: float  # of this process

    def __str__(self) -> str:
        figures = ", ".join(f"{key} {value:.5g}" for key, value in self.figures.items())
        of = f"/{self.last}" if self.last else ""
        return f"epoch {self.number}{of}: {figures}, {self.seconds:.0f} s"


class EpochEnds(Callback):
    """Tells what each epoch came to; an exception of `watch` ends the training."""

    def __init__(
        self,
        report: Callable[[str], None] | None,  # called with a line
        watch: Callable[[Epoch], None] | None,
        budget: Any = None,  # `share` of it is used; without one, epochs count
    ) -> None:
        self.report, self.watch, self.budget = report, watch, budget

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        self._begun = time.monotonic(), sum(os.times()[:2])

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not trainer.is_global_zero:
            return
        number = trainer.current_epoch + 1
        last = None if self.budget is not None else trainer.max_epochs
        epoch = Epoch(
            number,
            last,
            number / last if last else self.budget.share,
            {name: float(value) for name, value in trainer.callback_metrics.items()},
            time.monotonic() - self._begun[0],
            sum(os.times()[:2]) - self._begun[1],
        )
        if self.report is not None:
            self.report(str(epoch))
        if self.watch is not None:
            self.watch(epoch)


class Progress(RichProgressBar):
    """Lightning's progress bar, with epochs counted from 1."""

    def _get_train_description(self, current_epoch: int) -> str:
        last = self.trainer.max_epochs
        return f"Epoch {current_epoch + 1}" + (f"/{last}" if last and last > 0 else "")
