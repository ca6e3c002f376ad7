"""The command line: one dictionary maps a command to the module that runs it.

Nothing heavy is imported before a command runs, so that `hitgraph --help` answers at once.
Each module named here offers `add_arguments(parser)` and `run(args) -> exit status`.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from hitgraph._version import __version__
from hitgraph.errors import HitgraphError

OK, SOME_FAILED, CANNOT_START, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "simulate": "make TrackML-like events with Pythia and ACTS",
    "info": "tell what is in event files",
    "convert": "convert events to parquet or TrackML CSV",
    "train": "train a pipeline from a recipe",
    "reconstruct": "turn events into tracks with a trained pipeline",
    "evaluate": "compare tracks with the truth: efficiency, purity, score",
    "report": "write the plots and event displays as one HTML file",
    "baseline": "find tracks with the Kalman filter of ACTS",
    "fit": "fit tracks with ACTS: resolutions and pulls",
    "study": "tables and plots of a pipeline on changed events",
    "benchmark": "measure the time and memory of each stage of a pipeline",
    "stages": "list every stage and network that a recipe can name",
    "demo": "reconstruct the bundled event and show how well it went",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (0 done, 1 some failed, 2 cannot start)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    parser = _parser(command)
    args = parser.parse_args(arguments)
    if command is None:
        parser.print_help()
        return CANNOT_START
    try:
        status: int = args.run(args)
        return status
    except HitgraphError as error:
        sys.stderr.write(f"hitgraph {command}: {error}\n")
        return CANNOT_START
    except BrokenPipeError:
        return SOME_FAILED
    except KeyboardInterrupt:
        sys.stderr.write(f"hitgraph {command}: interrupted; what is written is complete\n")
        return INTERRUPTED


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hitgraph",
        description="Charged-particle track reconstruction with graph neural networks.",
        epilog="hitgraph COMMAND --help explains a command and shows an example.",
    )
    parser.add_argument("--version", action="version", version=f"hitgraph {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"hitgraph.cli.{name}") if name == command else None
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=module.__doc__ if module else summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if module is not None:
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser
