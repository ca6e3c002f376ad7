"""Geometric digitisation: the straight path through a module's sensor, cut up by its channels.

The path crosses the sensor of an effective thickness; each channel collects the length of path
inside it. Pixels report that length in mm as their value, strips report 1. The
measured position is the value-weighted mean of the channel centres, in the module's mid plane.
This is what ACTS's geometric digitisation does, without its detour through CSV files.

A `Response` adds what a TrackML event shows besides (docs/simulation.md): the charge fluctuates,
each pixel's by itself, and in the barrels it drifts sideways in the magnetic field on its way to
the read-out face; the measured position is then moved back by twice the mean drift.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.field import MagneticField
from hitgraph.simulate.settings import Effects

# Tangent of the drift angle in 2 T along z, and the face (sign of local w) that reads the charge.
DRIFT = {8: (0.1207, -1), 13: (0.1200, 1), 17: (0.0803, 1)}
DRIFT_FIELD = 2.0  # Tesla
MIN_CHARGE = 0.05  # of the mean; a fluctuation never leaves less


@dataclass(frozen=True, eq=False)
class Clusters:
    """Cells of all hits, and the position measured from them."""

    position: NDArray[np.float64]  # (n_hits, 3) mm, global
    hit: NDArray[np.int64]  # (n_cells,) row of the hit; cells are sorted by hit, ch0, ch1
    ch0: NDArray[np.int32]  # (n_cells,)
    ch1: NDArray[np.int32]  # (n_cells,)
    value: NDArray[np.float32]  # (n_cells,)


@dataclass(frozen=True)
class Response:
    """How the sensors differ from plain geometry."""

    drift_field: MagneticField | None = None  # that makes charge drift
    charge_spread: float = 0.0  # relative standard deviation of each pixel's charge


PLAIN = Response()


def response_of(effects: Effects, field: MagneticField) -> Response:
    """The sensors of a simulation with these effects in a field."""
    return Response(
        drift_field=field if effects.lorentz_drift else None,
        charge_spread=effects.charge_spread,
    )


def digitise(
    detector: Detector,
    module: NDArray[np.int64],
    position: NDArray[np.float64],
    direction: NDArray[np.float64],
    response: Response = PLAIN,
    rng: np.random.Generator | None = None,
) -> Clusters:
    """Cells and measured positions of (n_hits,) crossings of the modules `module`.

    `position` and `direction` are (n_hits, 3), global; the direction needs no normalisation.
    `rng` is needed where the charge fluctuates.
    """
    rotation = detector.rotation[module]
    local = np.einsum("nji,nj->ni", rotation, position - detector.centre[module])
    slope = np.einsum("nji,nj->ni", rotation, direction)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    analogue = detector.is_pixel[module]
    tangent, shift = _drift(detector, module, response)
    # A charge at w is displaced by tangent x its distance from the read-out face.
    drifted = slope - tangent[:, None] * slope[:, 2:3] * (1.0, 0.0, 0.0)
    drifted /= np.linalg.norm(drifted, axis=1, keepdims=True)
    hit, ch0, ch1, value, uv = _cells(
        local[:, :2] + shift[:, None] * (1.0, 0.0),
        drifted if response.drift_field is not None else slope,
        detector.sensitive_thickness[module],
        _half_sizes(detector, module),
        _pitches(detector, module),
        analogue,
    )
    if response.charge_spread > 0:
        assert rng is not None
        factor = rng.normal(1.0, response.charge_spread, len(value))
        factor = np.where(analogue[hit], np.maximum(factor, MIN_CHARGE), 1.0)
        value = (value * factor).astype(np.float32)
        measured = measured_positions(detector, module, hit, ch0, ch1, value, response)
    else:
        measured = _global(detector, module, uv, response)
    order = np.lexsort((ch1, ch0, hit))
    return Clusters(
        position=measured, hit=hit[order], ch0=ch0[order], ch1=ch1[order], value=value[order]
    )


def measured_positions(
    detector: Detector,
    module: NDArray[np.int64],
    hit: NDArray[np.int64],
    ch0: NDArray[np.int32],
    ch1: NDArray[np.int32],
    value: NDArray[np.float32],
    response: Response,
) -> NDArray[np.float64]:
    """(n_hits, 3) global positions in mm, from cells of the hits on `module` (n_hits,)."""
    n_hits = len(module)
    total = np.bincount(hit, value, n_hits)
    channel_u = np.bincount(hit, value * (ch0 + 0.5), n_hits) / total
    channel_v = np.bincount(hit, value * (ch1 + 0.5), n_hits) / total
    uv = np.stack([channel_u, channel_v], axis=1) * _pitches(detector, module)
    return _global(detector, module, uv - _half_sizes(detector, module)[:, 1:], response)


def _global(
    detector: Detector, module: NDArray[np.int64], uv: NDArray[np.float64], response: Response
) -> NDArray[np.float64]:
    """Global positions of centroids `uv`, moved back by twice the mean drift."""
    measured = np.concatenate([uv, np.zeros((len(uv), 1))], axis=1)
    measured[:, 0] -= 2.0 * _drift(detector, module, response)[1]
    turned = np.einsum("nij,nj->ni", detector.rotation[module], measured)
    position: NDArray[np.float64] = detector.centre[module] + turned
    return position


def _pitches(detector: Detector, module: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack([detector.pitch_u, detector.pitch_v], axis=1)[module]


def _half_sizes(detector: Detector, module: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack([detector.min_half_u, detector.max_half_u, detector.half_v], axis=1)[module]


def _drift(
    detector: Detector, module: NDArray[np.int64], response: Response
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n_hits,) tangent of the drift angle, and mean displacement of the charge along u in mm."""
    tangents, faces = np.zeros(detector.n_modules), np.zeros(detector.n_modules)
    if response.drift_field is None:
        return tangents[module], faces[module]
    centre = detector.centre
    along_z = response.drift_field.at(np.hypot(centre[:, 0], centre[:, 1]), centre[:, 2])[1]
    for volume, (tangent, face) in DRIFT.items():
        here = detector.volume_id == volume
        tangents[here] = tangent * along_z[here] / DRIFT_FIELD
        faces[here] = face
    shifts = 0.5 * faces * tangents * detector.sensitive_thickness
    return tangents[module], shifts[module]


