"""Write one self-contained HTML file about folders of tracks.

Headline numbers, summary table; efficiency and purity against pT, eta and more; time, edges and
scores of every stage (where the run.json that `hitgraph reconstruct` writes lies beside the
tracks); primary vertices, where there are any; and an event display. Needs the extra `plot`.

example:
  hitgraph report tracks/compact --truth events/ --out report.html
  hitgraph report tracks/compact --truth events/ --out report.html --figures pdf figures
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli.arguments import add_verbosity
from hitgraph.cli.evaluate import add_comparison, compare_folders, compare_vertices_of

if TYPE_CHECKING:
    from hitgraph.evaluation.report_page import Files

FORMATS = ("pdf", "svg", "png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `hitgraph report`."""
    add_comparison(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.html", help="the file to write"
    )
    parser.add_argument(
        "--figures",
        nargs=2,
        metavar=("pdf|svg|png", "DIR"),
        help="write each figure as a file of that format into a folder as well",
    )
    parser.add_argument(
        "--label",
        default="",
        metavar="TEXT",
        help="above every figure, the first word bold: 'ATLAS Simulation'",
    )
    parser.add_argument(
        "--style",
        metavar="NAME|FILE",
        help="of mplhep (ATLAS, CMS, LHCb, ALICE ...), or a style file of matplotlib",
    )
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report; exit status 1 where an event was skipped."""
    from hitgraph.cli import OK, SOME_FAILED
    from hitgraph.cli.console import say
    from hitgraph.cli.messages import complain
    from hitgraph.evaluation.report import write_report  # first: it may lack its extra
    from hitgraph.evaluation.style import experiment_style
    from hitgraph.evaluation.vertex_comparison import vertex_folders
    from hitgraph.event.source import list_events

    figures = _figures(args)
    with experiment_style(args.style):  # before any work: there may be no such style
        folders = vertex_folders(args.folders, args.vertices)
        comparison = compare_folders(args)
        shown = next(
            source
            for source in list_events(args.truth, args.detectors, args.events)
            if source.name == comparison.events[0]
        )
        event = shown.read(cells=False)
        vertices = compare_vertices_of(args, folders)
        problems = write_report(comparison, event, args.out, args.label, figures, vertices)
    for problem in problems:
        complain(f"{problem.where}: {problem.message}")
    say(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB", args.quiet)
    return SOME_FAILED if problems or comparison.problems else OK


def _figures(args: argparse.Namespace) -> "Files | None":
    """Format and folder of the figures; SettingsError for another format."""
    from hitgraph.errors import SettingsError

    if args.figures is None:
        return None
    form, folder = args.figures
    if form not in FORMATS:
        raise SettingsError(f"--figures {form}: is no format of figures: {', '.join(FORMATS)}")
    return form, Path(folder)
