"""One HTML file that holds everything: tables, plots, event displays. Needs the extra `plot`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from hitgraph._version import __version__
from hitgraph.errors import InputError, MissingExtraError
from hitgraph.evaluation.comparison import Comparison, Problem, find_tracks, read_labels
from hitgraph.evaluation.display import display_figure
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
from hitgraph.evaluation.style import Figure, svg
from hitgraph.evaluation.tables import NOTHING, Row, heading, summary
from hitgraph.event.event import Event
from hitgraph.files import atomic_write
from hitgraph.text import printable

try:
    import jinja2
except ModuleNotFoundError as error:
    raise MissingExtraError("the report", "plot") from error

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
    """Turns figures into SVG, each with a name of its own so that ids on the page differ."""

    count: int = field(default=0)

    def picture(self, figure: Figure, caption: str, wide: bool = False) -> Picture:
        self.count += 1
        return Picture(svg(figure, f"f{self.count}", caption), caption, wide)


def write_report(comparison: Comparison, event: Event, path: Path) -> tuple[Problem, ...]:
    """Write the report of a comparison; `event` is the one of its events that is displayed.

    Stage tables, timing and scores come from the `run.json` in the folders of tracks, where there
    is one; returned are the folders whose `run.json` cannot be read. Raises HitgraphError if
    the file cannot be written.
    """
    runs, problems = _read_runs(comparison.folders)
    columns, pictures = comparison.metrics, _Pictures()
    first = next(iter(columns.values()))
    blocks = [
        Block("Efficiency", pictures=_efficiency(comparison, pictures)),
        Block("Purity", pictures=_purity(comparison, pictures)),
        *_fits(comparison, pictures),
        *_stages(runs, pictures),
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


def _efficiency(comparison: Comparison, pictures: _Pictures) -> tuple[Picture, ...]:
    columns, selection = comparison.metrics, comparison.selection
    stiff = selection.above(STIFF)
    return (
        pictures.picture(
            efficiency_figure(columns, "pt"),
            f"Efficiency against pT, selected particles: {selection}.",
        ),
        pictures.picture(efficiency_figure(columns, "eta"), f"Efficiency against η, {stiff}."),
        pictures.picture(
            efficiency_figure(columns, "radius"),
            "Efficiency against the distance from the beam line at which the particle was made, "
            f"{stiff}.",
        ),
        pictures.picture(
            length_figure(columns), "Hits on tracks (lines) and on selected particles (filled)."
        ),
    )


def _purity(comparison: Comparison, pictures: _Pictures) -> tuple[Picture, ...]:
    return (
        pictures.picture(
            purity_figure(comparison.metrics, "eta"),
            "Purity against the mean η of the track's hits.",
        ),
        pictures.picture(
            purity_figure(comparison.metrics, "length"), "Purity against the number of hits."
        ),
    )


def _fits(comparison: Comparison, pictures: _Pictures) -> list[Block]:
    fits = comparison.fits
    if not fits:
        return []
    made = (
        pictures.picture(pull_figure(fits), "(fitted - true) / error; outer bins hold the rest."),
        pictures.picture(resolution_figure(fits, "pt"), "Resolution against pT."),
        pictures.picture(resolution_figure(fits, "eta"), "Resolution against η."),
    )
    return [
        Block(
            "Fitted tracks",
            "Kalman filter of ACTS, at the closest approach to the beam line. Tracks that match "
            f"(double majority) a charged primary particle, {comparison.selection}. "
            "Resolution and width: half of the central 68 %.",
            tuple(replace(picture, wide=True) for picture in made),
            header=("", *fits),
            rows=tuple(fit_rows(fits)),
        )
    ]


def _stages(runs: Mapping[str, RunSummary], pictures: _Pictures) -> list[Block]:
    if not runs:
        return []
    blocks = [
        Block(
            f"Stages of {name} ({printable(run.pipeline)})"
            if run.pipeline != name
            else f"Stages of {name}",
            f"Mean over {run.n_events} events. True edges join consecutive hits of a particle; "
            "targets are the particles that the truth of the recipe selects; an edge is pure when "
            "both hits belong to one particle; weighted as in arXiv 2103.06995, equation 4.",
            header=STAGE_HEADER,
            rows=(
                *(_stage_row(stage) for stage in run.stages),
                Row("all", (f"{run.seconds:.3f}", *("" for _ in STAGE_HEADER[2:]))),
            ),
        )
        for name, run in runs.items()
    ]
    made = [pictures.picture(timing_figure(runs), "Wall time of each stage, mean over events.")]
    for stage in dict.fromkeys(stage.name for run in runs.values() for stage in run.stages):
        histograms = {
            name: one.scores
            for name, run in runs.items()
            for one in run.stages
            if one.name == stage and one.scores is not None
        }
        if histograms:
            made.append(
                pictures.picture(
                    score_figure(histograms),
                    f"Scores given to edges by the stage “{stage}”, and what a cut on them keeps. "
                    "True: both hits of one particle.",
                    wide=True,
                )
            )
    return [*blocks, Block("Time and edge scores", pictures=tuple(made))]


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
            ),
            f"{name}: x-y and z-r view.",
            wide=True,
        )
        for name, folder in comparison.folders.items()
    )
