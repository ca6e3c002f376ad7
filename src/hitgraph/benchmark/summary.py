"""Numbers of a measurement as a table has them: medians and spreads of its samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORES = {"score": "trackml_score", "score, primaries": "trackml_score_primaries"}
"""Titles of the scores, and their names in the file of a measurement."""
Part = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Median, half the width of the central 68 %, and the largest of some samples."""

    median: float
    half_width: float
    largest: float


def stage_names(part: Part) -> list[str]:
    """Stages of a measurement, in their order, `all` last."""
    return list(part["events"][0]["stages"])


def spread_of(part: Part, stage: str, clock: str) -> Spread | None:
    """Over all events and repeats; None where the clock knows nothing."""
    return spread([x for event in part["events"] for x in event["stages"][stage][clock]])


def spread(samples: Sequence[float | None]) -> Spread | None:
    known = [sample for sample in samples if sample is not None]
    if not known:
        return None
    low, median, high = np.quantile(known, [0.16, 0.5, 0.84])
    return Spread(float(median), float(high - low) / 2, float(max(known)))


def repeat_means(part: Part, stage: str, clock: str) -> NDArray[np.float64]:
    """(n_repeats,) mean over the events of each repeat: what two runs are compared by."""
    values = [event["stages"][stage][clock] for event in part["events"]]
    means: NDArray[np.float64] = np.asarray(values, np.float64).mean(axis=0)
    return means


def mean_hits(part: Part) -> float:
    return float(np.mean([event["n_hits"] for event in part["events"]]))


def mean_edges(part: Part, stage: str) -> float | None:
    """Edges left after a stage, mean over the events; None for a stage without."""
    counts = [event["edges"].get(stage) for event in part["events"]]
    return None if None in counts else float(np.mean(counts))