@numba.njit(cache=True)
def _cells(local, slope, thickness, half, pitch, analogue):  # type: ignore[no-untyped-def]
    """Walk every path through its channel grid (Amanatides and Woo's traversal)."""
    n_hits = len(local)
    room = 4 * n_hits + 64
    hit = np.empty(room, np.int64)
    ch0 = np.empty(room, np.int32)
    ch1 = np.empty(room, np.int32)
    value = np.empty(room, np.float32)
    uv = np.empty((n_hits, 2), np.float64)
    n_cells = 0
    for i in range(n_hits):
        pitch_u, pitch_v = pitch[i, 0], pitch[i, 1]
        low_half, high_half, half_v = half[i, 0], half[i, 1], half[i, 2]
        last_u = round(2 * high_half / pitch_u) - 1
        last_v = round(2 * half_v / pitch_v) - 1
        path = thickness[i] / max(abs(slope[i, 2]), 1e-6)
        step_u, step_v = path * slope[i, 0], path * slope[i, 1]
        start_u, start_v = local[i, 0] - 0.5 * step_u, local[i, 1] - 0.5 * step_v
        enter, leave = _clip(start_u, start_v, step_u, step_v, low_half, high_half, half_v)
        # In units of channels from the corner (-high_half, -half_v).
        u, du = (start_u + high_half) / pitch_u, step_u / pitch_u
        v, dv = (start_v + half_v) / pitch_v, step_v / pitch_v
        bound = n_cells + int(abs(du * (leave - enter)) + abs(dv * (leave - enter))) + 4
        if bound > room:
            room = 2 * bound
            hit, ch0 = _grown(hit, room), _grown(ch0, room)
            ch1, value = _grown(ch1, room), _grown(value, room)
        cell_u = min(max(int(np.floor(u + du * enter)), 0), last_u)
        cell_v = min(max(int(np.floor(v + dv * enter)), 0), last_v)
        total = sum_u = sum_v = 0.0
        now = enter
        while True:
            next_u = ((cell_u + (1 if du > 0 else 0)) - u) / du if abs(du) > 1e-12 else np.inf
            next_v = ((cell_v + (1 if dv > 0 else 0)) - v) / dv if abs(dv) > 1e-12 else np.inf
            then = min(next_u, next_v, leave)
            length = (then - now) * path
            if length > 1e-6 or (then >= leave and total == 0.0):  # at least one cell a hit
                charge = length if analogue[i] else 1.0
                charge = max(charge, 1e-6)
                hit[n_cells], ch0[n_cells], ch1[n_cells] = i, cell_u, cell_v
                value[n_cells] = charge
                n_cells += 1
                total += charge
                sum_u += charge * (cell_u + 0.5)
                sum_v += charge * (cell_v + 0.5)
            if then >= leave:
                break
            now = max(then, now)
            if next_u <= next_v:
                cell_u += 1 if du > 0 else -1
            else:
                cell_v += 1 if dv > 0 else -1
            if cell_u < 0 or cell_u > last_u or cell_v < 0 or cell_v > last_v:
                if total > 0.0:
                    break
                # Rounding at the rim of the grid, or a path beside it: its nearest channel.
                cell_u, cell_v = min(max(cell_u, 0), last_u), min(max(cell_v, 0), last_v)
                now = leave
                du = dv = 0.0
        uv[i, 0] = sum_u / total * pitch_u - high_half
        uv[i, 1] = sum_v / total * pitch_v - half_v
    return (
        hit[:n_cells].copy(),
        ch0[:n_cells].copy(),
        ch1[:n_cells].copy(),
        value[:n_cells].copy(),
        uv,
    )


@numba.njit(cache=True)
def _clip(u, v, du, dv, low_half, high_half, half_v):  # type: ignore[no-untyped-def]
    """The part (enter, leave) of [0, 1] in which (u, v) + t (du, dv) is on the sensor.

    The sensor is |v| <= half_v, |u| <= half width, which goes linearly from low_half at -half_v
    to high_half at +half_v. A path that misses it is given its middle only.
    """
    widen = (high_half - low_half) / (2 * half_v)
    middle = 0.5 * (low_half + high_half)
    enter, leave = 0.0, 1.0
    for side in range(4):
        if side == 0:  # distance >= 0 is inside; it changes linearly along the path
            distance, change = half_v - v, -dv
        elif side == 1:
            distance, change = half_v + v, dv
        elif side == 2:
            distance, change = middle + widen * v - u, widen * dv - du
        else:
            distance, change = middle + widen * v + u, widen * dv + du
        if change > 0:
            enter = max(enter, -distance / change)
        elif change < 0:
            leave = min(leave, -distance / change)
        elif distance < 0:
            leave = -1.0
    if leave < enter:
        return 0.5, 0.5
    return enter, leave


@numba.njit(cache=True)
def _grown(old, room):  # type: ignore[no-untyped-def]
    new = np.empty(room, old.dtype)
    new[: len(old)] = old
    return new
