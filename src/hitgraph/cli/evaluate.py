"""Compare folders of tracks with the truth: efficiency, purity, fakes, duplicates, scores.

Tracks are files EVENT-tracks.csv, .parquet or .root as `hitgraph reconstruct` writes them; several
folders stand side by side, one column each, over the same events. Vertices that lie beside the
tracks are judged as well, and with --vertices those that `hitgraph vertices` found from the tracks
of one folder. Events of another world (`hitgraph simulate --world`) get a second table, of what its
field asks for.

example:
  hitgraph evaluate tracks/compact tracks/ckf --truth events/ --json metrics.json
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli.arguments import (
    add_events,
    add_json,
    add_selection,
    add_verbosity,
    add_workers,
    positive,
    selection_argument,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hitgraph.cli.console import Table
    from hitgraph.evaluation.comparison import Comparison
    from hitgraph.evaluation.metrics import Counted
    from hitgraph.evaluation.vertex_quality import VertexQuality


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `hitgraph evaluate`."""
    add_comparison(parser)
    parser.add_argument(
        "--on",
        choices=("hits", "clusters"),
        default="hits",
        help="judge tracks on hits (default) or on the clusters that these are made of, where "
        "events and tracks have them",
    )
    add_json(parser)
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="histograms as a ROOT file, named as in ACTS"
    )
    parser.add_argument(
        "--histograms", type=Path, metavar="FILE", help="the same as JSON, which hist reads"
    )
    add_verbosity(parser)


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Which tracks to compare with which truth; shared with `hitgraph report`."""
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="TRACKS_DIR",
        help="a folder with EVENT-tracks.csv, .parquet or .root files",
    )
    add_events(parser, option="--truth")
    add_selection(parser)
    parser.add_argument(
        "--min-hits",
        type=positive,
        default=3,
        metavar="N",
        help="tracks with fewer hits do not count (default 3)",
    )
    parser.add_argument(
        "--vertices",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="folders of `hitgraph vertices`, found from the tracks of the one TRACKS_DIR; those "
        "beside tracks are judged without being named",
    )
    add_workers(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table; exit status 1 where an event was skipped."""
    import json

    from hitgraph.cli import OK, SOME_FAILED
    from hitgraph.cli.console import console
    from hitgraph.cli.fit import fit_table
    from hitgraph.evaluation.comparison import name_columns
    from hitgraph.evaluation.histograms import write_json_histograms, write_root_histograms
    from hitgraph.evaluation.vertex_comparison import vertex_folders
    from hitgraph.event.trees import uproot_for
    from hitgraph.files import atomic_write

    if args.root is not None:
        uproot_for("--root")
    folders = vertex_folders(args.folders, args.vertices)
    comparison = compare_folders(args, args.on)
    judged = compare_vertices_of(args, folders)
    vertices = {name: judged[folder] for name, folder in name_columns([*judged]).items()}
    out = console(args.quiet)
    out.print(summary_table(comparison))
    if comparison.fits:
        out.print(fit_table(comparison.fits, comparison.preset))
    if comparison.of_world:
        out.print(world_table(comparison))
    if vertices:
        out.print(vertex_table(vertices, comparison.preset))
    if args.json is not None:
        content = comparison.to_dict()
        if vertices:
            content["vertices"] = {name: one.to_dict() for name, one in vertices.items()}
        with atomic_write(args.json) as path:
            text = json.dumps(content, indent=1, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")
    if args.root is not None:
        write_root_histograms(comparison, args.root)
    if args.histograms is not None:
        write_json_histograms(comparison, args.histograms)
    return SOME_FAILED if comparison.problems else OK


def compare_folders(args: argparse.Namespace, counted: "Counted" = "hits") -> "Comparison":
    """Evaluate what `add_comparison` describes; problems go to standard error."""
    from hitgraph.cli.console import progress
    from hitgraph.cli.messages import complain
    from hitgraph.evaluation.comparison import compare
    from hitgraph.event.source import list_events
    from hitgraph.workers import hire

    selection = selection_argument(args)
    sources = list_events(args.truth, args.detectors, args.events)
    with hire(args.workers, args.dask) as workers, progress(args.quiet) as bar:
        task = bar.add_task("evaluate", total=len(sources))
        comparison = compare(
            args.folders,
            sources,
            args.min_hits,
            args.events,
            lambda: bar.advance(task),
            selection,
            workers,
            counted,
        )
    for problem in comparison.problems:
        complain(f"{problem.where}: {problem.message}")
    return comparison


def compare_vertices_of(
    args: argparse.Namespace, folders: "Mapping[Path, Path]"
) -> "dict[Path, VertexQuality]":
    """Judge the vertices beside the tracks and those of --vertices, by their folder."""
    from hitgraph.evaluation.vertex_comparison import compare_vertices
    from hitgraph.event.source import list_events
    from hitgraph.workers import hire

    sources = list_events(args.truth, args.detectors, args.events)
    with hire(args.workers, args.dask) as workers:
        return compare_vertices(folders, sources, selection_argument(args), workers)


def vertex_table(columns: "Mapping[str, VertexQuality]", preset: str | None) -> "Table":
    """The quality of vertices for the terminal, one column a folder."""
    from hitgraph.cli.console import Table, titled
    from hitgraph.evaluation.vertex_tables import vertex_rows

    table = Table(("", *columns), titled("Primary vertices", preset))
    for row in vertex_rows(columns):
        table.add(row.name, *row.cells)
    return table


def world_table(comparison: "Comparison") -> "Table":
    """What the field of another world asks for, one column a folder."""
    from hitgraph.cli.console import Table
    from hitgraph.evaluation.worlds import judge_of

    judge = judge_of(comparison.world)
    assert judge is not None
    table = Table(("", *comparison.of_world), f"{judge.TITLE} (world {comparison.world})")
    for row in judge.rows(comparison.of_world):
        table.add(row.name, *row.cells)
    return table


def summary_table(comparison: "Comparison") -> "Table":
    """The comparison as a table for the terminal."""
    from hitgraph.cli.console import Table
    from hitgraph.evaluation.tables import heading, summary

    first = next(iter(comparison.metrics.values()))
    table = Table(("", *comparison.metrics), heading(first, comparison.preset))
    for section in summary(comparison.metrics):
        if section.title:
            table.add_section()
            table.add(section.title, style="bold")
        for row in section.rows:
            table.add(row.name, *row.cells)
    return table
