"""Studies: how a pipeline does when one thing about the events is changed.

    hitgraph study losses data/pu200 --pipeline quickstart --out studies/losses

Each study prints tables and writes STUDY.json and its figures (PNG and SVG) into DIR. Every
measurement is kept in DIR/points, so that an interrupted study goes on with --resume. Needs the
extra `plot`. `hitgraph study NAME --help` explains a study.
"""

import argparse
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    add_device,
    add_events,
    add_json,
    add_output,
    add_verbosity,
    set_verbosity,
)

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from hitgraph.studies.output import Table
    from hitgraph.studies.plan import Plan

STUDIES = {
    "losses": "where true edges, tracks and score are lost, stage by stage",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    subparsers = parser.add_subparsers(dest="study", metavar="NAME", title="studies", required=True)
    for name, summary in STUDIES.items():
        study = subparsers.add_parser(name, help=summary, description=summary)
        add_events(study)
        study.add_argument(
            "--pipeline",
            nargs="+",
            default=["quickstart"],
            metavar="P",
            help="shipped names or pipeline folders, side by side (default quickstart)",
        )
        add_output(study, "folder for the tables, figures and measurements")
        add_device(study)
        add_json(study)
        add_verbosity(study)


def run(args: argparse.Namespace) -> int:
    import shutil
    import sys
    from importlib import import_module

    from hitgraph.cli.console import console, progress
    from hitgraph.studies.output import write
    from hitgraph.studies.points import measure
    from hitgraph.threads import set_threads

    set_verbosity(args)
    set_threads(args.threads)
    import_module("hitgraph.evaluation.style")  # first: it may lack its extra
    plan = _plan(args)
    with progress(args.quiet) as bar:
        task = bar.add_task(f"study {args.study}", total=len(plan.points))
        measured = measure(
            plan.points, args.out, plan.settings, args.resume, lambda: bar.advance(task)
        )
    result = plan.summarise(measured.done)
    paths = write(result, args.study, plan.settings, args.out)
    if args.json is not None:
        shutil.copyfile(paths[0], args.json)
    out = console(args.quiet)
    for table in result.tables:
        out.print(_rich(table))
    out.print(f"written: {', '.join(str(path) for path in paths)}", markup=False, soft_wrap=True)
    for key, why in measured.failed.items():
        sys.stderr.write(f"failed {key}: {why}\n")
    return SOME_FAILED if measured.failed else OK


def _plan(args: argparse.Namespace) -> "Plan":
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.studies import losses
    from hitgraph.studies.plan import common_settings, load_pipelines

    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    settings = common_settings(args.pipeline, sources)
    return losses.plan(sources, load_pipelines(args.pipeline, args.device), settings)


def _rich(table: "Table") -> "RichTable":
    from rich.markup import escape
    from rich.table import Table as RichTable

    rich = RichTable(title=escape(table.title), title_justify="left")
    for k, name in enumerate(table.columns):
        rich.add_column(escape(name), justify="left" if k == 0 else "right")
    for row in table.rows:
        rich.add_row(*(escape(cell) for cell in row))
    return rich
