"""Time against the number of hits of an event, and the power with which it grows.

As figure 9 of arXiv 2103.06995, but over a wider range than events have by themselves: see
`hitgraph.benchmark.sizes` for how smaller and larger ones are made.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hitgraph.benchmark.apart import Tell, run_apart, threads_environment
from hitgraph.benchmark.sizes import event_of_size
from hitgraph.benchmark.stages import ALL, StageJob, load_apart, measure_stages
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.store import write_detectors, write_event

SIZES = (10_000, 20_000, 50_000, 100_000, 200_000, 300_000)


@dataclass(frozen=True)
class SizesJob:
    """Which events to make from those of `stages`, into a folder."""

    stages: StageJob
    sizes: tuple[int, ...]
    folder: Path


def measure_growth(job: StageJob, sizes: Sequence[int], tell: Tell) -> dict[str, Any]:
    """What `measure_stages` gives on events of the sizes, how they were made, and the exponents.

    Every size has a process of its own, since memory that a large event needed is kept for the
    next. The scores are those of single events: there is no quality of all together.
    """
    with tempfile.TemporaryDirectory(prefix="hitgraph-") as folder:
        environment = threads_environment(job.threads)
        make = SizesJob(job, tuple(sizes), Path(folder))
        made = run_apart(make_events, make, environment, tell)
        parts = []
        for source in list_events([folder]):
            measure = replace(job, sources=(source,))
            parts.append(run_apart(measure_stages, measure, environment, tell))
    events = [event for part in parts for event in part["events"]]
    rulers = [float(np.mean(part["yardstick"])) for part in parts for _ in part["events"]]
    return {
        "device": parts[0]["device"],
        "threads": job.threads,
        "yardstick": [seconds for part in parts for seconds in part["yardstick"]],
        "events": events,
        "quality": None,
        "made": made,
        "exponents": exponents(events, rulers),
    }


def make_events(job: SizesJob, tell: Tell, _line: Connection) -> dict[str, str]:
    """Write the events as a store; their names with how each was made."""
    pipeline, _ = load_apart(job.stages)
    wanted, events = max(job.sizes), list[Event]()
    for source in job.stages.sources:
        if sum(event.n_hits for event in events) < wanted:
            events.append(source.read())
    made = {}
    for size in job.sizes:
        sized = event_of_size(events, size, pipeline.detector)
        write_event(sized.event, job.folder)
        made[sized.event.name] = sized.recipe
        tell(f"made an event of {sized.event.n_hits:,} hits")
    write_detectors(pipeline.detector, job.folder)
    return made


def exponents(
    events: Sequence[Mapping[str, Any]], rulers: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """The power of the number of hits for each stage and clock, with the fit's standard error.

    "steady" is that of the CPU time divided by rulers (n_events,), what the yardstick took beside
    each event: sizes are measured one after the other, on a machine whose speed may change.
    """
    n_hits = [event["n_hits"] for event in events]
    fits: dict[str, dict[str, Any]] = {}
    for stage in (*[name for name in events[0]["stages"] if name != ALL], ALL):
        fits[stage] = {}
        wall, cpu = (
            np.array([np.median(event["stages"][stage][clock]) for event in events])
            for clock in ("wall", "cpu")
        )
        for clock, time in (("wall", wall), ("cpu", cpu), ("steady", cpu / np.array(rulers))):
            power, error = fit_power(n_hits, time)
            fits[stage][clock] = {"exponent": power, "error": error}
    return fits


def fit_power(n_hits: ArrayLike, seconds: ArrayLike) -> tuple[float | None, float | None]:
    """Slope of log(seconds) over log(n_hits) by least squares, and its standard error.

    None where the points are too few (two for a slope, three for an error) or a time is not
    positive.
    """
    n, t = np.asarray(n_hits, np.float64), np.asarray(seconds, np.float64)
    if len(np.unique(n)) < 2 or (t <= 0).any():
        return None, None
    x, y = np.log(n), np.log(t)
    x = x - x.mean()
    slope = float((x * y).sum() / (x * x).sum())
    if len(x) < 3:
        return slope, None
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt((rest**2).sum() / (len(x) - 2) / (x * x).sum()))
