"""What the study `scaling` shows: efficiencies that were measured, and some that are estimated."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hitgraph.lessons.seeds import generator
from hitgraph.studies.output import Result, Table
from hitgraph.studies.plan import Points

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure

ESTIMATED = (2, 4, 8, 16, 32, 64)
DRAWS = 2000


def efficiency(kind: str, alone: float, ranks: int, seconds: float) -> float:
    """t_1 / (N t_N) of a fixed work, t_1 / t_N of one that grows with the ranks."""
    return alone / seconds / (ranks if kind == "strong" else 1)


def estimated_efficiency(
    batch_seconds: Sequence[float], sum_seconds: float, ranks: int, seed: int = 0
) -> float:
    """Weak scaling of steps of one batch a rank, from the times of batches and of a sum.

    A step waits for the slowest of `ranks` batches, drawn at random from those measured; the sum
    of two ranks took `sum_seconds`, that of N is taken as log2(N) such, as over a tree.
    """
    times = np.asarray(batch_seconds)
    drawn = generator(seed, "scaling", ranks)
    rows = torch.randint(len(times), (DRAWS, ranks), generator=drawn).numpy()
    slowest = times[rows].max(axis=1).mean()
    return float(times.mean() / (slowest + math.log2(ranks) * sum_seconds))


def summarise(points: Points) -> Result:
    series: dict[str, list[dict[str, Any]]] = {}
    for point in points.values():
        series.setdefault(f"{point['pipeline']}, {point['kind']}", []).append(point)
    rows, estimates = [], {}
    for name, found in series.items():
        found.sort(key=lambda point: int(point["ranks"]))
        alone = found[0]["epoch_seconds"]
        for one in found:
            one["efficiency"] = efficiency(one["kind"], alone, one["ranks"], one["epoch_seconds"])
            rows.append(
                (
                    name,
                    str(one["ranks"]),
                    f"{one['epoch_seconds']:.2f}",
                    f"{100 * one['efficiency']:.0f} %",
                    f"{1000 * one['sum_seconds']:.2f}" if one["ranks"] > 1 else "-",
                )
            )
    for name in dict.fromkeys(point["pipeline"] for point in points.values()):
        of_one = [point for point in points.values() if point["pipeline"] == name]
        estimates[name] = _estimates(of_one)
    tables = (
        Table(
            "Time of an epoch in ranks",
            ("scaling", "ranks", "s", "efficiency", "sum of gradients [ms]"),
            tuple(rows),
        ),
        Table(
            "Estimated, not measured: weak scaling with one batch a rank and step",
            ("", *(f"{ranks} ranks" for ranks in ESTIMATED)),
            tuple(
                (name, *(f"{100 * value:.0f} %" for value in values.values()))
                for name, values in estimates.items()
            ),
        ),
    )
    data = {"series": series, "estimated": estimates}
    return Result(tables, {"scaling": scaling_figure(series, estimates)}, data)


def _estimates(points: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """By number of ranks. One rank has measured the same batches twice: the faster time counts."""
    alone = [point["batch_seconds"] for point in points if point["ranks"] == 1]
    times = np.min(alone, axis=0).tolist()
    sums = [
        point["sum_seconds"] / math.log2(point["ranks"]) for point in points if point["ranks"] > 1
    ]
    return {
        str(ranks): estimated_efficiency(times, min(sums, default=0.0), ranks)
        for ranks in ESTIMATED
    }


def scaling_figure(
    series: Mapping[str, Sequence[Mapping[str, Any]]], estimates: Mapping[str, Mapping[str, float]]
) -> "Figure":
    """Time of an epoch and efficiency, each against the number of ranks."""
    from hitgraph.evaluation.style import COLOURS, MARKERS, legend_above, new_figure, styled

    with styled():
        figure = new_figure(9.0, 4.6)
        left, right = figure.subplots(1, 2)
        handles, labels = [], []
        for k, (name, found) in enumerate(series.items()):
            ranks = [one["ranks"] for one in found]
            look = {"color": COLOURS[k % 6], "marker": MARKERS[k % 6]}
            handles += left.plot(ranks, [one["epoch_seconds"] for one in found], **look)
            labels.append(name)
            right.plot(ranks, [100 * one["efficiency"] for one in found], **look)
        for k, (name, values) in enumerate(estimates.items()):
            shown = [100 * value for value in values.values()]
            handles += right.plot([int(n) for n in values], shown, ":", color=COLOURS[k % 6])
            labels.append(f"{name}, estimated")
        left.set(ylabel="time / epoch [s]", ylim=(0, None))
        right.set(ylabel="efficiency [%]", ylim=(0, 110))
        for axes in (left, right):
            axes.set_xlabel("ranks")
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        legend_above(figure, handles, labels, columns=2)
    return figure
