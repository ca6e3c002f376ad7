"""The measurements of a study, one file each, so that an interrupted study can go on."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitgraph._version import __version__
from hitgraph.errors import InputError, SettingsError
from hitgraph.files import atomic_write, read_json
from hitgraph.studies.output import file_name
from hitgraph.workers import HERE, Workers

FOLDER = "points"
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Point:
    """One measurement: one event, one pipeline, one setting."""

    key: str  # its name, different from those of all other points of the study
    measure: Callable[[], dict[str, Any]]  # gives something JSON-able


@dataclass(frozen=True)
class Measured:
    """What became of the points."""

    done: dict[str, dict[str, Any]]  # by key, in the order of the points
    failed: dict[str, str]  # key -> why


def measure(
    points: Sequence[Point],
    folder: Path,
    settings: Mapping[str, Any],
    resume: bool = False,
    advance: Callable[[], None] = lambda: None,
    force: bool = False,
    workers: Workers = HERE,
    again: Callable[[], Sequence[Point]] | None = None,
    is_complete: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> Measured:
    """Measure each point and keep it in `folder`; a bad event is noted and left out.

    Several `workers` share the points; each calls `again`, which can be pickled, for its own.

    Points that are there are read with `resume` and measured anew with `force`, or where they are
    not complete: an older version may have measured less. Raises
    SettingsError where there are some and neither is given, where they were measured with other
    settings or two have one key, InputError when nothing could be measured.
    """
    keys = [point.key for point in points]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise SettingsError(f"{twice}: would be measured twice; give each event and value once")
    place = folder / FOLDER
    wanted = {"hitgraph": __version__, **settings}
    there = [path for path in place.glob("*.json") if path.name != SETTINGS]
    if there and resume:
        _check_same(place / SETTINGS, wanted)
    elif there and not force:
        raise SettingsError(
            f"{folder}: holds {len(there)} measurements already: --resume keeps them and goes on, "
            "--force begins anew, or give another folder"
        )
    for path in there if force else ():
        path.unlink()
    _write(place / SETTINGS, wanted)
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for key in keys if resume else ():
        known = _read(_path(folder, key))
        if known is not None and is_complete(known):
            found[key] = known
            advance()
    todo = [key for key in keys if key not in found]
    measuring = _Measuring(folder, again or (lambda: points), points)
    with closing(workers.share(measuring, todo, folder)) as results:
        for key, result in results:
            if isinstance(result, InputError):
                failed[key] = str(result)
            else:
                found[key] = result
            advance()
    done = {key: found[key] for key in keys if key in found}
    if not done:
        raise InputError(
            "nothing could be measured: "
            + "; ".join(f"{key}: {why}" for key, why in failed.items())
        )
    return Measured(done, failed)


class _Measuring:
    """Measures points by their keys and writes what it finds, in whatever process."""

    def __init__(
        self,
        folder: Path,
        again: Callable[[], Sequence[Point]],
        points: Sequence[Point] | None = None,
    ) -> None:
        self.folder, self.again = folder, again
        self._points = None if points is None else {point.key: point for point in points}

    def __reduce__(self) -> tuple[type["_Measuring"], tuple[Path, Callable[[], Sequence[Point]]]]:
        return _Measuring, (self.folder, self.again)

    def __call__(self, key: str) -> dict[str, Any]:
        if self._points is None:
            self._points = {point.key: point for point in self.again()}
        found = self._points[key].measure()
        _write(_path(self.folder, key), found)
        return found


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings that a study was begun with; empty where nothing readable tells them."""
    return _read(folder / FOLDER / SETTINGS) or {}


def _path(folder: Path, key: str) -> Path:
    return folder / FOLDER / f"{file_name(key)}.json"


def _check_same(path: Path, wanted: Mapping[str, Any]) -> None:
    found = _read(path)
    if found is None:
        return
    for key in dict.fromkeys((*found, *wanted)):
        if found.get(key) != json.loads(json.dumps(wanted.get(key))):
            raise SettingsError(
                f"{path}: was begun with {key} {found.get(key)}, now it is {wanted.get(key)}: "
                "resume with the same settings, or begin anew with --force"
            )


def _read(path: Path) -> dict[str, Any] | None:
    """What `_write` wrote; None where nothing readable is there."""
    try:
        return read_json(path)
    except InputError:
        return None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
