"""What `hitgraph reconstruct` noted about its stages: `run.json` and the records of its events."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from hitgraph.errors import InputError
from hitgraph.evaluation.edges import ScoreHistogram
from hitgraph.records import SUMMARY, read_summary

QUALITIES = ("edges", "efficiency", "target_efficiency", "purity", "weighted_purity")
"""Numbers of a stage that are averaged over events, where they are known."""


@dataclass(frozen=True)
class StageSummary:
    """One stage, averaged over the events of a run."""

    name: str
    seconds: float
    quality: dict[str, float]  # those of QUALITIES that the run knows
    scores: ScoreHistogram | None  # of all events together


@dataclass(frozen=True)
class RunSummary:
    """One run of a pipeline."""

    pipeline: str
    n_events: int
    stages: tuple[StageSummary, ...]
    threads: int | None = None  # of each process; None where the run does not tell or they differ
    compile_seconds: float = 0.0  # an event, of kernels that were compiled inside of stages

    @property
    def seconds(self) -> float:
        """Mean wall time an event."""
        return sum(stage.seconds for stage in self.stages)


def read_run(folder: Path) -> RunSummary | None:
    """The summary in a folder of tracks, None where there is none.

    Raises InputError naming the file where it is not what `hitgraph reconstruct` writes.
    """
    content = read_summary(folder)
    if not content:
        return None
    try:
        return _summarise(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{folder / SUMMARY}: is not the summary of a run ({type(error).__name__}: {error}): "
            "remove it, or reconstruct again"
        ) from error


def _summarise(content: dict[str, Any]) -> RunSummary | None:
    stages: dict[str, list[dict[str, Any]]] = {}
    for event in content["events"]:
        for stage in event["stages"]:
            stages.setdefault(stage["name"], []).append(stage)
    if not stages:
        return None
    events = content["events"]
    threads = {int(event.get("threads", 0)) for event in events}
    compiled = math.fsum(float(event.get("compile_seconds", 0.0)) for event in events)
    return RunSummary(
        pipeline=str(content["pipeline"]),
        n_events=len(events),
        stages=tuple(_stage(name, found) for name, found in stages.items()),
        threads=threads.pop() or None if len(threads) == 1 else None,
        compile_seconds=compiled / len(events),
    )


def _stage(name: str, events: Sequence[dict[str, Any]]) -> StageSummary:
    quality = {}
    for key in QUALITIES:
        known = [float(event[key]) for event in events if event.get(key) is not None]
        if known:
            quality[key] = math.fsum(known) / len(known)
    histograms = [
        ScoreHistogram(tuple(one["bins"]), tuple(one["true"]), tuple(one["fake"]))
        for event in events
        if (one := event.get("scores")) is not None
    ]
    return StageSummary(
        name=name,
        seconds=math.fsum(float(event["seconds"]) for event in events) / len(events),
        quality=quality,
        scores=reduce(add, histograms) if histograms else None,
    )
