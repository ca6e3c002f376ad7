"""Time of the fixed-radius search beside scipy's kd-tree: python benchmarks/neighbours.py

and its growth with the number of points: python benchmarks/neighbours.py --growth

and one event in a space of the size that recipes/reference.yaml asks for, with seeded weights:
python benchmarks/neighbours.py --event data/pu200-test/event000001000

The points lie as hits do in a learnt space: tracks of ten hits close together, spread over a
curved surface of three dimensions. Times are CPU seconds on one thread, the best of a few runs;
the same code varies between runs by up to 1.5, so compare the ratios of one run.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.spatial import cKDTree
from timing import best_time

from hitgraph.benchmark.clock import StageClock
from hitgraph.benchmark.reference import latent_points, radius_for
from hitgraph.devices import find_device
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.graph.neighbours import BACKENDS, radius_pairs
from hitgraph.graph.radius.embedding import (
    BATCH,
    EmbeddingNetwork,
    EmbeddingSettings,
    RadiusBuilder,
)
from hitgraph.hits import FEATURES, Hits, hits_from_event
from hitgraph.hits.direction import squared_distance

BRUTE_FORCE_LIMIT = 20_000  # points; the reference computes every distance
GROWTH = (10_000, 30_000, 100_000, 300_000)  # points


def scipy_pairs(points: NDArray[np.float32], radius: float) -> NDArray[np.int64]:
    pairs: NDArray[np.int64] = cKDTree(points).query_pairs(radius, output_type="ndarray")
    return pairs


def reference_embedding(event: Event, device: torch.device) -> tuple[Hits, RadiusBuilder]:
    """Hits of an event, and the builder of the recipe `reference` with seeded weights.

    Its radius gives as many pairs as the paper's graphs have at this step, 45 a hit.
    """
    if event.detector is None:
        raise SystemExit(f"{event.name}: there is no detectors table beside it")
    hits = hits_from_event(event, event.detector, device=device)
    torch.manual_seed(1)
    settings = EmbeddingSettings(hidden=512, layers=6, dimensions=8)
    network = EmbeddingNetwork(settings, FEATURES).eval().to(device)
    network.learn_inputs(hits.features)
    latents = network(hits.features[:: max(1, len(hits) // 20_000)]).cpu().numpy()
    density = len(latents) / len(hits)
    return hits, RadiusBuilder(network, radius_for(latents, 90 * density))


def full_event(event: Event, device: torch.device) -> Table:
    """Time and memory of the search on one event, at both precisions of index and with a cap.

    The memory is that of the whole process, or of the tensors on a GPU.
    """
    hits, builder = reference_embedding(event, device)
    latents = torch.cat([builder.network(part) for part in hits.features.split(BATCH)])
    key = squared_distance(hits.position)
    table = Table(title=f"{event.name}: {len(hits):,} hits, radius {builder.radius:.3g}")
    for column in ("backend", "index", "cap", "pairs", "wall [s]", "CPU [s]", "peak [GB]"):
        table.add_column(column, justify="right")

    def add(name: str, index: str, cap: int | None, work: Callable[[], torch.Tensor]) -> None:
        clock = StageClock(device)
        with clock(name):
            n_pairs = work().shape[1]
        reading = clock.readings[name]
        peak = reading.peak if reading.gpu_peak is None else reading.gpu_peak
        table.add_row(
            name,
            index,
            str(cap or "-"),
            f"{n_pairs / 1e6:.2f} M",
            f"{reading.wall:.2f}",
            f"{reading.cpu:.2f}",
            "?" if peak is None else f"{peak / 1e9:.2f}",
        )

    names = ["plain"] if device.type == "cuda" else ["cpu", "plain"]
    for name in names:
        for dtype in (torch.int32, torch.int64):
            for cap in (None, 10):
                search = partial(
                    radius_pairs, latents, builder.radius, cap, name, key=key, dtype=dtype
                )
                radius_pairs(latents[:1000], 0.0, cap, name, key[:1000], dtype)  # compiles
                add(name, str(dtype).removeprefix("torch."), cap, search)
    del latents
    add("embedding and search", "int64", None, partial(builder.build, hits))
    return table


def backends_for(n_points: int) -> list[str]:
    return [name for name in BACKENDS if name != "reference" or n_points <= BRUTE_FORCE_LIMIT]


def compare(n_points: int, repeat: int) -> Table:
    """Every backend beside scipy's kd-tree, in 4, 8 and 12 dimensions, few and many neighbours."""
    backends = backends_for(n_points)
    table = Table(title=f"{n_points:,} points, CPU seconds (times faster than cKDTree)")
    for column in ("dimensions", "pairs", "cKDTree", *backends):
        table.add_column(column, justify="right")
    for dimensions in (4, 8, 12):
        points = latent_points(n_points, dimensions, seed=0)
        tensor = torch.from_numpy(points)
        for neighbours in (20, 100):
            radius = radius_for(points, neighbours)
            scipy_time = best_time(partial(scipy_pairs, points, radius), repeat)
            times = [
                best_time(partial(radius_pairs, tensor, radius, backend=name), repeat)
                for name in backends
            ]
            n_pairs = radius_pairs(tensor, radius).shape[1]
            table.add_row(
                str(dimensions),
                f"{n_pairs / 1e6:.2f} M",
                f"{scipy_time:.2f}",
                *(f"{seconds:.2f} ({scipy_time / seconds:.1f})" for seconds in times),
            )
    return table


def growth(repeat: int) -> Table:
    """Time against the number of points at a fixed number of neighbours, in 8 dimensions."""
    table = Table(title="20 neighbours in 8 dimensions, CPU seconds (over numba)")
    for column in ("points", "pairs", *BACKENDS):
        table.add_column(column, justify="right")
    times: dict[str, list[float]] = {name: [] for name in BACKENDS}
    for n_points in GROWTH:
        points = latent_points(n_points, 8, seed=0)
        tensor, radius = torch.from_numpy(points), radius_for(points, 20)
        for name in backends_for(n_points):
            times[name].append(
                best_time(partial(radius_pairs, tensor, radius, backend=name), repeat)
            )
        n_pairs = radius_pairs(tensor, radius).shape[1]
        row = [
            f"{times[name][-1]:.3f} ({times[name][-1] / times['numba'][-1]:.1f})"
            if name in backends_for(n_points)
            else "-"
            for name in BACKENDS
        ]
        table.add_row(f"{n_points:,}", f"{n_pairs / 1e6:.2f} M", *row)
    exponents = [
        f"n^{np.polyfit(np.log(GROWTH), np.log(times[name]), 1)[0]:.2f}"
        if len(times[name]) == len(GROWTH)
        else "n^2"
        for name in BACKENDS
    ]
    table.add_row("growth", "", *exponents)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="time against the number of points")
    parser.add_argument("--event", help="search in one event, in the space of a seeded network")
    parser.add_argument("--device", default="cpu", help="of --event: cpu or cuda")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.event:
        with torch.inference_mode():
            Console().print(full_event(read_event(arguments.event), find_device(arguments.device)))
    elif arguments.growth:
        Console().print(growth(arguments.repeat))
    else:
        Console().print(compare(arguments.points, arguments.repeat))


if __name__ == "__main__":
    main()
