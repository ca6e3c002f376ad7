"""Tables as TTrees of a ROOT file, one branch a column. Needs the extra `root` (uproot)."""

import contextlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from hitgraph.errors import HitgraphError, InputError, MissingExtraError
from hitgraph.event.archive import Place, require_size
from hitgraph.files import atomic_write

NOTE = "hitgraph"  # name of the string in a file that says how its content was made, as JSON
BYTES_PER_VALUE = 8
SHOWN = 300  # characters of a file that a message repeats


@dataclass(frozen=True)
class Tree(Place):
    """A TTree of the ROOT file at a place; messages name it as ROOT does: file.root:hits."""

    tree: str = ""

    def __str__(self) -> str:
        return f"{super().__str__()}:{self.tree}"

    @property
    def file(self) -> Place:
        """The ROOT file."""
        return Place(self.path, self.member)


def uproot_for(what: str) -> Any:
    """The module uproot. Raises MissingExtraError where it is not installed."""
    try:
        import uproot
    except ImportError as error:
        raise MissingExtraError(what, "root") from error
    return uproot


def write_trees(
    path: str | Path,
    trees: Mapping[str, Mapping[str, NDArray[Any]]],
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write one ROOT file with a TTree for each table, or nothing.

    The columns of a table have equal length. `made`, how they were made, becomes a string in the
    file. Raises HitgraphError where it cannot be written, MissingExtraError without uproot.
    """
    uproot = uproot_for("writing ROOT files")
    with atomic_write(path) as temporary, uproot.recreate(temporary) as file:
        for name, columns in trees.items():
            tree = file.mktree(name, {key: column.dtype for key, column in columns.items()})
            tree.extend(dict(columns))
        if made:
            file[NOTE] = json.dumps(made)


def note_in(place: Place) -> dict[str, Any]:
    """What a ROOT file keeps about how it was made; empty where it keeps nothing of ours."""
    with contextlib.suppress(InputError, ValueError, RecursionError), _opened(place) as file:
        if _classes(file).get(NOTE) == "TObjString":
            made = json.loads(str(file[NOTE]))
            return made if isinstance(made, dict) else {}
    return {}


def branches_of(tree: Tree) -> list[str]:
    """The names of the branches. Raises InputError where there is no such tree."""
    with _tree(tree) as found:
        return [str(name) for name in found.keys(recursive=False)]


def read_branches(tree: Tree, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The values of some branches.

    Raises InputError for one that holds anything but one number an entry, and for a tree too
    large to be right.
    """
    with _tree(tree) as found:
        unpacked = sum(max(0, found[name].uncompressed_bytes) for name in names)
        require_size(max(unpacked, BYTES_PER_VALUE * found.num_entries * len(names)), tree)
        columns = {}
        for name in names:
            values = found[name].array(library="np")
            if values.ndim != 1 or values.dtype.kind not in "biuf":
                raise InputError(
                    f"{tree}: branch {name} holds {found[name].typename[:SHOWN]} where one number "
                    "an entry is expected: write one entry a row of the table"
                )
            columns[name] = pa.chunked_array([pa.array(values)])
        return columns


@contextlib.contextmanager
def _tree(tree: Tree) -> Iterator[Any]:
    with _opened(tree.file) as file:
        there = _classes(file)
        if there.get(tree.tree) != "TTree":
            raise InputError(
                f"{tree.file}: has no TTree {tree.tree} ({listed(there)}): write the table under "
                "that name, or give the file that has it"
            )
        yield file[tree.tree]


def listed(classes: Mapping[str, str]) -> str:
    """What is in a ROOT file, as a message tells it."""
    names = ", ".join(f"{kind} {name}" for name, kind in classes.items())
    return f"found: {names[:SHOWN] or 'nothing'}"


def classes_in(place: Place) -> dict[str, str]:
    """The name and class of everything at the top of a ROOT file."""
    with _opened(place) as file:
        return _classes(file)


def _classes(file: Any) -> dict[str, str]:
    found: dict[str, str] = file.classnames(recursive=False, cycle=False)
    return found


@contextlib.contextmanager
def _opened(place: Place) -> Iterator[Any]:
    """The file; whatever uproot stumbles over in a damaged one becomes InputError."""
    uproot = uproot_for(f"reading {place.name}")
    data = place.read()
    if not data.startswith(b"root"):
        raise InputError(
            f"{place}: is no ROOT file (they start with the word root): give one that ROOT or "
            "uproot has written, or name a file of another format by its own ending"
        )
    try:
        with uproot.open(io.BytesIO(data)) as file:
            yield file
    except HitgraphError:
        raise
    except Exception as error:  # it has no error of its own for that
        reason = " ".join(str(error).partition(" from ObjectSource")[0].split())[:SHOWN]
        raise InputError(
            f"{place}: damaged or cut short ({reason.rstrip('.') or type(error).__name__}): copy, "
            "download or make it again"
        ) from error
