"""The combinatorial Kalman filter of ACTS on the same events. Needs the extra `sim`."""

from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from hitgraph.benchmark.apart import Tell
from hitgraph.benchmark.clock import Reading, StageClock, resident
from hitgraph.benchmark.machine import yardstick
from hitgraph.benchmark.stages import (
    ALL,
    READ,
    Found,
    StageJob,
    judge_events,
    without_truth,
)

KEY = "ckf"  # of the measurement


def measure_ckf(job: StageJob, tell: Tell, _line: Connection) -> dict[str, Any]:
    """Each event once, after a warm-up event, on one thread; as `measure_stages` returns it."""
    from hitgraph.baseline.ckf import Ckf

    chain = Ckf()
    idle, clock = resident(), StageClock()
    smallest = min(job.sources, key=lambda source: source.size)
    chain.run(without_truth(smallest).read(cells=False))
    tell("warm-up")
    ruler = [yardstick()]
    samples: list[list[dict[str, Reading]]] = []
    found: list[Found] = []
    seconds: dict[str, list[float]] = {}
    for source in job.sources:
        clock.readings = {}
        with clock(ALL):
            with clock(READ):
                event = without_truth(source).read(cells=False)
            result = chain.run(event)
        samples.append([clock.readings])
        found.append(Found(result.labels, result.n_tracks, {}))
        for stage in result.stages:
            seconds.setdefault(stage.name, []).append(stage.seconds)
        tell(source.name)
    ruler.append(yardstick())
    return {
        "device": "cpu",
        "threads": job.threads,
        "loaded_bytes": idle,
        "yardstick": ruler,
        "stage_seconds": {name: float(np.mean(values)) for name, values in seconds.items()},
        **judge_events(job.sources, found, samples),
    }
