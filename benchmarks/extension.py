"""The largest kernels of a pipeline beside the same in C++: python benchmarks/extension.py EVENT

Runs a pipeline (the widths of `compact`) on one event, keeps what its three largest kernels were
given, and gives the same to extension/*.cpp, compiled for this machine and for any x86-64-v3.
Results are compared first; then all versions take turns. Only a measure: needs g++. Ratios are to
numba in the same round, medians with half their central 68 %.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from extension_calls import WORK, Before, Call, Version, ready_in, ready_numba, recorded
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hitgraph.graph.windows.cpu import ALONG_BINS, PHI_BINS
from hitgraph.kernels.blocks import in_parallel
from hitgraph.threads import set_threads

SOURCES = sorted(Path(__file__).with_suffix("").glob("*.cpp"))
FLAGS = ["-std=c++17", "-O3", "-ffast-math", "-fno-finite-math-only", "-fPIC"]
CELLS = [f"-DALONG_BINS={ALONG_BINS}", f"-DPHI_BINS={PHI_BINS}"]
MACHINES = ("native", "x86-64-v3")

# CPU seconds of the first run of a pipeline
FIRST_RUN = """
import sys
import time
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline
pipeline, event = Pipeline.load(sys.argv[2]), list_events([sys.argv[1]])[0].read()
start = time.process_time()
pipeline.run(event)
print(time.process_time() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("event", help="a store's event, or a store, of which the first is taken")
    parser.add_argument("--pipeline", default="compact")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--first-run", action="store_true", help="how long kernels are compiled")
    given = parser.parse_args()
    if shutil.which("g++") is None:
        sys.exit("extension.py: there is no g++ here, and this measure needs one")
    console = Console()
    set_threads(1)
    versions = [Version("numba", ready_numba)]
    with tempfile.TemporaryDirectory() as folder:
        for machine in MACHINES:
            start = time.perf_counter()
            library = compiled(machine, Path(folder))
            middle = time.perf_counter()
            functions = ctypes.CDLL(str(library))
            end = time.perf_counter()
            console.print(
                f"C++ for {machine}: compiled in {middle - start:.1f} s, loaded in "
                f"{1e3 * (end - middle):.1f} ms, {library.stat().st_size / 1024:.0f} kB"
            )
            versions.append(Version(f"C++, {machine}", ready_in(functions)))
        if given.first_run:
            seconds = first_run(given.event, given.pipeline)
            console.print(f"first run with an empty cache of kernels: {seconds:.1f} s of CPU")
        table = Table("kernels", "threads", "numba: wall, CPU [ms]")
        for version in versions[1:]:
            table.add_column(f"{version.name}: wall, CPU / numba's")
        calls, before, whole = recorded(given.event, given.pipeline)
        console.print(
            f"one run of {given.pipeline}: {1e3 * whole:.0f} ms of CPU, the best of three"
        )
        for name, kernels in WORK.items():
            work = [call for call in calls if call.kernel in kernels]
            for version in versions[1:]:
                console.print(f"{name}, {version.name}: {agreement(work, before, version)}")
            for threads in given.threads:
                times = timed(work, before, versions, given.rounds, threads)
                table.add_row(name, str(threads), *described(times))
        console.print(table)


def compiled(machine: str, folder: Path) -> Path:
    """The library of extension/*.cpp for a machine.

    Linked without -ffast-math, which would make every thread of Python flush small numbers to zero.
    """
    parts, library = [folder / f"{machine}-{source.stem}.o" for source in SOURCES], folder / machine
    for source, part in zip(SOURCES, parts, strict=True):
        options = [*FLAGS, *CELLS, f"-march={machine}"]
        subprocess.run(["g++", *options, "-c", str(source), "-o", str(part)], check=True)
    subprocess.run(["g++", "-shared", *map(str, parts), "-o", str(library)], check=True)
    return library


def first_run(event: str, pipeline: str) -> float:
    """CPU seconds of a run that has to compile its kernels."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-c", FIRST_RUN, event, pipeline],
            env={**os.environ, "NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    return float(done.stdout)


def run(
    work: list[Call],
    before: Before,
    version: Version,
    threads: int = 1,
) -> tuple[list[Any], float, float]:
    """What the calls give, and their wall and CPU seconds."""
    for array, copy in before:
        array[:] = copy
    ready = [
        [version.ready(call.kernel, call.arguments) for call in phase]
        for _, phase in groupby(work, lambda call: call.phase)
    ]
    found = []
    wall, cpu = time.perf_counter(), time.process_time()
    for phase in ready:
        found += in_parallel(lambda call: call(), phase, threads)
    return found, time.perf_counter() - wall, time.process_time() - cpu


def agreement(work: list[Call], before: Before, version: Version) -> str:
    """How far what a version gives is from what numba gives."""
    keys, ours = results(work, before, Version("numba", ready_numba))
    their_keys, theirs = results(work, before, version)
    both, one, other = np.intersect1d(keys, their_keys, return_indices=True)
    apart = np.abs(ours[one] - theirs[other]) / (1 + np.abs(ours[one]))
    return (
        f"{len(keys):,} values, {len(keys) + len(their_keys) - 2 * len(both)} on one side only, "
        f"apart by {np.quantile(apart, 0.999):.0e} of 1 + their size in 99.9 %, {apart.max():.0e} "
        f"in all, {(apart > 1e-3).sum()} by more than 1e-3"
    )


def results(
    work: list[Call], before: Before, version: Version
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What the calls give, scores of pairs or supports or logits of edges, each with a key."""
    found, _, _ = run(work, before, version)
    if work[0].kernel == "search_scored":
        pairs = [
            (call.phase << 48) + (ends[0].astype(np.int64) << 24) + ends[1]
            for call, (ends, _) in zip(work, found, strict=True)
        ]
        return np.concatenate(pairs), np.concatenate([scores for _, scores in found])
    place = -1 if work[0].kernel == "support_edges" else -2
    arrays = [call.arguments[place] for call in work if call.kernel != "_update_hits"]
    once = {id(array): array.ravel() for array in arrays}
    values = np.concatenate([*once.values()])
    return np.arange(len(values)), values


def timed(
    work: list[Call],
    before: Before,
    versions: list[Version],
    rounds: int,
    threads: int,
) -> NDArray[np.float64]:
    """(n_rounds, n_versions, 2) wall and CPU seconds; in each round another version begins."""
    times = np.empty((rounds, len(versions), 2))
    for number in range(rounds):
        for k in range(len(versions)):
            one = (number + k) % len(versions)
            times[number, one] = run(work, before, versions[one], threads)[1:]
    return times


def described(times: NDArray[np.float64]) -> list[str]:
    """A cell for each version: numba's ms, the others' ratios to it."""
    cells = [", ".join(spread(1e3 * times[:, 0, kind], 1) for kind in (0, 1))]
    for version in range(1, times.shape[1]):
        ratio = times[:, version] / times[:, 0]
        cells.append(", ".join(spread(ratio[:, kind], 2) for kind in (0, 1)))
    return cells


def spread(values: NDArray[np.float64], digits: int) -> str:
    low, median, high = np.percentile(values, [16, 50, 84])
    return f"{median:.{digits}f} ± {(high - low) / 2:.{digits}f}"


if __name__ == "__main__":
    main()
