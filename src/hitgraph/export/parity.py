"""Whether an exported file gives what its pipeline does, edge by edge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hitgraph.errors import HitgraphError, reason


@dataclass(frozen=True)
class Check:
    """One file on one graph."""

    file: str
    graph: str  # which
    n_hits: int
    n_edges: int  # 0 for networks of hits
    largest: float  # difference of an output, over its size where that is above one; inf where
    # there is none or of another shape
    row: int | None = None  # of the output, an edge or a hit, that differs most
    here: float | None = None  # its value in the pipeline
    there: float | None = None  # its value in the other runtime
    fault: str = ""  # why there is no output
    unsure: int = 0  # values that rounding decides, left out of the comparison


def check(
    file: str,
    graph: str,
    run: Callable[[Mapping[str, Tensor]], Tensor],
    inputs: Mapping[str, Tensor],
    expected: Tensor,
) -> Check:
    """Run a file on the inputs of a graph and compare its output, of any precision.

    Where NaN is expected, rounding decides and any number will do.
    """
    edges = inputs.get("edge_index")
    sizes = len(inputs["x"]), 0 if edges is None else edges.shape[1]
    try:
        found = run(inputs)
    except Exception as error:  # any: it comes from another runtime
        return Check(file, graph, *sizes, torch.inf, fault=reason(error)[:500])
    if found.shape != expected.shape:
        fault = f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
        return Check(file, graph, *sizes, torch.inf, fault=fault)
    if not expected.numel():
        return Check(file, graph, *sizes, 0.0)
    found, expected = found.double(), expected.double()
    unsure = expected.isnan() & ~found.isnan()
    if bool(unsure.all()):
        fault = "rounding decides every value, so nothing is compared"
        return Check(file, graph, *sizes, torch.inf, fault=fault)
    difference = (found - expected).abs() / expected.abs().clamp_min(1.0)
    difference = difference.nan_to_num(nan=torch.inf).masked_fill(unsure, 0.0)
    at = int(difference.argmax())
    here, there = (float(values.flatten()[at]) for values in (expected, found))
    row = at // (expected.numel() // len(expected))
    largest = float(difference.flatten()[at])
    return Check(file, graph, *sizes, largest, row, here, there, unsure=int(unsure.sum()))


def refuse_different(checks: Sequence[Check], tolerance: float) -> None:
    """Raise HitgraphError where a file differs by more than the tolerance."""
    worst = max(checks, key=lambda one: one.largest)
    if worst.largest <= tolerance:
        return
    what = worst.fault or (
        f"row {worst.row} is {worst.there:.6g}, the pipeline has {worst.here:.6g} "
        f"(difference {worst.largest:.3g}, over its size where that is above 1; at most "
        f"{tolerance:g} is let pass)"
    )
    raise HitgraphError(
        f"{worst.file} is not what the pipeline does, so nothing was written: {worst.graph} "
        f"({worst.n_hits} hits, {worst.n_edges} edges): {what}"
    )


def rows_of(checks: Sequence[Check]) -> list[tuple[str, ...]]:
    """A table: file, graph, hits, edges, largest difference, and where it is."""
    return [
        (
            one.file,
            one.graph,
            f"{one.n_hits:,}",
            f"{one.n_edges:,}",
            f"{one.largest:.2g}",
            "" if one.row is None else f"{one.row}: {one.here:.6g}, {one.there:.6g}",
        )
        for one in checks
    ]


HEAD = ("file", "graph", "hits", "edges", "largest difference", "row: here, there")


def as_text(checks: Sequence[Check]) -> str:
    """The table for parity.txt."""
    lines = [HEAD, *rows_of(checks)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEAD))]
    rows = (
        "  ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)) for line in lines
    )
    return "".join(f"{row.rstrip()}\n" for row in rows)


def as_json(checks: Sequence[Check], tolerance: float) -> dict[str, Any]:
    """What parity.json has."""
    return {
        "tolerance": tolerance,
        "largest": max(one.largest for one in checks),
        "checks": [asdict(one) for one in checks],
    }
