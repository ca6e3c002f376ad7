"""What it costs to read an event for one region of it, and what reading less would save.

    python benchmarks/region_reading.py data/test/event000001000

Row groups are of the same tables, sorted by azimuth into files of their own. CPU time, best of
eight.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from timing import best_time

from hitgraph.benchmark.stages import without_truth
from hitgraph.cli.console import console
from hitgraph.event.event import CellTable, Event, HitTable
from hitgraph.event.regions import region_at
from hitgraph.event.rows import select_hits
from hitgraph.event.source import list_events

REPEATS = 8
GROUPS = 32  # of azimuth


def sorted_by_azimuth(event: Event, folder: Path) -> list[Path]:
    """Hits and cells in files of GROUPS row groups, hit after hit in azimuth."""
    assert event.cells is not None
    azimuth = np.arctan2(event.hits.y, event.hits.x)
    of_cell = azimuth[np.searchsorted(event.hits.hit_id, event.cells.hit_id)]
    return [
        written(event.hits, np.argsort(azimuth), folder / "hits.parquet"),
        written(event.cells, np.argsort(of_cell, kind="stable"), folder / "cells.parquet"),
    ]


def written(table: HitTable | CellTable, order: NDArray[np.int64], path: Path) -> Path:
    columns = {field.name: getattr(table, field.name)[order] for field in fields(table)}
    rows = -(-len(order) // GROUPS)
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=rows)
    return path


def read_groups(paths: list[Path], n_groups: int) -> None:
    for path in paths:
        pq.ParquetFile(path).read_row_groups(list(range(n_groups)), use_threads=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("event", help="an event in the store (parquet)")
    args = parser.parse_args()
    (source,) = list_events([args.event])
    event = source.read()
    region = region_at(0.5, 1.2)
    keep = region.reaches(event.hits, event.likely_field.centre)
    paths = [place.path for table, place in source.files if table in ("hits", "cells")]
    azimuth = np.mod(np.arctan2(event.hits.y[keep], event.hits.x[keep]), 2 * np.pi)
    n_groups = int(np.ceil(np.ptp(azimuth) / (2 * np.pi) * GROUPS)) + 1
    with tempfile.TemporaryDirectory() as folder:
        by_azimuth = sorted_by_azimuth(event, Path(folder))
        steps: dict[str, Callable[[], object]] = {
            "hits and cells, read and checked": partial(read_without_truth, args.event),
            "of that decoding": lambda: [pq.read_table(p, use_threads=False) for p in paths],
            "choosing the hits of the region": lambda: region.reaches(event.hits, 2.0),
            "taking them and their cells out": lambda: select_hits(event, keep),
            f"decoding {n_groups} of {GROUPS} row groups": partial(
                read_groups, by_azimuth, n_groups
            ),
        }
        out = console(quiet=False)
        out.print(f"{keep.sum()} of {event.n_hits} hits")
        for name, step in steps.items():
            out.print(f"{name}: {1e3 * best_time(step, REPEATS):.1f} ms")


def read_without_truth(path: str) -> Event:
    (source,) = list_events([path])
    return without_truth(source).read()


if __name__ == "__main__":
    main()
