"""One training shared among ranks: processes, each with a copy of the network.

An optimiser step takes `batches_a_step` batches, of which every rank computes its share. The mean
of all their gradients goes over gloo between CPU processes and over NCCL between GPUs, so that the
number of ranks changes the time, and the weights within rounding only. With `split` they share each
graph instead (hitgraph.nn.borders), which also divides the memory. Every rank makes all batches and
judges all validation events; rank 0 writes.
"""

import math
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch.plugins.environments import LightningEnvironment, SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.lessons.settings import TrainingSettings


def ranks_of(ranks: int, settings: TrainingSettings) -> int:
    """How many of the ranks can share the steps of a training evenly.

    One where weights are on a grid or pruned: torch sends no parametrised weights elsewhere.
    """
    if settings.constrains_weights:
        return 1
    return ranks if shares_graphs(ranks, settings) else math.gcd(ranks, settings.batches_a_step)


def shares_graphs(ranks: int, settings: TrainingSettings) -> bool:
    """Whether each rank has a part of every graph, and not all of some graphs."""
    return ranks > 1 and settings.split != "none"


def batches_of_rank(ranks: int, settings: TrainingSettings) -> int:
    """Of one step."""
    return settings.batches_a_step // (1 if shares_graphs(ranks, settings) else ranks)


def check_ranks(ranks: int, settings: TrainingSettings, n_batches: int) -> None:
    """Raise SettingsError where ranks have no even share of a step, or an epoch has no step."""
    batches = settings.batches_a_step
    if batches % ranks and not shares_graphs(ranks, settings):
        raise SettingsError(
            f"training.batches_a_step: {batches} cannot be shared evenly by {ranks} ranks: make it "
            "a multiple of --ranks"
        )
    if settings.range_test and ranks > 1:
        raise SettingsError("training.range_test: true is not allowed with several ranks")
    if n_batches < batches:
        raise SettingsError(
            f"training.batches_a_step: {batches} is not allowed, an epoch has {n_batches} batches"
        )


def devices_of(ranks: int, device: str) -> Any:
    """What Lightning calls devices: a number of CPU processes, or the GPUs."""
    if not device.startswith("cuda"):
        return ranks
    if ranks > torch.cuda.device_count():
        raise SettingsError(
            f"--ranks: {ranks} on a node is not allowed, there are {torch.cuda.device_count()} GPUs"
        )
    return list(range(ranks)) if ranks > 1 else [int(device.partition(":")[2] or 0)]


def environment_of(nodes: int) -> Any:
    """Who starts the ranks: Lightning on this machine, also in a Slurm job, or srun on several.

    Slurm ends and requeues the job; `hitgraph train --resume` then goes on.
    """
    return SLURMEnvironment(auto_requeue=False) if nodes > 1 else LightningEnvironment()


def strategy_of(ranks: int, device: str, nodes: int = 1) -> Any:
    """How Lightning runs them."""
    if ranks == 1:
        return "auto"
    backend = "nccl" if device.startswith("cuda") else "gloo"
    return DDPStrategy(
        process_group_backend=backend,
        start_method="spawn" if nodes == 1 else "popen",  # which leaves it to srun
        find_unused_parameters=True,  # an edge network has no use for its last update of hits
    )


@contextmanager
def ending_ranks() -> Iterator[None]:
    """No rank that is started in the `with` block outlives it, whatever ends it."""
    before = multiprocessing.active_children()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # of ranks: no word on unused weights
    try:
        yield
    finally:
        for rank in multiprocessing.active_children():
            if rank not in before:
                rank.kill()
                rank.join()


def ended_rank(error: BaseException) -> HitgraphError:
    """One message where a rank has ended, with which the others end too."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return HitgraphError(
        f"a rank of the training has ended ({said[-1]}), and with it the others: go on with "
        "--resume from the last whole epoch"
    )
