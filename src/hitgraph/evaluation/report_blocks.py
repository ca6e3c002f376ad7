"""How good tracks, fits and vertices are, as blocks of the report."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hitgraph.evaluation.comparison import Comparison, find_tracks, name_columns, read_labels
from hitgraph.evaluation.display import display_figure
from hitgraph.evaluation.fit_plots import pull_figure, resolution_figure
from hitgraph.evaluation.fit_tables import fit_rows
from hitgraph.evaluation.metrics import STIFF
from hitgraph.evaluation.plots import efficiency_figure, length_figure, purity_figure
from hitgraph.evaluation.report_page import Block, Picture, Pictures
from hitgraph.evaluation.style import COLOURS
from hitgraph.evaluation.vertex_plots import vertex_figure
from hitgraph.evaluation.vertex_quality import VertexQuality
from hitgraph.evaluation.vertex_tables import vertex_rows
from hitgraph.evaluation.worlds import judge_of
from hitgraph.event.event import Event


def efficiency_pictures(comparison: Comparison, pictures: Pictures) -> tuple[Picture, ...]:
    """Efficiency against pT, η and radius, and the lengths of tracks."""
    columns, selection = comparison.metrics, comparison.selection
    stiff = selection.above(STIFF)
    return (
        pictures.picture(
            efficiency_figure(columns, "pt"),
            "efficiency-pt",
            f"Efficiency against pT, selected particles: {selection}.",
        ),
        pictures.picture(
            efficiency_figure(columns, "eta"), "efficiency-eta", f"Efficiency against η, {stiff}."
        ),
        pictures.picture(
            efficiency_figure(columns, "radius"),
            "efficiency-radius",
            "Efficiency against the distance from the beam line at which the particle was made, "
            f"{stiff}.",
        ),
        pictures.picture(
            length_figure(columns),
            "lengths",
            "Hits on tracks (lines) and on selected particles (filled).",
        ),
    )


def purity_pictures(comparison: Comparison, pictures: Pictures) -> tuple[Picture, ...]:
    """Purity against η and length."""
    return (
        pictures.picture(
            purity_figure(comparison.metrics, "eta"),
            "purity-eta",
            "Purity against the mean η of the track's hits.",
        ),
        pictures.picture(
            purity_figure(comparison.metrics, "length"),
            "purity-length",
            "Purity against the number of hits.",
        ),
    )


def fit_blocks(comparison: Comparison, pictures: Pictures) -> list[Block]:
    """Pulls and resolutions, where tracks were fitted."""
    fits = comparison.fits
    if not fits:
        return []
    all_columns = {name: fits.get(name) for name in comparison.metrics}
    made = (
        pictures.picture(
            pull_figure(all_columns),
            "pulls",
            "(fitted - true) / error; outer bins hold the rest.",
        ),
        pictures.picture(
            resolution_figure(all_columns, "pt"), "resolution-pt", "Resolution against pT."
        ),
        pictures.picture(
            resolution_figure(all_columns, "eta"), "resolution-eta", "Resolution against η."
        ),
    )
    return [
        Block(
            "Fitted tracks",
            "Parameters at the closest approach to the beam line. Tracks that match "
            f"(double majority) a charged primary particle, {comparison.selection}. "
            "Resolution and width: half of the central 68 %.",
            tuple(replace(picture, wide=True) for picture in made),
            header=("", *fits),
            rows=tuple(fit_rows(fits)),
        )
    ]


def world_blocks(comparison: Comparison) -> list[Block]:
    """What the field of another world asks for."""
    judge = judge_of(comparison.world)
    if judge is None:
        return []
    columns = comparison.of_world
    header, found = ("", *columns), tuple(judge.rows(columns))
    return [
        Block(judge.TITLE, f"Events of the world {comparison.world}.", header=header, rows=found)
    ]


def vertex_blocks(
    comparison: Comparison, vertices: Mapping[Path, VertexQuality], pictures: Pictures
) -> list[Block]:
    """How many vertices were found, and how well, where there are any."""
    if not vertices:
        return []
    of_tracks = {folder: name for name, folder in comparison.folders.items()}
    columns = {
        of_tracks.get(folder, name): vertices[folder]
        for name, folder in name_columns([*vertices]).items()
    }
    return [
        Block(
            "Primary vertices",
            f"Visible is a collision with at least two charged primary particles, "
            f"{comparison.selection}. A vertex is of the collision that most of its tracks come "
            "from: clean where these are at least 70 %, else merged; split beside a vertex of that "
            "collision with a larger sum of pT²; fake where more tracks match no particle than "
            "come from any collision.",
            (
                pictures.picture(
                    vertex_figure(columns),
                    "vertices",
                    "Visible collisions with a vertex, clean or merged, against their selected "
                    "particles; half of the central 68 % of z - true z of clean vertices against "
                    "their tracks.",
                    wide=True,
                ),
            ),
            header=("", *columns),
            rows=tuple(vertex_rows(columns)),
        )
    ]


def display_pictures(
    comparison: Comparison, event: Event, pictures: Pictures
) -> tuple[Picture, ...]:
    """A part of an event, with the tracks of each pipeline."""
    return tuple(
        pictures.picture(
            display_figure(
                event,
                read_labels(event, find_tracks(folder)[event.name]),
                comparison.min_track_hits,
                comparison.selection,
                COLOURS[k % len(COLOURS)],
            ),
            f"display-{k + 1}",
            f"{name}: x-y and z-r view.",
            wide=True,
        )
        for k, (name, folder) in enumerate(comparison.folders.items())
    )
