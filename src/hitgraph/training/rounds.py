"""A training on few bits and with few weights: again and again, with weights pruned in between.

After each pruning the weights that are left go on from where they are, while the schedule of the
learning rate begins anew: learning-rate rewinding (Renda, Frankle, Carbin, arXiv 2003.02389).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from hitgraph.lessons.lesson import Lesson
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.nn.prune import constrained, count_weights, prune_smallest
from hitgraph.training.fit import fit

__all__ = ["fit_in_rounds"]


def fit_in_rounds(
    network: nn.Module,
    lesson: Lesson,
    settings: TrainingSettings,
    folder: Path,
    *,
    cpu_seconds: float | None = None,
    report: Callable[[str], None],
    **how: Any,
) -> Iterator[dict[str, float]]:
    """`fit`, and after each pruning once more: the figures of merit after each.

    The rounds share `cpu_seconds` evenly; the later ones have folders of their own within `folder`.
    Between the rounds the network can be run; its weights are plain ones when all are through.
    """
    if not settings.constrains_weights:
        yield fit(network, lesson, settings, folder, cpu_seconds=cpu_seconds, report=report, **how)
        return
    prune = settings.prune
    if cpu_seconds is not None:
        cpu_seconds /= prune.steps + 1
    with constrained(network, settings.quantise.weights):
        for step in range(prune.steps + 1):
            place = folder
            if step:
                prune_smallest(network, prune.share)
                place = folder / f"pruned-{step}"
                left, of = count_weights(network)
                report(f"pruning {step} of {prune.steps}: {left} of {of} weights are left")
            network.train()
            merit = fit(
                network, lesson, settings, place, cpu_seconds=cpu_seconds, report=report, **how
            )
            left, _ = count_weights(network)
            yield {**merit, "weights": left}
