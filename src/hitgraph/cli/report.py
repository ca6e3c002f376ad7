"""Write one self-contained HTML file about folders of tracks.

Summary table; efficiency and purity against pT, eta and more; time, edges and scores of every
stage (where the run.json that `hitgraph reconstruct` writes lies beside the tracks); and an event
display. Needs the extra `plot`.

example:
  hitgraph report tracks/compact --truth events/ --out report.html
"""

import argparse
from pathlib import Path

from hitgraph.cli.arguments import add_verbosity
from hitgraph.cli.evaluate import add_comparison, compare_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `hitgraph report`."""
    add_comparison(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="the file to write"
    )
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report; exit status 1 where an event was skipped."""
    from hitgraph.cli import OK, SOME_FAILED
    from hitgraph.cli.console import say
    from hitgraph.cli.messages import complain
    from hitgraph.evaluation.report import write_report  # first: it may lack its extra
    from hitgraph.event.source import list_events

    comparison = compare_folders(args)
    shown = next(
        source
        for source in list_events(args.truth, args.detectors, args.events)
        if source.name == comparison.events[0]
    )
    problems = write_report(comparison, shown.read(cells=False), args.out)
    for problem in problems:
        complain(f"{problem.where}: {problem.message}")
    say(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB", args.quiet)
    return SOME_FAILED if problems or comparison.problems else OK
