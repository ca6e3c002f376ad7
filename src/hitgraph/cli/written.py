"""What a command leaves that measures and writes: tables on the terminal, and files."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli.console import console, say, shown
from hitgraph.files import atomic_write

if TYPE_CHECKING:
    from hitgraph.studies.output import Table


def show_written(
    tables: "Sequence[Table]", preset: str | None, paths: Sequence[Path], args: argparse.Namespace
) -> None:
    """Print the tables and the names of the files; the first of these is copied to --json."""
    if args.json is not None:
        with atomic_write(args.json) as temporary:
            temporary.write_bytes(paths[0].read_bytes())
    out = console(args.quiet)
    for table in tables:
        out.print(shown(table, preset))
    say(f"written: {', '.join(str(path) for path in paths)}", args.quiet)
