"""Time against the number of hits, as figure 9 of arXiv 2103.06995. Needs the extra `plot`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hitgraph.benchmark.summary import Part
from hitgraph.evaluation.style import (
    COLOURS,
    MARKERS,
    legend_above,
    new_figure,
    png,
    styled,
)
from hitgraph.files import atomic_write

CLOCK_NAMES = {"cpu": "CPU time", "wall": "wall time"}


def write_growth_plot(parts: Mapping[str, Part], path: Path) -> None:
    """A PNG: one set of points and one fitted power for each measurement and clock."""
    with styled():
        figure = new_figure(6.4, 4.8)
        axes = figure.subplots()
        handles, labels = [], []
        for k, (name, part) in enumerate(parts.items()):
            for clock, filled in (("cpu", True), ("wall", False)):
                n_hits = np.array([event["n_hits"] for event in part["events"]], np.float64)
                samples = [event["stages"]["all"][clock] for event in part["events"]]
                middle = np.median(samples, axis=1)
                width = [middle - np.min(samples, axis=1), np.max(samples, axis=1) - middle]
                colour = COLOURS[k % len(COLOURS)]
                power = part["exponents"]["all"][clock]["exponent"]
                handles.append(
                    axes.errorbar(
                        n_hits,
                        middle,
                        width,
                        linestyle="none",
                        marker=MARKERS[k % len(MARKERS)],
                        color=colour,
                        markerfacecolor=colour if filled else "white",
                    )
                )
                text = f"{name.removeprefix('growth, ')}, {CLOCK_NAMES[clock]}"
                if power is not None:
                    scale = np.exp(np.mean(np.log(middle) - power * np.log(n_hits)))
                    axes.plot(
                        n_hits,
                        scale * n_hits**power,
                        color=colour,
                        linestyle="-" if filled else "--",
                        linewidth=1,
                    )
                    text += f", hits^{power:.2f}"
                labels.append(text)
        axes.set(xscale="log", yscale="log", xlabel="hits", ylabel="time an event [s]")
        legend_above(figure, handles, labels, columns=1)
        content = png(figure)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
