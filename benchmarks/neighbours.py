"""Time of the fixed-radius search beside scipy's kd-tree: python benchmarks/neighbours.py

The points lie as hits do in a learnt space: tracks of ten hits close together, spread over a
curved surface of three dimensions. Times are CPU seconds on one thread, the best of a few runs;
the same code varies between runs by up to 1.5, so compare the ratios of one run.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.spatial import cKDTree

from hitgraph.benchmark.reference import latent_points, radius_for
from hitgraph.graph.neighbours import BACKENDS, radius_pairs

BRUTE_FORCE_LIMIT = 20_000  # points; the reference computes every distance


def scipy_pairs(points: NDArray[np.float32], radius: float) -> NDArray[np.int64]:
    pairs: NDArray[np.int64] = cKDTree(points).query_pairs(radius, output_type="ndarray")
    return pairs


def best_time(work: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the fastest run, after one that compiles."""
    work()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    backends = [
        name for name in BACKENDS if name != "torch" or arguments.points <= BRUTE_FORCE_LIMIT
    ]
    table = Table(title=f"{arguments.points:,} points, CPU seconds (times faster than cKDTree)")
    for column in ("dimensions", "pairs", "cKDTree", *backends):
        table.add_column(column, justify="right")
    for dimensions in (4, 8, 12):
        points = latent_points(arguments.points, dimensions, seed=0)
        tensor = torch.from_numpy(points)
        for neighbours in (20, 100):
            radius = radius_for(points, neighbours)
            scipy_time = best_time(partial(scipy_pairs, points, radius), arguments.repeat)
            times = [
                best_time(partial(radius_pairs, tensor, radius, backend=name), arguments.repeat)
                for name in backends
            ]
            n_pairs = radius_pairs(tensor, radius).shape[1]
            table.add_row(
                str(dimensions),
                f"{n_pairs / 1e6:.2f} M",
                f"{scipy_time:.2f}",
                *(f"{seconds:.2f} ({scipy_time / seconds:.1f})" for seconds in times),
            )
    Console().print(table)


if __name__ == "__main__":
    main()
