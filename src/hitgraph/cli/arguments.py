"""Arguments that several commands share, so that they are spelt and explained alike."""

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitgraph.event.field import MagneticField
    from hitgraph.event.selection import Selection

from hitgraph.cores import available_cores, usual_threads

EVERY_NUMBER = (0, sys.maxsize)
DEFAULT_PIPELINE = "compact"


def add_events(
    parser: argparse.ArgumentParser, option: str | None = None, optional: bool = False
) -> None:
    """EVENTS (list of Path in args.paths), --events A:B (args.events) and --detectors FILE.

    With `option`, for example "--truth", the paths follow that option (args.truth). With
    `optional`, there may be none.
    """
    required: dict[str, Any] = {"required": not optional} if option else {}
    parser.add_argument(
        option or "paths",
        nargs="*" if optional else "+",
        type=Path,
        metavar="EVENTS",
        help="an event prefix (.../event000001000), a folder with events, a zip or tar, "
        "or a file of an event",
        **required,
    )
    parser.add_argument(
        "--events",
        type=parse_range,
        metavar="A:B",
        help="only the events with numbers from A up to, but not including, B; N: only number N",
    )
    parser.add_argument(
        "--detectors",
        type=Path,
        metavar="FILE",
        help="the module table; else detectors.csv or detectors.parquet beside the events",
    )


def parse_range(text: str) -> tuple[int, int]:
    """'A:B' as (A, B), 'A:' and ':B' as open ranges, 'N' as (N, N + 1)."""
    first, colon, end = text.partition(":")
    try:
        low = int(first) if first else EVERY_NUMBER[0]
        high = (int(end) if end else EVERY_NUMBER[1]) if colon else int(first) + 1
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a range of event numbers like 1000:1100, 1000: or 1000"
        ) from None
    if low < 0 or high <= low:
        raise argparse.ArgumentTypeError(f"{text!r} holds no event number: B must be above A")
    return low, high


def add_selection(parser: argparse.ArgumentParser) -> None:
    """--select KEY=VALUE ..., which particles count; `selection_argument` reads it."""
    parser.add_argument(
        "--select",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="which particles count, with the keys of docs/evaluation.md#which-particles-count: "
        "min_pt=1 max_abs_eta=2.5 pdg=11,13 primary_only ...",
    )


def selection_argument(args: argparse.Namespace, base: "Selection | None" = None) -> "Selection":
    """The particles of --select; what it leaves open is as in `base`, or as in every evaluation.

    Raises SettingsError.
    """
    from hitgraph.event.selection import SELECTED, selection_of

    return selection_of(args.select, SELECTED if base is None else base)


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """--out DIR (args.out), and what becomes of results that are there: --resume or --force."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=what)
    there = parser.add_mutually_exclusive_group()
    there.add_argument(
        "--resume", action="store_true", help="go on, and keep what is complete in DIR"
    )
    there.add_argument("--force", action="store_true", help="make anew what is in DIR already")


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json FILE."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")


def add_workers(parser: argparse.ArgumentParser, usual: str | None = None) -> None:
    """--workers N and --dask ADDRESS, which `hire(args.workers, args.dask)` takes."""
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that share the events "
        f"(default {usual or f'1; {available_cores()} cores are there'})",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="let the workers of this Dask cluster share them, like tcp://host:8786",
    )


def threads_of_worker(args: argparse.Namespace) -> int | None:
    """Threads of each of --workers: those of --threads, else their share of the cores."""
    asked: int | None = args.threads
    return asked or (max(1, usual_threads() // args.workers) if args.workers else None)


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device and --threads."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads (default OMP_NUM_THREADS or SLURM_CPUS_PER_TASK, else all cores)",
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """--precision."""
    parser.add_argument(
        "--precision",
        default="auto",
        help="of the networks on a GPU: float32, float16 or bfloat16 (default auto: float16)",
    )


def add_field(parser: argparse.ArgumentParser) -> None:
    """--field FIELD, for the tools of ACTS; `field_argument` reads it."""
    parser.add_argument(
        "--field",
        metavar="FIELD",
        help="solenoid[:FACTOR], constant:TESLA or a table r z Br Bz (default: what the events "
        "say, else the solenoid of TrackML)",
    )


def field_argument(args: argparse.Namespace) -> "MagneticField | None":
    """The field of --field; None without. Raises SettingsError or InputError."""
    from hitgraph.event.field import field_of

    return None if args.field is None else field_of(args.field)


def positive(text: str) -> int:
    """A whole number from 1, of 64 bits: tables hold no larger number of an event."""
    number = int(text) if text.isdecimal() and len(text) < 20 else 0
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number from 1 to 2^63 - 1")
    return number


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """--quiet and -v (args.verbose, 0 to 2)."""
    parser.add_argument(
        "--quiet", action="store_true", help="errors and warnings only: no progress, no tables"
    )
    parser.add_argument("-v", dest="verbose", action="count", default=0, help="say more")


def set_verbosity(args: argparse.Namespace) -> None:
    """Let the log messages through that -v asks for; warnings always, they are about the data."""
    level = [logging.WARNING, logging.INFO, logging.DEBUG][min(args.verbose, 2)]
    logging.basicConfig(level=level, format="%(message)s")
