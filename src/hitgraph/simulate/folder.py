"""The folder that simulated events go to: what is complete in it, and how it was made."""

import contextlib
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hitgraph._version import __version__
from hitgraph.errors import SettingsError
from hitgraph.event.checks import TABLES
from hitgraph.event.store import file_name, read_dataset_info, write_dataset_info
from hitgraph.simulate.needs import packages_of
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.simulator import event_name
from hitgraph.simulate.worlds import WorldSettings, world_info

Info = dict[str, Any]
AnySettings = SimulationSettings | WorldSettings
OF_HITS = ("hits", "cells", "particles", "truth")
OF_SPACE_POINTS = ("hits", "particles", "truth", "clusters", "spacepoints")
NEWER: Info = {"beam_centre": [0.0, 0.0, 0.0], "detector": None}
NEWER_GUN = {"min_phi": -math.pi, "max_phi": math.pi, "spread": 0.0}
"""Settings that older folders do not tell, and with what their events were made."""
GENERATORS = ("pyacts", "pythia8mc")
"""Packages that make the events of the tracker: their versions decide what is in them."""


@dataclass(frozen=True)
class EventSummary:
    """What one simulated event holds and took."""

    number: int
    hits: int
    cells: int
    particles: int
    seconds: float
    cpu_seconds: float
    bytes: int


def tables(folder: Path, number: int) -> list[Path]:
    """The files of an event; one of space points has those of its clusters in place of cells."""
    paths = {table: folder / file_name(event_name(number), table) for table in TABLES}
    crossed = paths["clusters"].is_file() or paths["spacepoints"].is_file()
    return [paths[table] for table in (OF_SPACE_POINTS if crossed else OF_HITS)]


def is_complete(folder: Path, number: int) -> bool:
    """Whether all tables of event `number` are in `folder`."""
    return all(path.is_file() for path in tables(folder, number))


def complete_events(folder: Path) -> list[int]:
    """Numbers of the complete events in `folder`, rising."""
    names = [path.name.split(".")[0] for path in folder.glob(file_name("event*", "hits"))]
    numbers = {int(name[5:]) for name in names if name[5:].isdecimal()}
    return sorted(number for number in numbers if is_complete(folder, number))


def discard(folder: Path, number: int) -> None:
    """Remove what is there of an incomplete event, temporary files too."""
    if not is_complete(folder, number):
        for path in (*tables(folder, number), *folder.glob(f".{event_name(number)}.*.part")):
            with contextlib.suppress(OSError):
                path.unlink()


def prepare(folder: Path, settings: AnySettings, resume: bool) -> Info:
    """Write dataset.json before the work, or check that the one there says the same."""
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file, give a folder to write the events to")
    info = dataset_info(settings)
    found = read_dataset_info(folder) if folder.is_dir() else {}
    has_events = folder.is_dir() and any(folder.glob(file_name("*", "hits")))
    if not has_events and found.get("events") == []:
        found = {}  # of a run that made none: it binds nobody
    if (found or has_events) and not resume:
        raise SettingsError(
            f"{folder}: holds events already: add --resume to make the missing ones with the "
            "same settings, or give another folder"
        )
    if has_events and not found:
        raise SettingsError(
            f"{folder}: holds events but no dataset.json that says how they were made: "
            "give another folder"
        )
    if found:
        _check_same(folder, found, info)
    note_events(folder, info)
    return info


def note_events(folder: Path, info: Info) -> None:
    """Write dataset.json with the events that are complete, those of other processes too."""
    noted: list[int] | None = None
    while noted != (there := complete_events(folder)):  # another process may write beside us
        write_dataset_info(folder, info | {"events": there})
        noted = there


def dataset_info(settings: AnySettings) -> Info:
    """What dataset.json says about events made with `settings`, without the event numbers."""
    versions = {"hitgraph": __version__, "numpy": version("numpy")}
    if not isinstance(settings, SimulationSettings):
        return world_info(settings) | {"versions": versions}
    plain = settings.to_dict()
    return {
        "preset": plain.pop("preset"),
        "seed": plain.pop("seed"),
        "settings": plain,
        "versions": versions | {name: version(name) for name in packages_of(settings).values()},
    }


def _check_same(folder: Path, found: Info, wanted: Info) -> None:
    for key in ("world", "preset", "seed", "settings", "versions"):
        was, now = found.get(key), wanted.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            keys = now.keys() & GENERATORS if key == "versions" else now.keys()
            known = NEWER | was
            if isinstance(gun := known.get("gun"), dict):
                known["gun"] = NEWER_GUN | gun
            different = [
                f"{one} {known.get(one)} (now {now[one]})"
                for one in sorted(keys)
                if known.get(one) != now[one]
            ]
        else:
            different = [f"{key} {was} (now {now})"] if was != now else []
        if different:
            raise SettingsError(
                f"{folder}: its events were made with {', '.join(different)}: resume with the "
                "settings in dataset.json, or give another folder"
            )
