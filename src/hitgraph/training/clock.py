"""How long the steps of a training take, and what its ranks wait for each other."""

import time
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback

from hitgraph.threads import set_threads

REPEATS = 20  # of the sum over ranks, of which the fastest counts


class TrainingClock(Callback):
    """Logs the seconds of the last epoch and of one sum of all gradients over the ranks."""

    def __init__(self, threads: int | None) -> None:
        self.threads = threads  # of each rank
        # of each batch of the last epoch, in rank 0
        self.batches: list[float] = []  # seconds
        self.work: list[float] = []  # seconds of the processor that did it
        self._last = self._worked = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        set_threads(self.threads)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.world_size > 1:
            dist.barrier()
        self.batches, self.work = [], []
        self._last, self._worked = _now(pl_module.device), _worked(pl_module.device)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:  # noqa: ARG002
        now, worked = _now(pl_module.device), _worked(pl_module.device)
        self.batches.append(now - self._last)
        self.work.append(worked - self._worked)
        self._last, self._worked = now, worked

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        found = {"epoch_seconds": sum(self.batches), "sum_seconds": 0.0}
        if trainer.world_size > 1:
            found["sum_seconds"] = _seconds_of_a_sum(pl_module)
        pl_module.log_dict(found, sync_dist=True)


def _seconds_of_a_sum(module: torch.nn.Module) -> float:
    """Of one all-reduce of as many numbers as the module has weights."""
    gradients = torch.cat([weight.detach().flatten() for weight in module.parameters()])
    found = []
    for _ in range(REPEATS):
        dist.barrier()
        start = _now(gradients.device)
        dist.all_reduce(gradients)
        found.append(_now(gradients.device) - start)
    return min(found)


def _worked(device: torch.device) -> float:
    """Seconds that do not count what else a machine does, where there are such."""
    return time.process_time() if device.type == "cpu" else _now(device)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
