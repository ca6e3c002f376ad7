"""Event displays: true, found, missed and fake tracks in a part of the event that can be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.metrics import MIN_TRACK_HITS, STIFF, STIFFER
from hitgraph.evaluation.outcomes import Outcomes, outcomes
from hitgraph.evaluation.paths import Rows, paths, transverse_momenta
from hitgraph.evaluation.style import (
    BLUE,
    GREY,
    PURPLE,
    VERMILION,
    Axes,
    Figure,
    legend_above,
    new_figure,
    styled,
)
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import ParticleSummary, particle_rows

MOST_PARTICLES = 40  # in one view
ENOUGH_PARTICLES = 8  # in the event, before softer ones are shown too
WINDOWS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.09, 0.06, 0.04, 0.03)
ETA_WINDOWS = (4.0, 2.0, *WINDOWS)  # half widths, tried in this order
PHI_WINDOWS = (np.pi, *WINDOWS)  # rad

LINES: dict[str, dict[str, Any]] = {
    "true particle": {"color": GREY, "linewidth": 4.0, "alpha": 0.45},
    "found track": {"linewidth": 1.0, "marker": "o", "markersize": 2.0},
    "missed particle": {"color": VERMILION, "linewidth": 1.6, "marker": "o", "markersize": 3.0},
    "fake track": {
        "color": PURPLE,
        "linewidth": 1.6,
        "linestyle": "--",
        "markersize": 3.0,
        "marker": "s",
    },
}


@dataclass(frozen=True, eq=False)
class View:
    """What one panel shows; every track is its hits' rows in the event, from inside out."""

    window: str  # which part of the event
    hits: Rows  # all hits there
    particles: list[Rows]  # selected particles there: found or missed
    found: list[Rows]  # tracks that match one of them
    missed: list[Rows]  # those that no track matches
    fakes: list[Rows]  # tracks there that match no particle

    @property
    def title(self) -> str:
        """The window and the counts."""
        n, fakes = len(self.particles), len(self.fakes)
        return f"{self.window}: {n - len(self.missed)} of {n} found, {fakes} fake"


def transverse_view(
    event: Event,
    labels: NDArray[np.integer],
    min_track_hits: int = MIN_TRACK_HITS,
    selection: Selection = SELECTED,
) -> View:
    """The x-y view: stiff selected particles with at least five hits in a slice around eta = 0.

    The slice is the widest of ETA_WINDOWS that leaves at most MOST_PARTICLES. Matching: double
    majority. Fakes are those that bend as little as the particles shown.
    """
    scene = _Scene.of(event, labels, min_track_hits, selection)
    width = _widest(scene, ETA_WINDOWS, lambda eta, _: np.abs(eta))
    return scene.view(
        f"$p_\\mathrm{{T}}$ > {scene.min_pt:g} GeV, |$\\eta$| < {width:g}",
        lambda eta, _: np.abs(eta) <= width,
    )


