"""Which operations an event spends its time on: python tools/profile_gpu.py EVENTS [PIPELINE]

Prints, stage by stage, the time, the number of operations and the longest of them, of the first
event after two to warm up. On a machine without a GPU the operations in torch run on the CPU:
their number is that of a GPU, their times are not.
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import perf_counter

import torch
from torch.profiler import ProfilerActivity, profile

from hitgraph.event.source import list_events
from hitgraph.observe import Observer
from hitgraph.pipeline import Pipeline

ROWS = 12  # operations a stage


@contextmanager
def profiled(stage: str) -> Iterator[None]:
    gpu = torch.cuda.is_available()
    start = perf_counter()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]) as p:
        yield
        if gpu:
            torch.cuda.synchronize()
    seconds = perf_counter() - start
    averages = p.key_averages()
    count = sum(one.count for one in averages if one.key.startswith("aten::"))
    order = "self_device_time_total" if gpu else "self_cpu_time_total"
    table = averages.table(sort_by=order, row_limit=ROWS, max_name_column_width=60)
    sys.stdout.write(
        f"== {stage}: {seconds:.4f} s under the profiler, {count} operations\n{table}\n"
    )


class Profiler(Observer):
    """Prints what each stage does."""

    def around(self, name: str) -> AbstractContextManager[None]:
        return profiled(name)


def main() -> None:
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = sys.argv[2] if len(sys.argv) > 2 else "compact"
    pipeline = Pipeline.load(name, device)
    if device == "cpu":
        pipeline = pipeline.rebuilt(backend="plain")
    source = list_events([Path(sys.argv[1])])[0]
    event = source.read(cells=pipeline.recipe.clusters)
    for _ in range(2):
        pipeline.run(event)
    pipeline.run(event, observers=[Profiler()])


if __name__ == "__main__":
    main()
