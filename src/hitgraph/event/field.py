"""The magnetic field of a detector: a table over r and z, whatever it was made from.

`solenoid` is that of the TrackML events, a thin solenoid of finite length
(event.known_detectors). The field of a thin solenoid is exact (N. Derby and S. Olbert,
arXiv 0909.3880, equations 4 to 6, in the complete elliptic integrals of R. Bulirsch); with the
duplication theorem of B. C. Carlson these are R_F and R_J.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.known_detectors import CENTRE, HALF_LENGTH, RADIUS, REACH_R, REACH_Z

Float64 = NDArray[np.float64]

CURVATURE = 0.299792458e-3  # GeV / (Tesla mm): pT = CURVATURE x charge x field x radius
MAX_TESLA = 10.0
_AXIS = 1.0  # mm, from where on a direction z / r is taken
STEP = 20.0  # mm, between the points of a table made here
SOLENOID, CONSTANT, TABLE, NONE = "solenoid", "constant", "table", "none"
WAYS = (
    "solenoid, solenoid:FACTOR, constant:TESLA, none, or a file of lines `r z Br Bz` in mm and "
    "Tesla"
)


class Reach(NamedTuple):
    """How far something reaches, in mm."""

    r: float
    low: float  # along z
    high: float

    def __str__(self) -> str:
        return f"r = {self.r:g} and from z = {self.low:g} to {self.high:g} mm"


@dataclass(frozen=True)
class MagneticField:
    """Bz and Br on a grid; equal where the names are."""

    name: str  # "solenoid", "solenoid:-1", "constant:2", "table:" and a digest
    r: Float64 = field(compare=False, repr=False)  # (n_r,) mm, rising from 0
    z: Float64 = field(compare=False, repr=False)  # (n_z,) mm, rising
    br: Float64 = field(compare=False, repr=False)  # (n_z, n_r) Tesla
    bz: Float64 = field(compare=False, repr=False)  # (n_z, n_r) Tesla

    @property
    def is_constant(self) -> bool:
        return self.name.startswith(CONSTANT)

    @property
    def centre(self) -> float:
        """Bz in Tesla at the origin."""
        return float(self.at(0.0, 0.0)[1])

    def require_covers(self, modules: Reach, where: object) -> None:
        """Raise InputError, beginning with `where`, if modules lie outside of the table.

        A constant field has no end.
        """
        known = Reach(float(self.r[-1]), float(self.z[0]), float(self.z[-1]))
        inside = modules.r <= known.r and known.low <= modules.low and modules.high <= known.high
        if not self.is_constant and not inside:
            raise InputError(
                f"{where}: the field {self.name} is known to {known}, the modules of the detector "
                f"reach to {modules}: give a field that covers them (lengths in mm, not cm or m?)"
            )

    def at(self, r: ArrayLike, z: ArrayLike) -> tuple[Float64, Float64]:
        """Br and Bz in Tesla at r and z in mm, linear between the points of the table.

        Outside the table the nearest place in it counts.
        """
        first, second = self._between((self.br, self.bz), r, z)
        return first, second

    def straightening(self, r: ArrayLike, z: ArrayLike) -> Float64:
        """By what a hit at r and z in mm is scaled, so that its track is as in a constant field.

        A particle from the origin flies along (r', z') = u (r, z), where B(u) = Bz - Br z / r bends
        it (the part of the field across its plane): at r it lies k r^2 F / 2 off its first
        direction, with k its curvature in the field of the centre and

            F = 2 / B_centre x integral of (1 - u) B(u) du, u from 0 to 1.

        In a constant field F is 1. The azimuth changes by k r F / 2, as at the radius r F in the
        field of the centre. Scaled by F, hits keep azimuth and pseudorapidity, and tracks from the
        origin are helices again; of others so to first order of what lies between.
        """
        (factor,) = self._between((self._straightening,), r, z)
        return factor

    @cached_property
    def _straightening(self) -> Float64:
        """(n_z, n_r) F of `straightening`; 1 where there is no field at the centre."""
        if self.is_constant or self.centre == 0:
            return np.ones((len(self.z), len(self.r)))
        r, z = np.maximum(self.r, _AXIS)[None, :], self.z[:, None]
        points, weights = np.polynomial.legendre.leggauss(16)
        total = np.zeros((len(self.z), len(self.r)))
        for u, weight in zip((1 + points) / 2, weights, strict=True):
            br, bz = self.at(u * r, u * z)
            total += weight * (1 - u) * (bz - br * z / r)
        return total / self.centre

    def _between(self, tables: Sequence[Float64], r: ArrayLike, z: ArrayLike) -> list[Float64]:
        column, right = _place(self.r, np.asarray(r, np.float64))
        row, above = _place(self.z, np.asarray(z, np.float64))
        return [
            (1 - above) * ((1 - right) * table[row, column] + right * table[row, column + 1])
            + above * ((1 - right) * table[row + 1, column] + right * table[row + 1, column + 1])
            for table in tables
        ]


def solenoid(factor: float = 1.0) -> MagneticField:
    """The field of the TrackML events, everywhere multiplied by `factor`."""
    name = SOLENOID if factor == 1 else f"{SOLENOID}:{factor:.15g}"
    _check_strength(factor * CENTRE, name)
    r, z, br, bz = _unit_solenoid()
    return MagneticField(name, r, z, factor * CENTRE * br, factor * CENTRE * bz)


def constant(tesla: float) -> MagneticField:
    """`tesla` along z everywhere."""
    name = f"{CONSTANT}:{tesla:.15g}"
    _check_strength(tesla, name)
    corner = np.zeros((2, 2))
    return MagneticField(name, np.array([0.0, 1.0]), np.array([-1.0, 1.0]), corner, corner + tesla)


def scaled(one: MagneticField, factor: float) -> MagneticField:
    """The same field, everywhere multiplied by `factor`."""
    kind, _, value = one.name.partition(":")
    if kind == SOLENOID:
        return solenoid(factor * float(value or 1))
    if kind == CONSTANT:
        return constant(factor * float(value))
    return _table(one.r, one.z, factor * one.br, factor * one.bz)


def to_json(one: MagneticField) -> dict[str, Any]:
    """What the file of a detector keeps: the name, and of a table its numbers."""
    if not one.name.startswith(TABLE):
        return {"name": one.name}
    return {"name": one.name} | {key: getattr(one, key).tolist() for key in ("r", "z", "br", "bz")}


def from_json(content: Any, where: object) -> MagneticField:
    """What `to_json` gave. Raises InputError naming `where` for anything else."""
    try:
        found = _of_name(content["name"])
        if found is not None:
            return found
        values = [np.array(content[key], np.float64) for key in ("r", "z", "br", "bz")]
        r, z, br, bz = values
        whole = br.shape == bz.shape == (len(z), len(r)) and min(len(r), len(z)) >= 2
        if not whole or not all(np.isfinite(one).all() for one in values):
            raise ValueError("its numbers are no grid")
        _require_equal_steps(r, z, where)
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise InputError(
            f"{where}: what it says about the magnetic field cannot be read ({error}): write the "
            "file again with this version"
        ) from error
    return _table(r, z, br, bz)


def named(name: object, known: MagneticField | None, where: object) -> MagneticField | None:
    """The field that an event's settings name; `known` is that of its detector.

    `known` where the settings are silent, None where they name a table which is not at hand.
    Raises InputError naming `where` for a name that no field has.
    """
    if name is None or (known is not None and name == known.name):
        return known
    if isinstance(name, str) and name.startswith(TABLE):
        return None
    try:
        found = _of_name(name)
    except SettingsError as error:
        raise InputError(f"{where}: {error}") from error
    if found is None:
        raise InputError(
            f"{where}: says that its magnetic field is {name!r}: expected is a name like "
            f"{SOLENOID}, {SOLENOID}:0.9 or {CONSTANT}:2, or a number of Tesla"
        )
    return found


def field_of(text: str) -> MagneticField:
    """The field that a text names (see WAYS).

    Raises SettingsError where the text is none of them, InputError where a file is no good.
    """
    found = _of_name(text)
    if found is not None:
        return found
    if not Path(text).is_file():
        number_like = text.replace(".", "", 1).lstrip("+-").isdigit()
        hint = (
            f"write constant:{text}" if number_like else f"there is no such file; allowed: {WAYS}"
        )
        raise SettingsError(f"field {text}: {hint}")
    return read_field(Path(text))


def _of_name(name: object) -> MagneticField | None:
    """The field of that name but a table's; a number, as older samples have it, is Tesla.

    None for anything else. Raises SettingsError for a number that no field has.
    """
    if isinstance(name, int | float) and not isinstance(name, bool):
        return constant(float(name))
    if not isinstance(name, str):
        return None
    kind, colon, value = name.partition(":")
    if name == SOLENOID:
        return solenoid()
    if name == NONE:
        return constant(0.0)
    if kind not in (SOLENOID, CONSTANT) or not colon:
        return None
    try:
        number = float(value)
    except ValueError:
        raise SettingsError(f"field {name}: {value!r} is no number; allowed: {WAYS}") from None
    return solenoid(number) if kind == SOLENOID else constant(number)


def read_field(path: Path) -> MagneticField:
    """A field from a text file: lines `r z Br Bz` in mm and Tesla, # begins a comment.

    The points are a regular grid from r = 0 with r running fastest, then z; both signs of z. Raises
    InputError naming the line where the grid has a hole or another order, a value is no number or
    beyond 10 T. Whether the grid covers a detector, `MagneticField.require_covers` tells.
    """
    lines, rows = _numbers(path)
    r, z = np.unique(rows[:, 0]), np.unique(rows[:, 1])
    if r[0] != 0 or len(r) < 2 or len(z) < 2:
        raise InputError(
            f"{path}: its grid has {len(r)} radii from {r[0]:g} mm and {len(z)} places along z: "
            "at least two of each are expected, radii from 0"
        )
    wanted = np.stack([np.tile(r, len(z)), np.repeat(z, len(r))], axis=1)
    n = min(len(wanted), len(rows))
    wrong = np.flatnonzero((rows[:n, :2] != wanted[:n]).any(axis=1))
    if len(wrong) or len(rows) != len(wanted):
        k = int(wrong[0]) if len(wrong) else n
        line = lines[k] if k < len(lines) else lines[-1] + 1
        found = f"has r, z = {rows[k, 0]:g}, {rows[k, 1]:g}" if k < len(rows) else "is missing"
        expected = f"{wanted[k, 0]:g}, {wanted[k, 1]:g}" if k < len(wanted) else "the end"
        raise InputError(
            f"{path}: line {line} {found} where {expected} is expected: one line for every point "
            "of the grid, r runs fastest, then z"
        )
    _require_equal_steps(r, z, path)
    shape = (len(z), len(r))
    return _table(r, z, rows[:, 2].reshape(shape), rows[:, 3].reshape(shape))


def _require_equal_steps(r: Float64, z: Float64, where: object) -> None:
    for name, places in (("r", r), ("z", z)):
        steps = np.diff(places)
        usual = float(np.median(steps))
        k = int(np.argmax(np.abs(steps - usual)))
        if usual <= 0 or abs(steps[k] - usual) > 1e-3 * usual:
            raise InputError(
                f"{where}: from {name} = {places[k]:g} to {places[k + 1]:g} mm the grid steps by "
                f"{steps[k]:g} mm, elsewhere by {usual:g}: equal steps are expected"
            )


def write_field(one: MagneticField, path: Path) -> None:
    """The table as text, as `read_field` and ACTS read it."""
    rows = np.stack(
        [
            np.tile(one.r, len(one.z)),
            np.repeat(one.z, len(one.r)),
            one.br.reshape(-1),
            one.bz.reshape(-1),
        ],
        axis=1,
    )
    path.write_text("".join(f"{r:.17g} {z:.17g} {br:.17g} {bz:.17g}\n" for r, z, br, bz in rows))


def thin_solenoid(
    r: ArrayLike, z: ArrayLike, radius: float, half_length: float
) -> tuple[Float64, Float64]:
    """Br and Bz of a thin solenoid with 1 at its centre; lengths in one unit, not on its winding.

    arXiv 0909.3880, equations 4 to 6.
    """
    rho, place = np.broadcast_arrays(np.asarray(r, np.float64), np.asarray(z, np.float64))
    gamma = (radius - rho) / (radius + rho)
    br, bz = np.zeros(rho.shape), np.zeros(rho.shape)
    for end, sign in ((place + half_length, 1.0), (place - half_length, -1.0)):
        far = np.sqrt(end**2 + (rho + radius) ** 2)
        kc = np.sqrt(end**2 + (rho - radius) ** 2) / far
        br += sign * radius / far * _cel(kc, np.ones_like(kc), -1.0)
        bz += sign * radius * end / ((radius + rho) * far) * _cel(kc, gamma**2, gamma)
    # Bulirsch's integrals leave a factor pi / (2 mu0 n I); on the axis the centre has this value.
    centre = math.pi * half_length / math.hypot(half_length, radius)
    return br / centre, bz / centre


def _cel(kc: Float64, p: Float64, s: Float64 | float) -> Float64:
    """Bulirsch's complete integral C(kc, p, 1, s), by Carlson's R_F and R_J."""
    from scipy.special import elliprf, elliprj  # slow to import, and seldom needed

    square = kc**2
    result: Float64 = elliprf(0, square, 1) + (s - p) / 3 * elliprj(0, square, 1, p)
    return result


@lru_cache(maxsize=1)
def _unit_solenoid() -> tuple[Float64, Float64, Float64, Float64]:
    r = np.arange(0, REACH_R + STEP / 2, STEP)
    z = np.arange(-REACH_Z, REACH_Z + STEP / 2, STEP)
    return (r, z, *thin_solenoid(r[None, :], z[:, None], RADIUS, HALF_LENGTH))


def _table(r: Float64, z: Float64, br: Float64, bz: Float64) -> MagneticField:
    digest = hashlib.sha256()
    for values in (r, z, br, bz):
        digest.update(np.ascontiguousarray(values, np.float32).tobytes())
    return MagneticField(f"{TABLE}:{digest.hexdigest()[:16]}", r, z, br, bz)


def _numbers(path: Path) -> tuple[list[int], Float64]:
    """Line numbers (n,) and the four numbers of each line (n, 4)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a table of a field ({error})") from error
    lines, rows = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 4 or not np.isfinite(row).all():
            raise InputError(
                f"{path}: line {number} is {line.strip()!r} where four numbers r z Br Bz (mm, "
                "Tesla) are expected"
            )
        if max(abs(row[2]), abs(row[3])) > MAX_TESLA:
            raise InputError(
                f"{path}: line {number} has a field of {max(row[2:], key=abs):g} T, at most "
                f"{MAX_TESLA:g} is expected: fields are in Tesla, not kilogauss"
            )
        lines.append(number)
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: holds no line r z Br Bz")
    return lines, np.array(rows)


def _place(points: Float64, values: Float64) -> tuple[NDArray[np.int64], Float64]:
    """Which interval of equally spaced points each value lies in, and how far (0 to 1)."""
    steps = (np.clip(values, points[0], points[-1]) - points[0]) / (points[1] - points[0])
    cell = np.minimum(steps.astype(np.int64), len(points) - 2)
    return cell, steps - cell


def _check_strength(tesla: float, name: str) -> None:
    if not abs(tesla) <= MAX_TESLA:
        raise SettingsError(f"field {name}: {tesla:g} T is not allowed, -10 to 10 T")
