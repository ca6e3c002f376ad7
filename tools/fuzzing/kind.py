"""A kind of input: its files undamaged, and a try on damaged ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzzing.checks import Words
from fuzzing.damage import Rng, damaged_bytes
from fuzzing.forms import Files
from hitgraph.event.event import Event


@dataclass(frozen=True)
class Kind:
    """One kind of input. `run` is given the kind, an empty folder, a stream and what was logged.

    It returns in a word how the try went, raises Failure where it went as it must not, and lets
    errors of hitgraph pass: the input was refused.
    """

    files: Files
    run: Callable[["Kind", Path, Rng, Words], str]
    expected: tuple[Event, ...] = ()  # what the undamaged files are read as
    check_sums: bool = True  # the form notices each change of its bytes


def write_files(files: Files, folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def damage_one(files: Files, rng: Rng) -> Files:
    """The files with the bytes of one of them damaged."""
    name = str(rng.choice(sorted(files)))
    return files | {name: damaged_bytes(files[name], rng)}
