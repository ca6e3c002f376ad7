"""Write the networks of a pipeline for other programs. ONNX needs the extra `export`.

    hitgraph export compact --to onnx --out networks/compact
    hitgraph export runs/exported --to acts --out networks/acts --data data/test-50

Each file is run in the runtime it is for and compared with the pipeline, edge by edge, on an event,
on 30 and 10 % of two others (or of the bundled one), on one edge and on none: parity.txt and
parity.json tell the largest differences. Where one is too large nothing is written (exit status 2).
"""

import argparse
from pathlib import Path

from hitgraph.cli import OK
from hitgraph.cli.arguments import add_events, add_verbosity, set_verbosity
from hitgraph.export.targets import TARGETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="P", help="a shipped name or a pipeline folder")
    parser.add_argument(
        "--to",
        choices=tuple(TARGETS),
        required=True,
        help="; ".join(f"{name}: {what}" for name, what in TARGETS.items()),
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--force", action="store_true", help="replace the export that is in DIR")
    add_events(parser, "--data", optional=True)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from functools import partial
    from importlib.resources import files

    from hitgraph.cli.console import Table, console, say
    from hitgraph.event.source import list_events
    from hitgraph.export.parity import HEAD, rows_of
    from hitgraph.export.run import export_pipeline
    from hitgraph.pipeline import Pipeline

    set_verbosity(args)
    pipeline = Pipeline.load(args.pipeline)
    paths = args.data or [Path(str(files("hitgraph") / "demo_event"))]
    sources = list_events(paths, args.detectors, args.events)[:3]
    events = [source.read() for source in sources]
    report = partial(say, quiet=args.quiet)
    checks = export_pipeline(pipeline, args.to, args.out, events, args.force, report)
    table = Table(HEAD, f"{args.out} beside the pipeline {pipeline.recipe.name}")
    for row in rows_of(checks):
        table.add(*row)
    console(args.quiet).print(table)
    say(f"written to {args.out}", args.quiet)
    return OK
