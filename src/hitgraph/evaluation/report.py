"""One HTML file that holds everything: tables, plots, event displays. Needs the extra `plot`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from hitgraph._version import __version__
from hitgraph.errors import InputError, MissingExtraError
from hitgraph.evaluation.comparison import (
    Comparison,
    Problem,
    find_tracks,
    name_columns,
    read_labels,
)
from hitgraph.evaluation.display import display_figure
from hitgraph.evaluation.edges import ScoreHistogram
from hitgraph.evaluation.fit_plots import pull_figure, resolution_figure
from hitgraph.evaluation.fit_tables import fit_rows
from hitgraph.evaluation.metrics import STIFF
from hitgraph.evaluation.plots import (
    efficiency_figure,
    length_figure,
    purity_figure,
    score_figure,
    timing_figure,
)
from hitgraph.evaluation.run_summary import RunSummary, StageSummary, read_run
from hitgraph.evaluation.style import COLOURS, Figure, put_label, save, svg
from hitgraph.evaluation.tables import NOTHING, Row, heading, headline, summary
from hitgraph.evaluation.vertex_plots import vertex_figure
from hitgraph.evaluation.vertex_quality import VertexQuality
from hitgraph.evaluation.vertex_tables import vertex_rows
from hitgraph.evaluation.worlds import judge_of
from hitgraph.event.event import Event
from hitgraph.files import atomic_write
from hitgraph.text import printable

try:
    import jinja2
except ModuleNotFoundError as error:
    raise MissingExtraError("the report", "plot") from error

Files = tuple[Literal["pdf", "svg", "png"], Path]  # format and folder of figures

T = TypeVar("T")

STAGE_HEADER = (
    "stage",
    "s / event",
    "edges",
    "edge efficiency",
    "of targets",
    "edge purity",
    "weighted purity",
)


@dataclass(frozen=True)
class Card:
    """The headline numbers of one pipeline."""

    name: str
    folder: str
    colour: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Picture:
    """A figure as it stands on the page."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Block:
    """One heading of the report with what stands under it."""

    title: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass
class _Pictures:
    """Turns figures into SVG, each with a name of its own so that ids on the page differ.

    With an experiment's `label`, and each as a file too where `files` says in which format and
    folder.
    """

    label: str = ""
    files: Files | None = None
    count: int = 0

    def picture(self, figure: Figure, name: str, caption: str, wide: bool = False) -> Picture:
        self.count += 1
        if self.label:
            put_label(figure, self.label)
        if self.files is not None:
            form, folder = self.files
            with atomic_write(folder / f"{name}.{form}") as temporary:
                save(figure, temporary, form)
        return Picture(svg(figure, f"f{self.count}", caption), caption, wide)


