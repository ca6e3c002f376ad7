"""Everything a recipe can name: builders, filters, networks, labellers, refiners.

    hitgraph stages
    hitgraph stages scored join

Each with what it needs and gives, its keys with their defaults, and the paper it follows. Stages of
other packages (entry points of the group hitgraph.stages) are among them.
"""

import argparse

from hitgraph.cli import OK
from hitgraph.cli.arguments import add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default all)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from hitgraph.catalogue import as_text, entries
    from hitgraph.cli.console import say
    from hitgraph.errors import SettingsError
    from hitgraph.files import atomic_write

    found = entries()
    for name in args.names:
        if name not in [entry.name for entry in found]:
            raise SettingsError(
                f"{name}: no such stage or network; one of "
                f"{', '.join(entry.name for entry in found)} (those of another package are there "
                "once it is installed in this environment)"
            )
    chosen = [entry for entry in found if not args.names or entry.name in args.names]
    say("\n\n".join(as_text(entry) for entry in chosen))
    if args.json is not None:
        with atomic_write(args.json) as temporary:
            temporary.write_text(
                json.dumps([asdict(entry) for entry in chosen], indent=1) + "\n", encoding="utf-8"
            )
    return OK
