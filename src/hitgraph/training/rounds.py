"""A training on few bits and with few weights: again and again, with weights pruned in between.

After each pruning the weights that are left go on from where they are, while the schedule of the
learning rate begins anew: learning-rate rewinding (Renda, Frankle, Carbin, arXiv 2003.02389).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from hitgraph.lessons.lesson import Lesson
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.nn.prune import constrained, count_weights, prune_smallest
from hitgraph.training.epochs import Epoch
from hitgraph.training.fit import fit

__all__ = ["fit_in_rounds"]

_SPENT = {"cpu_seconds", "epochs"}  # by all rounds together


def fit_in_rounds(
    network: nn.Module,
    lesson: Lesson,
    settings: TrainingSettings,
    folder: Path,
    *,
    cpu_seconds: float | None = None,
    report: Callable[[str], None],
    watch: Callable[[Epoch], None] | None = None,
    **how: Any,
) -> Iterator[dict[str, float]]:
    """`fit`, and after each pruning once more: the figures of merit after each.

    The rounds share `cpu_seconds` evenly, and are one training for `watch`; the later ones have
    folders of their own within `folder`. Between the rounds the network can be run; its weights are
    plain ones when all are through.
    """
    how |= {"report": report}
    if not settings.constrains_weights:
        yield fit(network, lesson, settings, folder, cpu_seconds=cpu_seconds, watch=watch, **how)
        return
    prune, n_rounds = settings.prune, settings.prune.steps + 1
    spent: dict[str, float] = {}
    with constrained(network, settings.quantise.weights):
        for number in range(n_rounds):
            place = folder
            if number:
                prune_smallest(network, prune.share)
                place = folder / f"pruned-{number}"
                left, of = count_weights(network)
                report(f"pruning {number} of {prune.steps}: {left} of {of} weights are left")
            network.train()
            merit = fit(
                network,
                lesson,
                settings,
                place,
                cpu_seconds=None if cpu_seconds is None else cpu_seconds / n_rounds,
                watch=None if watch is None else partial(_watch_round, watch, number, n_rounds),
                **how,
            )
            for key in _SPENT.intersection(merit):
                spent[key] = spent.get(key, 0.0) + merit[key]
            yield {**merit, **spent, "weights": count_weights(network)[0]}


def _watch_round(watch: Callable[[Epoch], None], number: int, n_rounds: int, epoch: Epoch) -> None:
    watch(replace(epoch, share=(number + epoch.share) / n_rounds))
