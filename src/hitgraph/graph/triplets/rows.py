"""What the triplet filter reads of an edge by itself. Kernels.

Blocks of LANES edges: their hits' points (rows x, y, z, x^2 + y^2) are laid out by column first, so
that the formulas run in vector registers.
"""

import numpy as np

from hitgraph.kernels.jit import kernel, step
from hitgraph.kernels.lanes import take_rows_4, take_rows_8
from hitgraph.kernels.scalars import log
from hitgraph.pairs.geometry import circle_through, limited_z0, slope_of

LANES = 64  # edges or triplets worked on at a time
N_EDGE_INPUTS = 13

# Columns of an edge row of EDGE_WIDTH.
CURVATURE, SLOPE, Z0, LENGTH, SAME_LAYER, LOGIT = range(6)
EDGE_WIDTH = 8
_COLUMNS = SAME_LAYER  # those that are computed side by side

_SHORTEST = np.float32(1e-3)  # 100 mm
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_PER_METRE = np.float32(1e-3)


@kernel
def fill_edge_rows(lo, hi, source, target, points, layer, logit, rows):  # type: ignore[no-untyped-def]
    """The columns of an edge row, in the units of hitgraph.pairs; the length's logarithm."""
    ends, s = np.zeros(2 * LANES, np.uint32), np.empty(8 * LANES, np.float32)
    columns = np.empty(_COLUMNS * LANES, np.float32)
    _fill_edge_rows(lo, hi, source, target, points, layer, logit, rows, ends, s, columns)


@step
def _fill_edge_rows(  # type: ignore[no-untyped-def]
    lo, hi, source, target, points, layer, logit, rows, ends, s, columns
):
    for begin in range(lo, hi, LANES):
        n = min(LANES, hi - begin)
        for k in range(n):
            ends[k], ends[LANES + k] = source[begin + k], target[begin + k]
        take_rows_4(s, 0, LANES, points, ends, 0, LANES)
        take_rows_4(s, 4 * LANES, LANES, points, ends, LANES, LANES)
        for k in range(LANES):
            xi, yi, zi, ri = s[k], s[LANES + k], s[2 * LANES + k], np.sqrt(s[3 * LANES + k])
            xj, yj, zj = s[4 * LANES + k], s[5 * LANES + k], s[6 * LANES + k]
            rj = np.sqrt(s[7 * LANES + k])
            distance, _, curvature, arc, _, _, _, _ = circle_through(xi, yi, ri, xj, yj, rj)
            rise = zj - zi
            columns[Z0 * LANES + k] = limited_z0(zi, ri, zj, rj)
            columns[CURVATURE * LANES + k] = np.float32(1000.0) * curvature
            columns[SLOPE * LANES + k] = slope_of(rise / arc)
            length = np.float32(0.01) * np.sqrt(distance * distance + rise * rise)
            columns[LENGTH * LANES + k] = log(length if length > _SHORTEST else _SHORTEST)
        for k in range(n):
            e = begin + k
            for column in range(_COLUMNS):
                rows[e, column] = columns[column * LANES + k]
            rows[e, SAME_LAYER] = _ONE if layer[ends[k]] == layer[ends[LANES + k]] else _ZERO
            rows[e, LOGIT] = logit[e]


@step
def fill_edge_inputs(  # type: ignore[no-untyped-def]
    lo, hi, source, target, points, edge_rows, support, ends, s, out
):
    """What the edge network reads of at most LANES edges [lo, hi), out (13 LANES,) by column.

    The last edge fills the rest. ends (3 LANES,) uint32 and s (16 LANES,) are scratch.
    """
    for k in range(LANES):
        e = min(lo + k, hi - 1)
        ends[k], ends[LANES + k], ends[2 * LANES + k] = source[e], target[e], e
        for column in range(4):
            out[(column + 1) * LANES + k] = support[e, column]
    take_rows_4(s, 0, LANES, points, ends, 0, LANES)
    take_rows_4(s, 4 * LANES, LANES, points, ends, LANES, LANES)
    take_rows_8(s, 8 * LANES, LANES, edge_rows, ends, 2 * LANES, LANES)
    row = 8 * LANES
    for k in range(LANES):
        out[k] = s[row + LOGIT * LANES + k]
        out[5 * LANES + k] = abs(s[row + CURVATURE * LANES + k])
        out[6 * LANES + k] = abs(s[row + SLOPE * LANES + k])
        out[7 * LANES + k] = abs(s[row + LENGTH * LANES + k])
        out[8 * LANES + k] = s[row + SAME_LAYER * LANES + k]
        out[9 * LANES + k] = _PER_METRE * np.sqrt(s[3 * LANES + k])
        out[10 * LANES + k] = _PER_METRE * abs(s[2 * LANES + k])
        out[11 * LANES + k] = _PER_METRE * np.sqrt(s[7 * LANES + k])
        out[12 * LANES + k] = _PER_METRE * abs(s[6 * LANES + k])


@kernel
def list_edge_inputs(source, target, points, edge_rows, support):  # type: ignore[no-untyped-def]
    """(n_edges, 13) what `fill_edge_inputs` gives."""
    listed = np.empty((len(source), N_EDGE_INPUTS), np.float32)
    inputs = np.empty(N_EDGE_INPUTS * LANES, np.float32)
    ends, s = np.empty(3 * LANES, np.uint32), np.empty(16 * LANES, np.float32)
    for begin in range(0, len(source), LANES):
        end = min(begin + LANES, len(source))
        fill_edge_inputs(begin, end, source, target, points, edge_rows, support, ends, s, inputs)
        for e in range(begin, end):
            for column in range(N_EDGE_INPUTS):
                listed[e, column] = inputs[column * LANES + e - begin]
    return listed