def longitudinal_view(
    event: Event,
    labels: NDArray[np.integer],
    min_track_hits: int = MIN_TRACK_HITS,
    selection: Selection = SELECTED,
) -> View:
    """The z-r view: the same particles in a wedge around the azimuth of the stiffest one."""
    scene = _Scene.of(event, labels, min_track_hits, selection)
    stiff = np.flatnonzero(scene.selected)
    axis = 0.0
    if len(stiff):
        axis = float(scene.summary.phi[stiff[np.argmax(scene.summary.pt[stiff])]])

    def distance(_: NDArray[np.float64], phi: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.abs((phi - axis + np.pi) % (2 * np.pi) - np.pi)

    width = _widest(scene, PHI_WINDOWS, distance)
    where = "all $\\varphi$" if width == np.pi else f"|$\\varphi$ - {axis:.2f}| < {width:g}"
    return scene.view(
        f"$p_\\mathrm{{T}}$ > {scene.min_pt:g} GeV, {where}",
        lambda eta, phi: distance(eta, phi) <= width,
    )


def display_figure(
    event: Event,
    labels: NDArray[np.integer],
    min_track_hits: int = MIN_TRACK_HITS,
    selection: Selection = SELECTED,
    colour: str = BLUE,
) -> Figure:
    """Both views of an event side by side; found tracks have the `colour` of their pipeline."""
    hits = event.hits
    r = np.hypot(hits.x, hits.y)
    with styled():
        figure = new_figure(12.4, 6.2)
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
        _draw(
            left, transverse_view(event, labels, min_track_hits, selection), hits.x, hits.y, colour
        )
        left.set(xlabel="x [mm]", ylabel="y [mm]")
        left.set_aspect("equal", adjustable="datalim")
        _draw(right, longitudinal_view(event, labels, min_track_hits, selection), hits.z, r, colour)
        right.set(xlabel="z [mm]", ylabel="r [mm]")
        right.set_ylim(bottom=0)
        handles, names = left.get_legend_handles_labels()
        legend_above(figure, handles, names, columns=5)
    return figure


def _draw(
    axes: Axes,
    view: View,
    horizontal: NDArray[np.floating],
    vertical: NDArray[np.floating],
    colour: str,
) -> None:
    axes.set_title(view.title, fontsize="medium")
    axes.grid(visible=False)
    dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0, "color": GREY}
    axes.plot(
        horizontal[view.hits],
        vertical[view.hits],
        markersize=2.4,
        alpha=0.7,
        rasterized=True,  # there are too many for vectors
        **dots,
    )
    axes.plot([], [], markersize=7, label="hits", **dots)
    for tracks, label in (
        (view.particles, "true particle"),
        (view.found, "found track"),
        (view.missed, "missed particle"),
        (view.fakes, "fake track"),
    ):
        # one line with gaps: a single artist a kind
        rows = [np.append(track, -1) for track in tracks]
        path = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        x = np.where(path >= 0, horizontal[path], np.nan)
        y = np.where(path >= 0, vertical[path], np.nan)
        axes.plot(x, y, label=label, **({"color": colour} | LINES[label]))


Region = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]
Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class _Scene:
    """An event's tracks with what became of them, and which particles are stiff enough to show."""

    event: Event
    outcomes: Outcomes
    min_pt: float  # GeV
    selected: NDArray[np.bool_]  # (n_particles,)

    @staticmethod
    def of(
        event: Event, labels: NDArray[np.integer], min_track_hits: int, selection: Selection
    ) -> "_Scene":
        judged = outcomes(event, labels, min_track_hits, selection)
        for cut in (selection.above(STIFFER), selection.above(STIFF), selection):
            selected = cut.reconstructable(judged.particles)
            if np.count_nonzero(selected) >= ENOUGH_PARTICLES:
                break
        return _Scene(event, judged, cut.min_pt, selected)

    @property
    def summary(self) -> ParticleSummary:
        return self.outcomes.particles

    def view(self, window: str, inside: Region) -> View:
        summary, judged = self.summary, self.outcomes
        matches = judged.matches
        shown = self.selected & inside(summary.eta, summary.phi)
        found = judged.found & np.isin(matches.particle_id, summary.particle_id[shown])
        by_particle = paths(self.event, particle_rows(self.event), len(summary))
        by_track = paths(self.event, matches.track, len(matches))
        hit_eta, hit_phi = self._directions(np.arange(self.event.n_hits))
        unmatched = [by_track[k] for k in np.flatnonzero(judged.candidate & ~judged.found)]
        fakes = []
        for rows, pt in zip(unmatched, transverse_momenta(self.event, unmatched), strict=True):
            if pt > self.min_pt:
                eta, phi = self._directions(rows)
                if inside(eta.mean(keepdims=True), phi[:1])[0]:
                    fakes.append(rows)
        return View(
            window=window,
            hits=np.flatnonzero(inside(hit_eta, hit_phi)),
            particles=[by_particle[k] for k in np.flatnonzero(shown)],
            found=[by_track[k] for k in np.flatnonzero(found)],
            missed=[by_particle[k] for k in np.flatnonzero(shown & judged.missed)],
            fakes=fakes,
        )

    def _directions(self, rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """eta and phi of hits as seen from the origin."""
        hits = self.event.hits
        x, y, z = (v[rows].astype(np.float64) for v in (hits.x, hits.y, hits.z))
        return np.arcsinh(z / np.maximum(np.hypot(x, y), 1e-6)), np.arctan2(y, x)


def _widest(scene: _Scene, windows: tuple[float, ...], distance: Distance) -> float:
    """The first window that holds at most MOST_PARTICLES of the selected particles."""
    away = distance(scene.summary.eta, scene.summary.phi)[scene.selected]
    for width in windows:
        if np.count_nonzero(away <= width) <= MOST_PARTICLES:
            return width
    return windows[-1]
