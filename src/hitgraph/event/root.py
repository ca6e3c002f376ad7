"""Events as ROOT files: one file an event, with a TTree for each of its tables."""

import re
from dataclasses import fields
from pathlib import Path

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.checks import TABLES
from hitgraph.event.event import Event
from hitgraph.event.store import note_of
from hitgraph.event.trees import Tree, classes_in, listed, write_trees

FILE_NAME = re.compile(r"(?s)(?P<event>.+)\.event\.(?P<table>root)")
WHOLE = "root"  # stands for all tables among the files of an event


def file_name(event_name: str) -> str:
    """Name of the file that holds an event."""
    return f"{event_name}.event.root"


def write_root(event: Event, folder: str | Path) -> None:
    """Write the tables that the event has to one ROOT file in `folder`.

    Reading it gives the identical event, with the name of its field and the number of its hard
    process. Raises HitgraphError if it cannot be written, MissingExtraError without uproot.
    """
    trees = {}
    for name in TABLES:
        table = getattr(event, name)
        if table is not None:
            trees[name] = {field.name: getattr(table, field.name) for field in fields(table)}
    write_trees(Path(folder) / file_name(event.name), trees, note_of(event))


def tables_in(place: Place) -> dict[str, Place]:
    """The tables of the event in a ROOT file. Raises InputError where it is none of an event."""
    there = classes_in(place)
    found: dict[str, Place] = {
        name: Tree(place.path, place.member, name) for name in TABLES if there.get(name) == "TTree"
    }
    if "hits" not in found:
        raise InputError(
            f"{place}: is no event: it has no TTree hits ({listed(there)}); expected are the trees "
            f"{', '.join(TABLES)} that `hitgraph convert --to root` writes"
        )
    return found
