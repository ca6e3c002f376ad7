"""Times stages in a warm process: python tools/time_gpu.py EVENTS [PIPELINE ...]

An event is in host memory before, its labels are after; medians of eight rounds over all events.
Each pipeline is timed with torch's operations (`plain`) and with the kernels for a GPU (`auto`).
"""

import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline

ROUNDS = 8


def timed(pipeline: Pipeline, events: list[Event]) -> str:
    start = perf_counter()
    pipeline.run(events[0])
    first = perf_counter() - start
    torch.cuda.reset_peak_memory_stats()
    stages: dict[str, list[float]] = {}
    walls = []
    for event in events * ROUNDS:
        start = perf_counter()
        result = pipeline.run(event)
        walls.append(perf_counter() - start)
        for stage in result.stages:
            stages.setdefault(stage.name, []).append(stage.seconds)
    parts = ", ".join(f"{name} {1000 * median(times):.1f}" for name, times in stages.items())
    memory = torch.cuda.max_memory_allocated() / 1e9
    return (
        f"{1000 * median(walls):.1f} ms (least {1000 * min(walls):.1f}, first {first:.1f} s), "
        f"{memory:.2f} GB; {parts}"
    )


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device: nothing to time here")
    sources = list_events([Path(sys.argv[1])])
    for name in sys.argv[2:] or ["compact"]:
        pipeline = Pipeline.load(name, "cuda")
        events = [source.read(cells=pipeline.recipe.clusters) for source in sources]
        for backend in ("plain", "auto"):
            found = timed(pipeline.rebuilt(backend=backend), events)
            sys.stdout.write(f"{name}, {backend}: {found}\n")


if __name__ == "__main__":
    main()
