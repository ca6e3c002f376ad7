"""Reconstruct the bundled pile-up 200 event with a shipped pipeline and show how well it went.

    hitgraph demo --out demo

Prints the stages and the efficiency table, and writes the tracks and report.html into DIR, in place
of those of an earlier demo. Without the extra `plot` it says so and writes no report. The first
time on a machine kernels are compiled before the clock runs, a minute or so, with a bar that says
how far it is.
"""

import argparse
from pathlib import Path

from hitgraph.cli import OK
from hitgraph.cli.arguments import DEFAULT_PIPELINE, add_device, add_verbosity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="folder to write (demo)"
    )
    parser.add_argument(
        "--pipeline",
        default=DEFAULT_PIPELINE,
        metavar="P",
        help="a shipped name or a pipeline folder",
    )
    add_device(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from importlib.resources import files
    from importlib.util import find_spec

    from hitgraph.cli import main
    from hitgraph.cli.console import say

    with_report = find_spec("mplhep") is not None
    if not with_report:
        say("without report.html, which needs  pip install 'hitgraph[plot]'", args.quiet)
    event = str(files("hitgraph") / "demo_event")
    verbosity = ["--quiet"] if args.quiet else []
    threads = [] if args.threads is None else ["--threads", str(args.threads)]
    tracks, report = args.out / "tracks", args.out / "report.html"
    status = main(
        [
            *("reconstruct", event, "--pipeline", str(args.pipeline), "--out", str(tracks)),
            "--force",
            *("--device", args.device, *threads, *verbosity),
        ]
    )
    if status != OK:
        return status
    status = main(["evaluate", str(tracks), "--truth", event, *verbosity])
    if status != OK or not with_report:
        return status
    return main(["report", str(tracks), "--truth", event, "--out", str(report), *verbosity])
