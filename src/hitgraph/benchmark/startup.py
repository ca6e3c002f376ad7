"""What a new process pays before its first event: imports, and compilation the very first time."""

import gc
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

from hitgraph.benchmark.apart import Tell, run_apart, threads_environment
from hitgraph.benchmark.clock import StageClock
from hitgraph.benchmark.stages import ALL, StageJob, load_apart, run_event

COMMANDS = {
    "python itself": ("-c", "pass"),
    "hitgraph --help": ("-m", "hitgraph.cli", "--help"),
    "import torch": ("-c", "import torch"),
    "import hitgraph.pipeline": ("-c", "import hitgraph.pipeline"),
}
REPEATS = 3  # the fastest counts: files are then in the system's cache
CACHES = {"NUMBA_CACHE_DIR": "numba", "TRITON_CACHE_DIR": "triton"}


def measure_startup(job: StageJob, tell: Tell) -> dict[str, Any]:
    """Wall seconds of `COMMANDS`, and of the first event in three processes.

    The first finds no compiled kernels on disk, the second those of the first; what a warm event
    takes is measured in the second, so that the differences are compilation and loading.
    """
    seconds = {
        name: min(_seconds(words) for _ in range(REPEATS)) for name, words in COMMANDS.items()
    }
    tell("imports")
    smallest = min(job.sources, key=lambda source: source.size)
    job = replace(job, sources=(smallest,))
    with tempfile.TemporaryDirectory(prefix="hitgraph-") as folder:
        environment = threads_environment(job.threads)
        environment |= {variable: str(Path(folder) / name) for variable, name in CACHES.items()}
        cold = run_apart(first_events, job, environment)
        tell("first event, compiling")
        warm = run_apart(first_events, job, environment)
        tell("first event, compiled before")
    return {
        "seconds": seconds,
        "event": smallest.name,
        "empty_cache": cold,
        "filled_cache": warm,
    }


def first_events(job: StageJob, _tell: Tell, _line: Connection) -> dict[str, Any]:
    """Seconds to load the pipeline, of the first and third event, and kernels compiled for them."""
    pipeline, loaded = load_apart(job)
    clock = StageClock(pipeline.device)
    first, _, third = [run_event(pipeline, job.sources[0], clock)[0][ALL] for _ in range(3)]
    return {
        "load_seconds": loaded,
        "first_event": {"wall": first.wall, "cpu": first.cpu},
        "warm_event": {"wall": third.wall, "cpu": third.cpu},
        "compiled": compiled_kernels(),
    }


def compiled_kernels() -> int:
    """How many numba kernels this process has compiled instead of taking them from the disk."""
    from numba.core.dispatcher import Dispatcher

    return sum(
        sum(one.stats.cache_misses.values())
        for one in gc.get_objects()
        if issubclass(type(one), Dispatcher)  # isinstance would wake lazy objects
    )


def _seconds(words: Sequence[str]) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return perf_counter() - start
