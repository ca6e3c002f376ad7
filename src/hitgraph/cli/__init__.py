"""The command line: one dictionary maps a command to the module that runs it.

Nothing heavy is imported before a command runs, so that `hitgraph --help` answers at once.
Each module named here offers `add_arguments(parser)` and `run(args) -> exit status`.
"""

import argparse
import difflib
import errno
import importlib
import itertools
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hitgraph._version import __version__
from hitgraph.cli.messages import complain, tolerate_narrow_encodings
from hitgraph.errors import HitgraphError

OK, SOME_FAILED, CANNOT_START, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "simulate": "make TrackML-like events with Pythia and ACTS",
    "info": "tell what is in event files",
    "convert": "convert events to parquet or TrackML CSV",
    "train": "train a pipeline from a recipe",
    "compare": "teach recipes side by side for the same time, and judge them",
    "search": "vary a recipe: which settings and networks are good and fast",
    "reconstruct": "turn events into tracks with a trained pipeline",
    "evaluate": "compare tracks with the truth: efficiency, purity, score",
    "report": "write the plots and event displays as one HTML file",
    "display": "fly through events, tracks and graphs in one HTML file",
    "baseline": "find tracks with the Kalman filter of ACTS",
    "fit": "fit tracks: parameters with errors, resolutions and pulls",
    "vertices": "find primary vertices from fitted tracks",
    "study": "tables and plots of a pipeline on changed events",
    "benchmark": "measure the time and memory of each stage of a pipeline",
    "export": "write the networks of a pipeline for other programs",
    "serve": "offer the tracks of a pipeline as a service over HTTP",
    "stages": "list every stage and network that a recipe can name",
    "demo": "reconstruct the bundled event and show how well it went",
    "completion": "let the shell complete commands and options",
}

_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
_NEGATIVE = re.compile(r"-\.?\d[^\s]*:.*")  # a range like -1:1, which is no option


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (0 done, 1 some failed, 2 cannot start)."""
    tolerate_narrow_encodings()
    arguments = _with_ranges(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    parser = make_parser(*([command] if command else []))
    if command is None and arguments and not arguments[0].startswith("-"):
        parser.error(f"there is no command {arguments[0]!r}{_meant(arguments[0], COMMANDS)}")
    _refuse_empty(parser, arguments)
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = [option for options in options_of(parser).values() for option in options]
        meant = next((hint for word in unknown if (hint := _meant(word, known))), "")
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    if command is None:
        parser.print_help()
        return CANNOT_START
    try:
        with _termination_as_interrupt():
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except HitgraphError as error:
        complain(f"hitgraph {command}: {error}")
        return CANNOT_START
    except BrokenPipeError:
        _abandon_output()
        return SOME_FAILED
    except KeyboardInterrupt:
        complain(f"hitgraph {command}: interrupted; what is written is complete")
        return INTERRUPTED
    except OSError as error:
        complain(f"hitgraph {command}: {_in_words(error)}")
        return CANNOT_START
    except MemoryError:
        complain(f"hitgraph {command}: ran out of memory")
        return CANNOT_START


def make_parser(*commands: str) -> argparse.ArgumentParser:
    """The parser that knows all commands by name, and of these `commands` what they are told."""
    parser = argparse.ArgumentParser(
        prog="hitgraph",
        description="Charged-particle track reconstruction with graph neural networks.",
        epilog="hitgraph COMMAND --help explains a command and shows an example.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28),
    )
    parser.add_argument("--version", action="version", version=f"hitgraph {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"hitgraph.cli.{name}") if name in commands else None
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


def options_of(parser: argparse.ArgumentParser) -> dict[str, dict[str, list[str]]]:
    """The long options of each command, and the values that each of them may have, if told."""
    found: dict[str, dict[str, list[str]]] = {}
    for action in parser._actions:  # argparse offers no other way
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                below = options_of(subparser)
                found[name] = {k: v for options in below.values() for k, v in options.items()}
        else:
            for option in action.option_strings:
                if option.startswith("--"):
                    found.setdefault("", {})[option] = [str(one) for one in action.choices or ()]
    return found


def _with_ranges(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--eta -1:1` as `--eta=-1:1`, as argparse wants it."""
    joined: list[str] = []
    for argument in arguments:
        if joined and re.fullmatch(r"--[\w-]+", joined[-1]) and _NEGATIVE.fullmatch(argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _refuse_empty(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """End where an argument is empty: as a path it would be the current folder."""
    for before, argument in itertools.pairwise(["hitgraph", *arguments]):
        if not argument or re.fullmatch(r"--[\w-]+=", argument):
            parser.error(
                f"the argument {argument or repr('')} behind {before!r} is empty: give a path or a "
                "value (perhaps a variable of the shell is not set); the current folder is ."
            )


def _meant(word: str, known: Sequence[str] | dict[str, str]) -> str:
    """', did you mean ...?', where something known is much like it."""
    close = difflib.get_close_matches(word.partition("=")[0], known, 1)
    return f": did you mean {close[0]}?" if close else ""


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """SIGTERM, the end of a batch slot, ends a command as Ctrl-C does: with all in order."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_words(error: OSError) -> str:
    """What a user is told of an error of the system: which file, and what about it."""
    why = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {why}"
    if error.errno in _OF_WRITING:  # files are written through hitgraph.files, which names them
        _abandon_output()
        return f"standard output cannot be written ({why})"
    return why


def _abandon_output() -> None:
    """Nothing more is written to standard output, not even when Python ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # not a file of the system
        return
