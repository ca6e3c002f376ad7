"""One HTML file that holds everything: tables, plots, event displays. Needs the extra `plot`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from hitgraph._version import __version__
from hitgraph.errors import InputError, MissingExtraError
from hitgraph.evaluation.comparison import Comparison, Problem
from hitgraph.evaluation.report_blocks import (
    display_pictures,
    efficiency_pictures,
    fit_blocks,
    purity_pictures,
    vertex_blocks,
    world_blocks,
)
from hitgraph.evaluation.report_page import Block, Files, Pictures
from hitgraph.evaluation.report_stages import stage_blocks
from hitgraph.evaluation.run_summary import RunSummary, read_run
from hitgraph.evaluation.style import COLOURS
from hitgraph.evaluation.tables import Row, heading, headline, summary
from hitgraph.evaluation.vertex_quality import VertexQuality
from hitgraph.event.event import Event
from hitgraph.files import atomic_write
from hitgraph.text import printable

try:
    import jinja2
except ModuleNotFoundError as error:
    raise MissingExtraError("the report", "plot") from error

T = TypeVar("T")


@dataclass(frozen=True)
class Card:
    """The headline numbers of one pipeline."""

    name: str
    folder: str
    colour: str
    rows: tuple[Row, ...]


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
    columns, pictures = comparison.metrics, Pictures(label, figures)
    first = next(iter(columns.values()))
    blocks = [
        Block("Efficiency", pictures=efficiency_pictures(comparison, pictures)),
        Block("Purity", pictures=purity_pictures(comparison, pictures)),
        *world_blocks(comparison),
        *fit_blocks(comparison, pictures),
        *vertex_blocks(comparison, vertices, pictures),
        *stage_blocks(runs, list(columns), pictures),
        Block(
            f"Event display: {printable(event.name)}",
            "Stiff particles with at least five hits in a part of the event chosen so that tracks "
            "can be told apart. Fake tracks are shown when they look as stiff, by the circle "
            "through three of their hits in the event's field.",
            display_pictures(comparison, event, pictures),
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
