"""Turn events into tracks with a trained pipeline.

    hitgraph reconstruct data/pu200 --pipeline quickstart --out tracks

Writes <event>-tracks.csv (event_id, hit_id, track_id; 0 = on no track) for each event, and
run.json with the time, edges, efficiency and purity of each stage. An event that cannot be read
is reported and left out; the others go on.
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
    from rich.table import Table

    from hitgraph.reconstruct import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_events(parser)
    parser.add_argument(
        "--pipeline",
        default="quickstart",
        metavar="P",
        help="a shipped name or a pipeline folder (default quickstart)",
    )
    add_output(parser, "folder for the track files")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    add_device(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    import json
    import sys

    from hitgraph.cli.console import console, progress
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.files import atomic_write
    from hitgraph.pipeline import Pipeline
    from hitgraph.reconstruct import reconstruct, write_summary
    from hitgraph.threads import set_threads

    set_verbosity(args)
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    set_threads(args.threads)
    pipeline = Pipeline.load(args.pipeline, args.device)
    with progress(args.quiet) as bar:
        task = bar.add_task("reconstructing", total=len(sources))
        result = reconstruct(
            pipeline,
            sources,
            args.out,
            suffix=args.format,
            resume=args.resume,
            advance=lambda: bar.advance(task),
        )
    summary = write_summary(result, str(args.pipeline), args.out)
    if args.json is not None:
        with atomic_write(args.json) as temporary:
            temporary.write_text(json.dumps(json.loads(summary.read_text())), encoding="utf-8")
    out = console(args.quiet)
    if result.done:
        out.print(stage_table(result))
    out.print(
        f"{len(result.done)} events written to {args.out}, {len(result.skipped)} were there, "
        f"{len(result.failed)} failed",
        markup=False,
        soft_wrap=True,
    )
    for name, why in result.failed.items():
        sys.stderr.write(f"failed {name}: {why}\n")
    if result.interrupted:
        raise KeyboardInterrupt
    return SOME_FAILED if result.failed else OK


def stage_table(result: "Run") -> "Table":
    """The stages side by side: time, edges left, efficiency and purity of these edges."""
    from rich.table import Table

    from hitgraph.reconstruct import stage_means

    hits = sum(entry.n_hits for entry in result.done) / len(result.done)
    table = Table(title=f"Stages, mean of {len(result.done)} events of {hits:,.0f} hits")
    table.add_column("stage")
    for name in ("seconds", "edges", "edge efficiency", "of target particles", "edge purity"):
        table.add_column(name, justify="right")
    for row in stage_means(result):
        table.add_row(
            str(row["stage"]),
            _text(row["seconds"], ".2f"),
            _text(row["edges"], ",.0f"),
            _text(row["efficiency"], ".4f"),
            _text(row["target_efficiency"], ".4f"),
            _text(row["purity"], ".3f"),
        )
    total = sum(stage.seconds for entry in result.done for stage in entry.stages)
    table.add_row("all", f"{total / len(result.done):.2f}", "", "", "", "")
    return table


def _text(value: float | str | None, form: str) -> str:
    return "" if value is None or isinstance(value, str) else format(value, form)
