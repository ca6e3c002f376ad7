"""The helix fit on a CPU, one track after the other. Kernels; plain.py says what they do."""

from math import cos, hypot, log, sin, sqrt

import numpy as np

from hitgraph.event.field import CURVATURE
from hitgraph.kernels.jit import kernel, step
from hitgraph.tracks.parameters.measured import (
    LOSS,
    PION,
    RADIATION_LENGTH,
    SCATTERING,
    STEEPEST,
)

# Of a flight: place 0 to 2, direction 3 to 5, and
QOP, ARC, TURN, SHIFT_X, SHIFT_Y, N_FLIGHT = 6, 7, 8, 9, 10, 11
STRAIGHT = 1e-4  # rad, below which a turn is expanded


@kernel
def refine(  # type: ignore[no-untyped-def]
    begin, position, axes, normal, silicon, grid, first, size, start_errors, settings, found
):
    """Improve the parameters `found` (n_tracks, 5) in place; hits of track k are the rows from
    begin[k] to begin[k + 1], from the innermost. Returns the covariance (n_tracks, 5, 5), chi2
    (n_tracks,) and pulls (n_hits, 2)."""
    iterations, steps, pipe, pipe_radius = settings
    n = len(found)
    most = 1
    for track in range(n):
        most = max(most, begin[track + 1] - begin[track])
    covariance, chi2 = np.zeros((n, 5, 5)), np.zeros(n)
    pull = np.zeros((len(position), 2))
    flight, field, change = np.empty(N_FLIGHT), np.empty(3), np.empty(5)
    across, towards = np.empty((2, 3)), np.empty((5, 2))
    miss, variance = np.empty((most, 2)), np.empty((most, 3))
    slope, kick = np.empty((most, 2, 5)), np.empty((most, 5, 2))
    pipe_kick = np.empty((5, 2))
    for track in range(n):
        rows = slice(begin[track], begin[track + 1])
        for _ in range(iterations):
            _start(found[track], flight)
            _field_at(flight[0], flight[1], flight[2], grid, first, size, field)
            bend = CURVATURE * field[2] * found[track, 4]
            sine = hypot(flight[3], flight[4])
            _step(flight, pipe_radius / sine, grid, first, size, field)
            _kick(flight, found[track], bend, pipe / sine, pipe_kick)
            for hit in range(begin[track], begin[track + 1]):
                k = hit - begin[track]
                for left in range(steps, -1, -1):
                    length = 0.0
                    for axis in range(3):
                        length += (position[hit, axis] - flight[axis]) * flight[3 + axis]
                    _step(flight, length / max(left, 1), grid, first, size, field)
                incidence = 0.0
                for axis in range(3):
                    incidence += flight[3 + axis] * normal[hit, axis]
                crossed = silicon[hit] / max(abs(incidence), STEEPEST)
                _see(flight, position[hit], axes[hit], across, miss[k], variance[k])
                _lean(flight, found[track], across, slope[k])
                _kick(flight, found[track], bend, crossed / RADIATION_LENGTH, kick[k])
                _lose_energy(flight, crossed)
            chi2[track] = _filter(
                miss, variance, slope, kick, start_errors, covariance[track], change, towards,
                pull[rows],
            )  # fmt: skip
            finite = True
            for i in range(5):
                finite = finite and np.isfinite(change[i])
                for j in range(5):
                    for direction in range(2):
                        covariance[track, i, j] += pipe_kick[i, direction] * pipe_kick[j, direction]
            if finite:
                for i in range(5):
                    found[track, i] += change[i]
    return covariance, chi2, pull


@step
def _start(parameters, flight):  # type: ignore[no-untyped-def]
    d0, z0, phi, cot, k = parameters
    size = sqrt(1 + cot * cot)
    flight[0], flight[1], flight[2] = -d0 * sin(phi), d0 * cos(phi), z0
    flight[3], flight[4], flight[5] = cos(phi) / size, sin(phi) / size, cot / size
    flight[QOP] = k / size
    flight[ARC:] = 0


