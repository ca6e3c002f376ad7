"""Figures of fitted track parameters: pulls, and resolution against pT and eta."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.bins import ETA, PT
from hitgraph.evaluation.fit_quality import FitQuality, half_width
from hitgraph.evaluation.fit_tables import UNITS
from hitgraph.evaluation.plots import set_x
from hitgraph.evaluation.style import (
    COLOURS,
    GREY,
    MARKERS,
    Figure,
    legend_above,
    mplhep,
    new_figure,
    styled,
)
from hitgraph.event.perigee import PARAMETERS

SYMBOLS = {"d0": r"$d_0$", "z0": r"$z_0$", "phi": r"$\phi$", "theta": r"$\theta$", "qop": "$q/p$"}
PULL_EDGES = np.linspace(-5.0, 5.0, 41)
MIN_ENTRIES = 10  # tracks in a bin for a resolution
COLUMNS = 3  # panels in a row


def pull_figure(columns: Mapping[str, FitQuality | None]) -> Figure:
    """Pulls of the five parameters, beside the normal distribution that they should follow.

    Pipelines without fits are None.
    """
    with styled():
        figure = new_figure(12.4, 6.6)
        panels = figure.subplots(2, COLUMNS).ravel()
        handles, labels = [], []
        for k, name in enumerate(PARAMETERS):
            axes = panels[k]
            for colour, (column, quality) in enumerate(columns.items()):
                if quality is None:
                    continue
                inside = np.clip(quality.pull[:, k], PULL_EDGES[0], PULL_EDGES[-1])
                counts, _ = np.histogram(inside, PULL_EDGES)
                density = counts / max(len(quality), 1) / np.diff(PULL_EDGES)
                artists = mplhep.histplot(
                    density, PULL_EDGES, ax=axes, color=COLOURS[colour % 6], flow="none"
                )
                if k == 0:
                    handles.append(artists[0].stairs)
                    labels.append(column)
            at = np.linspace(-5, 5, 201)
            (normal,) = axes.plot(
                at, np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi), color=GREY, linestyle="--"
            )
            axes.set(xlabel=f"pull of {SYMBOLS[name]}", ylabel="density", xlim=(-5, 5))
            axes.set_ylim(bottom=0)
        panels[-1].set_axis_off()
        legend_above(figure, [*handles, normal], [*labels, "unit normal"], columns=4)
    return figure


def resolution_figure(
    columns: Mapping[str, FitQuality | None], variable: Literal["pt", "eta"]
) -> Figure:
    """Half of the central 68 % of fitted - true in bins of the particle's pT or eta.

    Bins with fewer than ten tracks are left out. Pipelines without fits are None.
    """
    grid = PT if variable == "pt" else ETA
    fitted = [(k, one) for k, one in enumerate(columns.values()) if one is not None]
    values = {k: getattr(quality, variable) for k, quality in fitted}
    counts = [np.histogram(one, grid.edges)[0].tolist() for one in values.values()]
    edges = np.asarray(grid.shown_counts(counts)[0])
    with styled():
        figure = new_figure(12.4, 6.6)
        panels = figure.subplots(2, COLUMNS).ravel()
        handles = []
        for k, name in enumerate(PARAMETERS):
            axes = panels[k]
            factor, unit, _ = UNITS[name]
            for colour, quality in fitted:
                bins = np.digitize(values[colour], edges) - 1
                width = np.full(len(edges) - 1, np.nan)
                for one in range(len(width)):
                    mine = quality.residual[bins == one, k]
                    if len(mine) >= MIN_ENTRIES:
                        width[one] = factor * half_width(mine)
                centre = np.sqrt(edges[:-1] * edges[1:]) if variable == "pt" else _middle(edges)
                (line,) = axes.plot(
                    centre,
                    width,
                    color=COLOURS[colour % 6],
                    marker=MARKERS[colour % 6],
                    linewidth=1.0,
                )
                if k == 0:
                    handles.append(line)
            shown = unit.replace("um", "µm")
            axes.set(ylabel=f"resolution of {SYMBOLS[name]} [{shown}]", yscale="log")
            set_x(axes, variable, edges.tolist())
        panels[-1].set_axis_off()
        names = [name for name, quality in columns.items() if quality is not None]
        legend_above(figure, handles, names, columns=4)
    return figure


def _middle(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((edges[:-1] + edges[1:]) / 2, np.float64)
