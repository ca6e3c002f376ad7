"""Which trainings are not worth their rest.

A training tells its figure of merit at the quarters of its budget. It ends where that is below the
median of those trainings of the same stage on the same graph that take no more time: the front of
quality and time so keeps its fast end. (The median rule of Golovin et al., Google Vizier, 2017.)
"""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from hitgraph.fingerprint import fingerprint_of_settings
from hitgraph.recipe import Recipe
from hitgraph.stage import STAGES
from hitgraph.training.epochs import Epoch

QUARTERS = 4
AT_LEAST = 4  # trainings that a median is taken of
TOLERANCE = 1.1  # so much slower is no slower: CPU times scatter

Reports = dict[str, list[float]]  # merit and CPU seconds an epoch, by what is compared


def merit(figures: Mapping[str, float]) -> float:
    """The area under the ROC curve where a lesson measures it, else the loss: higher is better."""
    return figures.get("val_auc", -figures["val_loss"])


def reported(recipe: Recipe, stage: str, epoch: Epoch) -> tuple[int, str, list[float]]:
    """The quarter that an epoch ends in, what it is compared with, and what it says."""
    number = [step.name for step in recipe.stages].index(stage)
    before = fingerprint_of_settings(recipe.truth, recipe.stages[:number])
    use = STAGES.name_of(recipe.stages[number].settings)
    quarter = int(QUARTERS * epoch.share)
    key = f"{stage} {use} {before[:6]} {quarter}"
    return quarter, key, [merit(epoch.figures), epoch.cpu_seconds]


def is_worse(key: str, own: list[float], others: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a training has fallen behind the reports of others."""
    value, seconds = own
    rivals = [one[key][0] for one in others if key in one and one[key][1] <= TOLERANCE * seconds]
    return len(rivals) >= AT_LEAST and value < median(rivals)
