"""A detector in a short YAML file: what may stand in it, and the checks of single numbers.

Lengths in mm, angles in mrad. Modules have local axes u, v and w, their normal: in cylinders u is
along phi and v along the beam, in disks u is along phi and v away from the beam, in planes u and v
follow the axis in the order x, y, z, x, y.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

from hitgraph.errors import SettingsError
from hitgraph.event.detector import MAX_ID
from hitgraph.event.field import MagneticField, field_of
from hitgraph.settings import parse, to_dict

Lengths = float | tuple[float, ...]  # one for all, or one each
Counts = int | tuple[int, ...]
T = TypeVar("T")

AXES = ("x", "y", "z")
MAX_LENGTH = 1e5  # mm
MAX_TILT, MAX_STEREO = 1200.0, 500.0  # mrad
MAX_MODULES = 200_000


@dataclass(frozen=True, kw_only=True)
class Layers:
    """What layers of any shape tell of their modules. One entry of a list is one volume."""

    volume: int  # volume_id of the modules; their layers are numbered from 1, modules from 0
    thickness: float  # mm of silicon that collects charge
    x0: float  # radiation lengths of a layer, both sides together, at right angles
    pitch_u: float  # mm between the read-out channels along u
    pitch_v: float | None = None  # mm along v; without it strips are as long as the module
    stereo: float = 0.0  # mrad by which the second side of a layer is turned about w
    gap: float = 0.0  # mm between the two sides; 0 = one side. Even module_id: the inner, axial one

    def check_sensors(self) -> None:
        """Raise SettingsError naming the key of a number that cannot be."""
        require(1 <= self.volume < MAX_ID, "volume", self.volume, f"1 to {MAX_ID - 1}")
        _require_length("thickness", self.thickness)
        require(0 <= self.x0 < 1, "x0", self.x0, "0 to below 1 radiation length")
        _require_length("pitch_u", self.pitch_u)
        if self.pitch_v is not None:
            _require_length("pitch_v", self.pitch_v)
        require(
            abs(self.stereo) <= MAX_STEREO, "stereo", self.stereo, f"at most {MAX_STEREO:g} mrad"
        )
        require(self.gap >= 0, "gap", self.gap, "0 mm (one side) or more")
        require(
            self.stereo == 0 or self.gap > 0,
            "gap",
            self.gap,
            "above 0 mm where there is a stereo angle: two sides cannot be in one place",
        )
        require(
            self.gap == 0 or self.gap > self.thickness,
            "gap",
            self.gap,
            f"above the thickness of {self.thickness:g} mm: the two sides would overlap",
        )

    def check_sizes(self, width: Lengths, length: Lengths) -> None:
        """Raise SettingsError where a channel, or the thickness, exceeds the smallest module."""
        smallest = min(*each(width), *each(length))
        allowed = f"at most the {smallest:g} mm of a module along its surface"
        require(self.thickness <= smallest, "thickness", self.thickness, allowed)
        for key, size in (("pitch_u", width), ("pitch_v", length)):
            pitch, smallest = getattr(self, key), min(each(size))
            allowed = f"at most the module's {smallest:g} mm"
            require(pitch is None or pitch <= smallest, key, pitch, allowed)


@dataclass(frozen=True, kw_only=True)
class Cylinders(Layers):
    """Layers around the beam: rows of rectangular modules along it."""

    radius: Lengths  # mm, of the middle of the modules; one layer each
    phi_modules: Counts  # modules around a layer
    z_modules: Counts  # modules along a layer
    width: Lengths  # mm along u
    length: Lengths  # mm along v
    tilt: float = 0.0  # mrad by which modules are turned about v, so that neighbours overlap
    overlap: float = 0.0  # mm by which modules overlap along the beam; below 0 is a gap
    stagger: float = 0.0  # mm in radius between modules that follow each other along the beam
    allow_gaps: bool = False  # whether a layer may have gaps, in phi and along the beam

    def __post_init__(self) -> None:
        self.check_sensors()
        _require_rising("radius", self.radius)
        for key in ("phi_modules", "z_modules", "width", "length"):
            _require_one_each(key, getattr(self, key), "radius", self.radius)
        for key in ("phi_modules", "z_modules"):
            _require_counts(key, getattr(self, key))
        for key in ("width", "length"):
            _require_lengths(key, getattr(self, key))
        require(abs(self.tilt) <= MAX_TILT, "tilt", self.tilt, f"at most {MAX_TILT:g} mrad")
        _require_overlap(self.overlap, self.length)
        smallest = min(each(self.radius))
        allowed = f"at most the radius, {smallest:g} mm, either way"
        require(abs(self.stagger) <= smallest, "stagger", self.stagger, allowed)
        self.check_sizes(self.width, self.length)


@dataclass(frozen=True, kw_only=True)
class Disks(Layers):
    """Layers across the beam: rings of trapezoidal modules around it."""

    z: Lengths  # mm, one layer each
    radius: Lengths  # mm, of the middle of a ring's modules; one ring each
    modules: Counts  # modules around a ring
    inner_width: Lengths  # mm along u, at the edge near the beam
    outer_width: Lengths  # mm along u, at the edge away from it
    length: Lengths  # mm along v
    offset: Lengths = 0.0  # mm by which a ring stands further along the beam than the layer
    stagger: float = 0.0  # mm along the beam between modules that follow each other in phi
    mirror: int | None = None  # volume_id of the same disks at -z; without it there are none
    allow_gaps: bool = False  # whether there may be gaps in phi, and between rings

    def __post_init__(self) -> None:
        self.check_sensors()
        _require_rising("z", self.z, least=-MAX_LENGTH)
        _require_rising("radius", self.radius)
        for key in ("modules", "inner_width", "outer_width", "length", "offset"):
            _require_one_each(key, getattr(self, key), "radius", self.radius)
        _require_counts("modules", self.modules)
        for key in ("inner_width", "outer_width", "length"):
            _require_lengths(key, getattr(self, key))
        for radius, length in zip(self._rings("radius"), self._rings("length"), strict=True):
            allowed = f"at most {2 * radius:g} mm, beyond which a module reaches across the beam"
            require(length <= 2 * radius, "length", length, allowed)
        nearest = min(map(abs, each(self.z)))
        allowed = f"less than the {nearest:g} mm from the origin to the nearest disk, either way"
        for key in ("offset", "stagger"):
            furthest = max(map(abs, each(getattr(self, key))))
            require(furthest == 0 or furthest < nearest, key, getattr(self, key), allowed)
        if self.mirror is not None:
            require(1 <= self.mirror < MAX_ID, "mirror", self.mirror, f"1 to {MAX_ID - 1}")
            allowed = "above 0 mm where the disks have a mirror"
            require(min(each(self.z)) > 0, "z", min(each(self.z)), allowed)
        middles = zip(self._rings("inner_width"), self._rings("outer_width"), strict=True)
        self.check_sizes(tuple((low + high) / 2 for low, high in middles), self.length)

    def _rings(self, key: str) -> tuple[float, ...]:
        """A key that says one each, for every ring."""
        return one_each(getattr(self, key), self.radius)


@dataclass(frozen=True, kw_only=True)
class Planes(Layers):
    """Layers of one rectangular module across an axis, as in a telescope."""

    position: Lengths  # mm along the axis, one layer each
    width: Lengths  # mm along u
    length: Lengths  # mm along v
    axis: str = "z"  # x, y or z
    tilt: float = 0.0  # mrad by which modules are turned about v

    def __post_init__(self) -> None:
        self.check_sensors()
        _require_rising("position", self.position, least=-MAX_LENGTH)
        for key in ("width", "length"):
            _require_one_each(key, getattr(self, key), "position", self.position)
            _require_lengths(key, getattr(self, key))
        require(self.axis in AXES, "axis", self.axis, "x, y or z")
        require(abs(self.tilt) <= MAX_TILT, "tilt", self.tilt, f"at most {MAX_TILT:g} mrad")
        self.check_sizes(self.width, self.length)


@dataclass(frozen=True)
class Passive:
    """A cylinder of material without modules, such as a beam pipe or a support tube."""

    radius: float  # mm
    half_length: float  # mm
    x0: float  # radiation lengths at right angles

    def __post_init__(self) -> None:
        _require_length("radius", self.radius)
        _require_length("half_length", self.half_length)
        require(0 <= self.x0 < 1, "x0", self.x0, "0 to below 1 radiation length")


def list_of(cls: type[T]) -> Callable[[object, str], tuple[T, ...]]:
    """How a list of entries of one settings class is parsed."""

    def parse_list(value: object, key: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise SettingsError(f"{key}: expected a list of entries, found {str(value)[:200]!r}")
        return tuple(parse(cls, entry, f"{key}[{number}]") for number, entry in enumerate(value))

    return parse_list


def _entries(cls: type) -> Any:
    """A field that is a list of `cls`, empty where it is missing."""
    return field(
        default=(),
        metadata={"parse": list_of(cls), "dump": lambda values: [to_dict(one) for one in values]},
    )


def _parse_field(value: object, key: str) -> MagneticField:
    if isinstance(value, bool) or not isinstance(value, str):
        raise SettingsError(f"{key}: {value!r} is not allowed, a name like constant:2 or none")
    return field_of(value)


@dataclass(frozen=True)
class Description:
    """A whole detector."""

    name: str  # one's own
    field: MagneticField = field(  # none, constant:TESLA, solenoid[:FACTOR] or a file
        metadata={"parse": _parse_field, "dump": lambda value: value.name}
    )
    description: str = ""  # one sentence
    space_points: bool = False  # hits of two-sided layers are crossings of strips, ghosts included
    cylinders: tuple[Cylinders, ...] = _entries(Cylinders)  # volumes of layers around the beam
    disks: tuple[Disks, ...] = _entries(Disks)  # volumes of layers across the beam
    planes: tuple[Planes, ...] = _entries(Planes)  # volumes of single modules across an axis
    passive: tuple[Passive, ...] = _entries(Passive)  # cylinders of material without modules

    def __post_init__(self) -> None:
        require(bool(self.name.strip()), "name", repr(self.name), "a word at least")
        if not self.layers:
            raise SettingsError("cylinders, disks, planes: one of them is needed, with an entry")
        require(
            not self.space_points or any(entry.stereo for entry in self.layers.values()),
            "space_points",
            "true",
            "without a layer that has a second side at a stereo angle",
        )
        taken: dict[int, str] = {}
        for where, entry in self.layers.items():
            for key, volume in _volumes(entry).items():
                if volume in taken:
                    raise SettingsError(
                        f"{where}.{key}: volume {volume} is that of {taken[volume]} already: give "
                        "each entry a number of its own"
                    )
                taken[volume] = f"{where}.{key}"
        total = sum(map(number_of_modules, self.layers.values()))
        require(total <= MAX_MODULES, "modules", total, f"at most {MAX_MODULES} in a detector")

    @property
    def layers(self) -> Mapping[str, Layers]:
        """The entries by where they stand: "cylinders[0]"."""
        return {
            f"{key}[{number}]": entry
            for key in ("cylinders", "disks", "planes")
            for number, entry in enumerate(getattr(self, key))
        }


def number_of_modules(entry: Layers) -> int:
    """How many modules an entry stands for, both sides counted."""
    sides = 2 if entry.gap > 0 else 1
    if isinstance(entry, Cylinders):
        around = one_each(entry.phi_modules, entry.radius)
        along = one_each(entry.z_modules, entry.radius)
        return sides * sum(a * b for a, b in zip(around, along, strict=True))
    if isinstance(entry, Disks):
        rings = sum(one_each(entry.modules, entry.radius))
        return sides * rings * len(each(entry.z)) * (1 if entry.mirror is None else 2)
    assert isinstance(entry, Planes)
    return sides * len(each(entry.position))


def each(value: T | tuple[T, ...]) -> tuple[T, ...]:
    """A list as it is, a single value as a list of one."""
    return value if isinstance(value, tuple) else (value,)


def one_each(value: T | tuple[T, ...], of: Lengths) -> tuple[T, ...]:
    """As many values as `of` has: a single one stands for all."""
    values = each(value)
    return values * len(each(of)) if len(values) == 1 else values


def require(condition: bool, key: str, found: object, allowed: str) -> None:
    """Raise SettingsError where a value cannot be."""
    if not condition:
        raise SettingsError(f"{key}: {found} is not allowed, {allowed}")


def _volumes(entry: Layers) -> dict[str, int]:
    mirror = entry.mirror if isinstance(entry, Disks) else None
    return {"volume": entry.volume} | ({} if mirror is None else {"mirror": mirror})


def _require_length(key: str, value: float) -> None:
    require(0 < value <= MAX_LENGTH, key, value, "a length above 0 mm, at most 100 m")


def _require_lengths(key: str, values: Lengths) -> None:
    for value in each(values):
        _require_length(key, value)


def _require_counts(key: str, values: Counts) -> None:
    for value in each(values):
        require(1 <= value <= MAX_MODULES, key, value, f"1 to {MAX_MODULES} modules")


def _require_rising(key: str, values: Lengths, least: float = 0.0) -> None:
    places = each(values)
    require(len(places) > 0, key, "an empty list", "a length in mm, or a list of them")
    for low, high in zip(chain((least,), places), places, strict=False):
        allowed = f"lengths above {low:g} mm, each larger than the one before, at most 100 m"
        require(low < high <= MAX_LENGTH and math.isfinite(high), key, high, allowed)


def _require_one_each(key: str, values: object, per: str, of: Lengths) -> None:
    n = len(each(values))
    allowed = f"one for all or one for each of the {len(each(of))} of {per}"
    require(n in (1, len(each(of))), key, f"a list of {n}", allowed)


def _require_overlap(overlap: float, length: Lengths) -> None:
    shortest = min(each(length))
    allowed = f"less than half of a module's {shortest:g} mm, and a gap of no more than that"
    require(-shortest < overlap < shortest / 2, "overlap", overlap, allowed)