@step
def _field_at(x, y, z, grid, first, size, field):  # type: ignore[no-untyped-def]
    n_z, n_r, _ = grid.shape
    r = hypot(x, y)
    across = min(r / size[1], n_r - 1.0)
    along = min(max((z - first) / size[0], 0.0), n_z - 1.0)
    column, row = min(int(across), n_r - 2), min(int(along), n_z - 2)
    across, along = across - column, along - row
    for axis in range(2):
        below = grid[row, column, axis] * (1 - across) + grid[row, column + 1, axis] * across
        row_above = row + 1
        above = (
            grid[row_above, column, axis] * (1 - across)
            + grid[row_above, column + 1, axis] * across
        )
        field[1 + axis] = below * (1 - along) + above * along
    radial = field[1] / max(r, 1e-9)
    field[0], field[1] = radial * x, radial * y


@step
def _step(flight, length, grid, first, size, field):  # type: ignore[no-untyped-def]
    half = length / 2
    tx, ty, tz = flight[3], flight[4], flight[5]
    _field_at(
        flight[0] + half * tx,
        flight[1] + half * ty,
        flight[2] + half * tz,
        grid,
        first,
        size,
        field,
    )
    bx, by, bz = field
    strength = max(sqrt(bx * bx + by * by + bz * bz), 1e-12)
    ax, ay, az = bx / strength, by / strength, bz / strength
    angle = CURVATURE * flight[QOP] * strength * length
    sine, cosine = sin(angle), cos(angle)
    mean_sine, mean_cosine = angle / 2, 1 - angle * angle / 6
    if abs(angle) >= STRAIGHT:
        mean_sine, mean_cosine = (1 - cosine) / angle, sine / angle
    dot = tx * ax + ty * ay + tz * az
    aside = (ty * az - tz * ay, tz * ax - tx * az, tx * ay - ty * ax)
    before, axis_of = (tx, ty, tz), (ax, ay, az)
    for axis in range(3):
        along = dot * axis_of[axis]
        across = before[axis] - along
        flight[axis] += length * (along + across * mean_cosine + aside[axis] * mean_sine)
        flight[3 + axis] = along + across * cosine + aside[axis] * sine
    mx, my, mz = tx + flight[3], ty + flight[4], tz + flight[5]
    part = max(hypot(mx, my), 1e-12)
    ox, oy = mx / part, my / part
    way = half * part
    gain = -CURVATURE * way * (bz - mz / part * (bx * ox + by * oy))
    lever = (flight[TURN] + gain / 2) * way
    flight[ARC] += way
    flight[TURN] += gain
    flight[SHIFT_X] -= lever * oy
    flight[SHIFT_Y] += lever * ox


@step
def _see(flight, position, axes, across, miss, variance):  # type: ignore[no-untyped-def]
    sine = max(hypot(flight[3], flight[4]), 1e-9)
    cx, cy, cosine = flight[3] / sine, flight[4] / sine, flight[5]
    across[0, 0], across[0, 1], across[0, 2] = -cy, cx, 0.0
    across[1, 0], across[1, 1], across[1, 2] = -cosine * cx, -cosine * cy, sine
    variance[:] = 0.0
    miss[:] = 0.0
    for direction in range(2):
        for axis in range(3):
            miss[direction] += across[direction, axis] * (position[axis] - flight[axis])
    for along in range(2):
        one = other = 0.0
        for axis in range(3):
            one += across[0, axis] * axes[along, axis]
            other += across[1, axis] * axes[along, axis]
        variance[0] += one * one
        variance[1] += one * other
        variance[2] += other * other


