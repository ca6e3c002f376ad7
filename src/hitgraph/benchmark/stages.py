"""One pipeline on some events, again and again: what each stage takes, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from time import perf_counter
from typing import TYPE_CHECKING, Any

from hitgraph.benchmark.apart import Tell
from hitgraph.benchmark.clock import Reading, StageClock, as_lists, resident
from hitgraph.benchmark.machine import yardstick
from hitgraph.event.source import EventSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hitgraph.evaluation.metrics import Metrics
    from hitgraph.pipeline import Pipeline

ALL, READ = "all", "read"
NEEDED_TABLES = ("hits", "cells")  # what an experiment has: no truth, no particles


@dataclass(frozen=True)
class StageJob:
    """What to measure, in a process that already has the right number of threads."""

    pipeline: str  # a shipped name or a folder
    sources: tuple[EventSource, ...]
    device: str
    threads: int
    repeats: int
    precision: str = "auto"  # of the networks on a GPU


@dataclass(frozen=True, eq=False)
class Found:
    """What an event's run found; the graph is let go, it would count as memory of the next run."""

    labels: "NDArray[np.int64]"  # (n_hits,)
    n_tracks: int
    edges: dict[str, int]  # left after each stage that has some


def measure_stages(job: StageJob, tell: Tell, _line: Connection) -> dict[str, Any]:
    """Times and memory of every stage, event and repeat, after two warm-up events.

    Returns what goes into the JSON file: see docs/performance.md. The repeats go round the
    events, so that a slow minute of the machine hits all of them alike.
    """
    pipeline, loaded = load_apart(job)
    idle = resident()
    clock = StageClock(pipeline.device)
    largest = max(job.sources, key=lambda source: source.size)
    first = run_event(pipeline, largest, clock)[0][ALL].wall
    run_event(pipeline, largest, clock)
    tell("warm-up")
    ruler = [yardstick()]
    samples: list[list[dict[str, Reading]]] = [[] for _ in job.sources]
    found: list[Found] = []
    for repeat in range(job.repeats):
        for number, source in enumerate(job.sources):
            readings, one = run_event(pipeline, source, clock)
            samples[number].append(readings)
            if repeat == 0:
                found.append(one)
            tell(f"repeat {repeat + 1}, {source.name}")
    ruler.append(yardstick())
    judged = judge_events(job.sources, found, samples)
    tell("judged")
    return {
        "device": str(pipeline.device),
        "threads": job.threads,
        "load_seconds": loaded,
        "loaded_bytes": idle,
        "first_event_seconds": first,
        "yardstick": ruler,
        **judged,
    }


def judge_events(
    sources: Sequence[EventSource],
    found: Sequence[Found],
    samples: Sequence[list[dict[str, Reading]]],
) -> dict[str, Any]:
    """The events with their readings and scores, and the quality of all together."""
    metrics = [_judge(source, one) for source, one in zip(sources, found, strict=True)]
    events = [
        _event_dict(source, one, own, judged)
        for source, one, own, judged in zip(sources, found, samples, metrics, strict=True)
    ]
    return {"events": events, "quality": _quality([one for one in metrics if one is not None])}


def load_apart(job: Any) -> tuple["Pipeline", float]:
    """The pipeline of a job and the seconds to import and load it."""
    start = perf_counter()
    from hitgraph.pipeline import Pipeline
    from hitgraph.threads import set_threads

    set_threads(job.threads)
    pipeline = Pipeline.load(job.pipeline, job.device, job.precision)
    return pipeline, perf_counter() - start


def run_event(
    pipeline: "Pipeline", source: EventSource, clock: StageClock
) -> tuple[dict[str, Reading], Found]:
    """From the file to labels in host memory; the stages and `all` as readings."""
    clock.readings = {}
    with clock(ALL):
        with clock(READ):
            event = without_truth(source).read(cells=pipeline.recipe.clusters)
        result = pipeline.run(event, observers=(clock,))
    readings = clock.readings
    edges = {stage.name: stage.edges for stage in result.stages if stage.edges is not None}
    return readings, Found(result.labels, result.n_tracks, edges)


def without_truth(source: EventSource) -> EventSource:
    """The same event as an experiment has it."""
    return replace(source, files=tuple(f for f in source.files if f[0] in NEEDED_TABLES))


def _judge(source: EventSource, found: Found) -> "Metrics | None":
    """How good the tracks are, where the event tells."""
    from hitgraph.evaluation.metrics import evaluate

    if not {"truth", "particles"} <= {name for name, _ in source.files}:
        return None
    return evaluate(source.read(cells=False), found.labels)


def _event_dict(
    source: EventSource,
    found: Found,
    samples: list[dict[str, Reading]],
    metrics: "Metrics | None",
) -> dict[str, Any]:
    order = [READ, *(name for name in samples[0] if name not in (READ, ALL)), ALL]
    stages = {name: as_lists([sample[name] for sample in samples]) for name in order}
    return {
        "event": source.name,
        "n_hits": len(found.labels),
        "n_tracks": found.n_tracks,
        "edges": found.edges,
        "stages": stages,
        "score": None if metrics is None else metrics.to_dict()["trackml_score"]["value"],
    }


def _quality(metrics: "list[Metrics]") -> dict[str, Any] | None:
    """Score, technical efficiency and purity of all events together; None without truth."""
    from hitgraph.evaluation.metrics import combine

    if not metrics:
        return None
    together = combine(metrics)
    matched, content = together.matchings["double majority"], together.to_dict()
    return {
        "n_events": len(metrics),
        **{key: content[key] for key in ("trackml_score", "trackml_score_primaries")},
        "technical_efficiency": {
            f"{one.min_pt:g}": one.technical.to_dict() for one in matched.efficiency
        },
        "purity": matched.purity.to_dict(),
    }
