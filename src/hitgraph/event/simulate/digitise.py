"""Geometric digitisation: the straight path through a module's sensor, cut up by its channels.

The path crosses the sensor of an effective thickness; each channel collects the length of path
inside it. Pixels (volumes 7, 8, 9) report that length in mm as their value, strips report 1. The
measured position is the value-weighted mean of the channel centres, in the module's mid plane.
This is what ACTS's geometric digitisation does, without its detour through CSV files.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector

PIXEL_VOLUMES = (7, 8, 9)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Cells of all hits, and the position measured from them."""

    position: NDArray[np.float64]  # (n_hits, 3) mm, global
    hit: NDArray[np.int64]  # (n_cells,) row of the hit; cells are sorted by hit, ch0, ch1
    ch0: NDArray[np.int32]  # (n_cells,)
    ch1: NDArray[np.int32]  # (n_cells,)
    value: NDArray[np.float32]  # (n_cells,)


def digitise(
    detector: Detector,
    module: NDArray[np.int64],
    position: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> Clusters:
    """Cells and measured positions of (n_hits,) crossings of the modules `module`.

    `position` and `direction` are (n_hits, 3), global; the direction needs no normalisation.
    """
    rotation, centre = detector.rotation[module], detector.centre[module]
    local = np.einsum("nji,nj->ni", rotation, position - centre)
    slope = np.einsum("nji,nj->ni", rotation, direction)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    volume = detector.volume_id[module]
    pitch = np.stack([detector.pitch_u, detector.pitch_v], axis=1)[module]
    half = np.stack([detector.min_half_u, detector.max_half_u, detector.half_v], axis=1)[module]
    hit, ch0, ch1, value, uv = _cells(
        local[:, :2],
        slope,
        detector.sensitive_thickness[module],
        half,
        pitch,
        np.isin(volume, PIXEL_VOLUMES),
    )
    order = np.lexsort((ch1, ch0, hit))
    measured = np.concatenate([uv, np.zeros((len(uv), 1))], axis=1)
    return Clusters(
        position=centre + np.einsum("nij,nj->ni", rotation, measured),
        hit=hit[order],
        ch0=ch0[order],
        ch1=ch1[order],
        value=value[order],
    )


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
                leave = now  # rounding at the rim of the grid
                if total > 0.0:
                    break
                cell_u, cell_v = min(max(cell_u, 0), last_u), min(max(cell_v, 0), last_v)
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