@step
def _lean(flight, parameters, across, slope):  # type: ignore[no-untyped-def]
    px, py = cos(parameters[2]), sin(parameters[2])
    for direction in range(2):
        ax, ay, az = across[direction]
        slope[direction, 0] = ay * px - ax * py
        slope[direction, 1] = az
        slope[direction, 2] = ay * flight[0] - ax * flight[1]
        slope[direction, 3] = az * flight[ARC]
        slope[direction, 4] = ax * flight[SHIFT_X] + ay * flight[SHIFT_Y]


@step
def _kick(flight, parameters, bend, lengths, kick):  # type: ignore[no-untyped-def]
    theta0 = _scattering(flight[QOP], lengths)
    sine = max(hypot(flight[3], flight[4]), 1e-9)
    px, py = cos(parameters[2]), sin(parameters[2])
    ahead, left = flight[0] * px + flight[1] * py, flight[1] * px - flight[0] * py
    shift_ahead = flight[SHIFT_X] * px + flight[SHIFT_Y] * py
    shift_left = flight[SHIFT_Y] * px - flight[SHIFT_X] * py
    for direction in range(2):
        d_cot = 0.0 if direction == 0 else 1 / (sine * sine)
        d_k = 0.0 if direction == 0 else parameters[4] * flight[5] / sine
        turn = (1 / sine if direction == 0 else 0.0) - flight[TURN] * d_k
        back = shift_ahead * d_k - left * turn
        kick[0, direction] = theta0 * (-ahead * turn - shift_left * d_k)
        kick[1, direction] = theta0 * (parameters[3] * back - flight[ARC] * d_cot)
        kick[2, direction] = theta0 * (turn - bend * back)
        kick[3, direction] = theta0 * d_cot
        kick[4, direction] = theta0 * d_k


@step
def _scattering(qop, lengths):  # type: ignore[no-untyped-def]
    inverse = abs(qop)
    over_beta = sqrt(1 + (PION * inverse) ** 2)
    thick = max(lengths, 1e-6)
    return SCATTERING * inverse * over_beta * sqrt(thick) * max(1 + 0.038 * log(thick), 0.1)


@step
def _lose_energy(flight, silicon):  # type: ignore[no-untyped-def]
    inverse = abs(flight[QOP])
    over_beta = sqrt(1 + (PION * inverse) ** 2)
    lost = LOSS * silicon * over_beta ** (8 / 3) * inverse
    flight[QOP] /= 1 - min(lost, 0.5)


@step
def _filter(  # type: ignore[no-untyped-def]
    miss, variance, slope, kick, start_errors, p, change, towards, pull
):
    p[:] = 0.0
    change[:] = 0.0
    for i in range(5):
        p[i, i] = start_errors[i] ** 2
    chi2 = 0.0
    for k in range(len(pull) - 1, -1, -1):
        towards[:] = 0.0
        a, b, d = variance[k]
        left, up = miss[k]
        for i in range(5):
            left -= slope[k, 0, i] * change[i]
            up -= slope[k, 1, i] * change[i]
            for j in range(5):
                towards[i, 0] += p[i, j] * slope[k, 0, j]
                towards[i, 1] += p[i, j] * slope[k, 1, j]
        for i in range(5):
            a += slope[k, 0, i] * towards[i, 0]
            b += slope[k, 0, i] * towards[i, 1]
            d += slope[k, 1, i] * towards[i, 1]
        determinant = a * d - b * b
        pull[k, 0], pull[k, 1] = left / sqrt(a), up / sqrt(d)
        chi2 += (d * left * left - 2 * b * left * up + a * up * up) / determinant
        for i in range(5):
            gain_left = (d * towards[i, 0] - b * towards[i, 1]) / determinant
            gain_up = (a * towards[i, 1] - b * towards[i, 0]) / determinant
            change[i] += gain_left * left + gain_up * up
            for j in range(5):
                p[i, j] += (
                    kick[k, i, 0] * kick[k, j, 0]
                    + kick[k, i, 1] * kick[k, j, 1]
                    - gain_left * towards[j, 0]
                    - gain_up * towards[j, 1]
                )
    return chi2
