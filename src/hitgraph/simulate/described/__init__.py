"""Detectors described in a short YAML file: read, checked, and made into a table of modules."""

import difflib
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.settings import parse, read_yaml
from hitgraph.simulate.described.coverage import require_no_gaps
from hitgraph.simulate.described.description import Description
from hitgraph.simulate.described.overlaps import require_apart
from hitgraph.simulate.described.places import concatenate, places_of
from hitgraph.simulate.matter import SILICON, Matter, Tube

__all__ = ["Description", "build", "read_description", "shipped_detectors"]

SUFFIX = ".yaml"


def shipped_detectors() -> list[str]:
    """Names of the descriptions that come with the package."""
    return sorted(path.stem for path in _folder().glob(f"*{SUFFIX}"))


def read_description(name: str | Path) -> Description:
    """A shipped description by its name, or the one in a file.

    Raises InputError for a file that is none, SettingsError naming file and key for a detector
    that cannot be: unknown keys, sizes and pitches out of range, modules that overlap, gaps that
    are not allowed; InputError for a field that does not reach as far as the modules.
    """
    shipped = shipped_detectors()
    path = _folder() / f"{name}{SUFFIX}" if str(name) in shipped else Path(name)
    if not path.exists():
        close = difflib.get_close_matches(path.stem, shipped, 1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(
            f"{name}: no such detector{meant}; shipped ones: {', '.join(shipped)}; anything else "
            "has to be a YAML file (docs/detectors.md)"
        )
    try:
        description = parse(Description, read_yaml(path))
        check(description)
        build(description)[0].in_field(description.field, "field")
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return description


def check(description: Description) -> None:
    """Raise SettingsError, naming the key, where modules overlap or leave gaps."""
    for where, entry in description.layers.items():
        require_no_gaps(entry, where)
    entries = {
        where: (places_of(entry), entry.thickness) for where, entry in description.layers.items()
    }
    require_apart(entries, description.passive)


def build(description: Description) -> tuple[Detector, Matter]:
    """The table of modules, sorted by volume, layer and module, and what stands in the way."""
    parts, sizes, x0 = [], [], []
    for entry in description.layers.values():
        places = places_of(entry)
        n = len(places.centre)
        length = 2 * places.half_sizes[:, 2]
        pitch_v = length if entry.pitch_v is None else np.full(n, entry.pitch_v)
        numbers = (np.full(n, entry.thickness / 2), np.full(n, entry.pitch_u), pitch_v)
        parts.append(places)
        sizes.append(np.stack(numbers, axis=1))
        x0.append(np.full(n, entry.x0 / (2 if entry.gap > 0 else 1)))
    all_ = concatenate(parts)
    order = np.lexsort((all_.module_id, all_.layer_id, all_.volume_id))
    half_thickness, pitch_u, pitch_v = np.concatenate(sizes)[order].T
    half_sizes = all_.half_sizes[order]
    depth = np.concatenate(x0)[order]
    detector = Detector(
        volume_id=all_.volume_id[order],
        layer_id=all_.layer_id[order],
        module_id=all_.module_id[order],
        centre=all_.centre[order],
        rotation=all_.rotation[order],
        half_thickness=half_thickness,
        min_half_u=half_sizes[:, 0],
        max_half_u=half_sizes[:, 1],
        half_v=half_sizes[:, 2],
        pitch_u=pitch_u,
        pitch_v=pitch_v,
        field=description.field,
        x0=depth,
        pipe=_beam_pipe(description, all_.centre),
    )
    tubes = tuple(
        Tube(one.radius, one.half_length, one.x0, one.x0 * SILICON) for one in description.passive
    )
    return detector, Matter(depth, depth * SILICON, tubes)


def _beam_pipe(description: Description, centre: NDArray[np.float64]) -> tuple[float, float] | None:
    """mm and radiation lengths of the innermost passive cylinder, if it is inside all modules.

    `centre` (n_modules, 3) are theirs.
    """
    innermost = np.hypot(centre[:, 0], centre[:, 1]).min()
    inside = [one for one in description.passive if one.radius < innermost]
    pipe = min(inside, key=lambda one: one.radius, default=None)
    return None if pipe is None else (pipe.radius, pipe.x0)


def _folder() -> Path:
    return Path(str(files("hitgraph"))) / "simulate" / "described"
