"""Write one self-contained HTML page in which one can fly through events: 3D, x-y and r-z.

Hits, outlines of modules, tracks (found, merged, fake), missed particles and, with --pipeline, the
edges of its graphs by score. The page chooses event, tracks, stage, pT and score, and needs no
network. Without --tracks the pipeline's own tracks are shown.

examples:
  hitgraph display events/event000001000 --tracks tracks/compact tracks/ckf --out event.html
  hitgraph display events --events 1000:1003 --pipeline compact --stage triplets gnn --out e.html
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli.arguments import (
    add_device,
    add_events,
    add_selection,
    add_verbosity,
    positive,
    selection_argument,
    set_verbosity,
)

if TYPE_CHECKING:
    from hitgraph.pipeline import Pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `hitgraph display`."""
    add_events(parser)
    parser.add_argument(
        "--tracks",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="folders with EVENT-tracks.csv or .parquet files",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="the page to write"
    )
    parser.add_argument(
        "--phoenix",
        type=Path,
        metavar="FILE.json",
        help="also write hits and tracks in the event format of Phoenix",
    )
    parser.add_argument(
        "--pipeline", metavar="P", help="a shipped name or a pipeline folder, to show its graphs"
    )
    parser.add_argument(
        "--stage",
        nargs="+",
        metavar="S",
        help="its stages to show the edges of (default: the last one that cuts on their score)",
    )
    parser.add_argument(
        "--most-edges",
        type=positive,
        metavar="N",
        help="edges of a graph in the page, those of highest pT (default 250000)",
    )
    parser.add_argument(
        "--min-hits",
        type=positive,
        default=3,
        metavar="N",
        help="tracks with fewer hits do not count (default 3)",
    )
    add_selection(parser)
    add_device(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page; exit status 1 where an event was left out."""
    import json

    from hitgraph.cli import OK, SOME_FAILED
    from hitgraph.cli.console import progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.errors import InputError, SettingsError
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.files import atomic_write
    from hitgraph.viewer import Display, Options
    from hitgraph.viewer.edges import MOST_EDGES
    from hitgraph.viewer.gather import MOST_EVENTS, Gatherer
    from hitgraph.viewer.page import page_of
    from hitgraph.viewer.phoenix import phoenix_event

    set_verbosity(args)
    if args.stage and not args.pipeline:
        raise SettingsError("--stage: names stages of a pipeline: give it with --pipeline")
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    if len(sources) > MOST_EVENTS:
        raise SettingsError(
            f"{len(sources)} events are too many for one page, which holds up to {MOST_EVENTS}: "
            "choose some with --events A:B"
        )
    options = Options(args.min_hits, selection_argument(args), args.most_edges or MOST_EDGES)
    gatherer = Gatherer.of(args.tracks, _pipeline(args), args.stage, options)
    contents, phoenix, failed = [], {}, []
    with progress(args.quiet) as bar:
        task = bar.add_task("display", total=len(sources))
        for source in sources:
            try:
                event, tracks, content = gatherer.gather(source)
            except InputError as error:
                failed.append(f"{source.name}: {error}")
            else:
                contents.append(content)
                phoenix[event.name] = phoenix_event(event, tracks)
            bar.advance(task)
    if not contents:
        raise InputError("no event can be shown: " + "; ".join(failed))
    for problem in failed:
        complain(problem)
    Display(page_of(contents)).save(args.out)
    say(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB", args.quiet)
    if args.phoenix:
        with atomic_write(args.phoenix) as path:
            path.write_text(json.dumps(phoenix, allow_nan=False), encoding="utf-8")
        say(f"{args.phoenix}: {args.phoenix.stat().st_size / 1e6:.1f} MB", args.quiet)
    return SOME_FAILED if failed else OK


def _pipeline(args: argparse.Namespace) -> "Pipeline | None":
    if not args.pipeline:
        return None
    from hitgraph.pipeline import Pipeline
    from hitgraph.threads import set_threads

    set_threads(args.threads)
    return Pipeline.load(args.pipeline, args.device)