def write_report(
    comparison: Comparison,
    event: Event,
    path: Path,
    label: str = "",
    figures: Files | None = None,
    vertices: Mapping[Path, VertexQuality] = MappingProxyType({}),
) -> tuple[Problem, ...]:
    """Write the report of a comparison; `event` is the one of its events that is displayed.

    Pipelines are named as their `run.json` in the folders of tracks says, where there is one and
    names differ; stage tables, timing and scores come from there. `label` is an experiment's, for
    all figures; `figures`, a format and a folder, writes each figure as a file as well; `vertices`
    are judged by their folders, of which those of tracks are named as these. Returned
    are the folders whose `run.json` cannot be read. Raises HitgraphError if a file cannot be
    written.
    """
    runs, problems = _read_runs(comparison.folders)
    comparison, runs = _named(comparison, runs)
    columns, pictures = comparison.metrics, _Pictures(label, figures)
    first = next(iter(columns.values()))
    blocks = [
        Block("Efficiency", pictures=_efficiency(comparison, pictures)),
        Block("Purity", pictures=_purity(comparison, pictures)),
        *_world(comparison),
        *_fits(comparison, pictures),
        *_vertices(comparison, vertices, pictures),
        *_stages(runs, list(columns), pictures),
        Block(
            f"Event display: {printable(event.name)}",
            "Stiff particles with at least five hits in a part of the event chosen so that tracks "
            "can be told apart. Fake tracks are shown when they look as stiff, by the circle "
            "through three of their hits in the event's field.",
            _displays(comparison, event, pictures),
        ),
    ]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = (files("hitgraph.evaluation") / "report.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(source).render(
        title="Track reconstruction: " + " and ".join(columns),
        version=__version__,
        heading=heading(first, comparison.preset),
        problems=[
            Problem(printable(one.where), printable(one.message))
            for one in (*comparison.problems, *problems)
        ],
        columns=list(columns),
        cards=_cards(comparison, runs),
        summary=summary(columns),
        blocks=blocks,
        min_track_hits=comparison.min_track_hits,
        selection=str(comparison.selection),
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return problems


def _read_runs(folders: Mapping[str, Path]) -> tuple[dict[str, RunSummary], tuple[Problem, ...]]:
    runs, problems = {}, []
    for name, folder in folders.items():
        try:
            run = read_run(folder)
        except InputError as error:
            problems.append(Problem(name, str(error)))
        else:
            if run is not None:
                runs[name] = run
    return runs, tuple(problems)


def _named(
    comparison: Comparison, runs: Mapping[str, RunSummary]
) -> tuple[Comparison, dict[str, RunSummary]]:
    """Both by names of pipelines in place of folders, where these tell them apart."""
    made = {
        column: printable(Path(runs[column].pipeline).name) if column in runs else column
        for column in comparison.folders
    }
    known = list(made.values())
    names = {
        column: name if known.count(name) == 1 else f"{name} ({column})"
        for column, name in made.items()
    }
    if len(set(names.values())) < len(names):
        names = {column: column for column in names}

    def renamed(by_column: Mapping[str, T]) -> dict[str, T]:
        return {names[column]: value for column, value in by_column.items()}

    return replace(
        comparison,
        folders=renamed(comparison.folders),
        metrics=renamed(comparison.metrics),
        fits=renamed(comparison.fits),
        of_world=renamed(comparison.of_world),
    ), renamed(runs)


def _cards(comparison: Comparison, runs: Mapping[str, RunSummary]) -> list[Card]:
    cards = []
    for k, (name, metrics) in enumerate(comparison.metrics.items()):
        rows = headline(metrics)
        if name in runs:
            rows = (*rows, Row("time / event", (_time_of(runs[name]),)))
        folder = printable(str(comparison.folders[name]))
        cards.append(Card(name, folder, COLOURS[k % len(COLOURS)], rows))
    return cards


def _time_of(run: RunSummary) -> str:
    """Of the stages without what kernels took to compile, and with how many threads."""
    threads = "" if run.threads is None else f", {run.threads} thread{'s' * (run.threads > 1)}"
    return f"{run.seconds - run.compile_seconds:.3g} s{threads}"


def _efficiency(comparison: Comparison, pictures: _Pictures) -> tuple[Picture, ...]:
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


def _purity(comparison: Comparison, pictures: _Pictures) -> tuple[Picture, ...]:
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


def _fits(comparison: Comparison, pictures: _Pictures) -> list[Block]:
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


def _world(comparison: Comparison) -> list[Block]:
    """What the field of another world asks for."""
    judge = judge_of(comparison.world)
    if judge is None:
        return []
    columns = comparison.of_world
    header, found = ("", *columns), tuple(judge.rows(columns))
    return [
        Block(judge.TITLE, f"Events of the world {comparison.world}.", header=header, rows=found)
    ]


def _vertices(
    comparison: Comparison, vertices: Mapping[Path, VertexQuality], pictures: _Pictures
) -> list[Block]:
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


def _stages(
    runs: Mapping[str, RunSummary], columns: Sequence[str], pictures: _Pictures
) -> list[Block]:
    if not runs:
        return []
    blocks = [
        Block(
            f"Stages of {name}",
            f"Mean over {run.n_events} event{'s' * (run.n_events > 1)}{_clock(run)} True edges "
            "join consecutive hits of a particle; targets are the particles that the truth of the "
            "recipe selects; an edge is pure when both hits belong to one particle; weighted as in "
            "arXiv 2103.06995, equation 4.",
            header=STAGE_HEADER,
            rows=(
                *(_stage_row(stage) for stage in run.stages),
                Row("all", (f"{run.seconds:.3f}", *("" for _ in STAGE_HEADER[2:]))),
            ),
        )
        for name, run in runs.items()
    ]
    made = [
        pictures.picture(
            timing_figure({name: runs.get(name) for name in columns}),
            "times",
            "Wall time of each stage, mean over events: a colour a pipeline, a shade a stage.",
        )
    ]
    for stage in dict.fromkeys(stage.name for run in runs.values() for stage in run.stages):
        histograms = {name: _scores_of(runs.get(name), stage) for name in columns}
        if any(histograms.values()):
            made.append(
                pictures.picture(
                    score_figure(histograms),
                    f"scores-{re.sub(r'[^A-Za-z0-9_]+', '-', stage)}",
                    f"Scores given to edges by the stage “{stage}”, and what a cut on them keeps. "
                    "True: both hits of one particle.",
                    wide=True,
                )
            )
    return [*blocks, Block("Time and edge scores", pictures=tuple(made))]


def _clock(run: RunSummary) -> str:
    """What to know about the times of a run."""
    if run.threads is None:  # of an older version, which noted neither
        return "."
    said = f", with {run.threads} thread{'s' * (run.threads > 1)} a process."
    if run.compile_seconds:
        return (
            f"{said} In the times of stages are {run.compile_seconds:.3g} s an event in which "
            "kernels were compiled, which a second run does without."
        )
    return f"{said} Kernels were compiled before, in no stage's time."


def _scores_of(run: RunSummary | None, stage: str) -> ScoreHistogram | None:
    stages = () if run is None else run.stages
    return next((one.scores for one in stages if one.name == stage), None)


def _stage_row(stage: StageSummary) -> Row:
    quality = stage.quality
    edges = quality.get("edges")
    percentages = (
        f"{100 * quality[key]:.2f} %" if key in quality else NOTHING
        for key in ("efficiency", "target_efficiency", "purity", "weighted_purity")
    )
    return Row(
        stage.name,
        (f"{stage.seconds:.3f}", NOTHING if edges is None else f"{edges:,.0f}", *percentages),
    )


def _displays(comparison: Comparison, event: Event, pictures: _Pictures) -> tuple[Picture, ...]:
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
