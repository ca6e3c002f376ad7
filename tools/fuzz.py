"""Damage small inputs at random and see that hitgraph says so, or reads what was there before.

    python tools/fuzz.py --tries 2000 --seed 1                # every form of events and tables
    python tools/fuzz.py --tries 5000 --kinds zip tar.gz --keep /tmp/failures
    python tools/fuzz.py --tries 5000 --kinds recipe pipeline

Try number i of a seed is the same everywhere. Exit status 0: nothing failed. A try fails where

    traceback   anything but a message of hitgraph came out, a warning of Python included
    message     the message is longer than a screen, or has characters that a terminal obeys
    silent      a form that carries check sums was read as something else, or a value that cannot
                be was accepted, or a table cut short was read without a word
    guarantee   an event breaks what hitgraph.event.event.Event promises
    crash, hang the process died, or took longer than --seconds

The campaigns stand in the folder fuzzing.
"""

import argparse
import sys
from pathlib import Path

from fuzzing.kinds import KINDS, READER_KINDS
from fuzzing.running import run, work


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=1000, help="of all kinds (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(READER_KINDS))
    parser.add_argument("--seconds", type=int, default=30, help="that a try may take (default 30)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy the inputs that failed here")
    for name in ("--progress", "--report"):  # of the workers
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first is not None:
        return work(args)
    return run(args, [sys.executable, "-X", "faulthandler", sys.argv[0]])


if __name__ == "__main__":
    sys.exit(main())
