"""Windows on hits side by side, against the formulas of one pair in float64."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from hitgraph.graph.windows.lanes import fitting
from hitgraph.kernels.vectors import LANES

_SURE = 1e-4  # relative; nearer to a bound, rounding may decide


@njit
def bits_of(columns, at, hit, limits):  # type: ignore[no-untyped-def]
    return fitting(columns, columns.shape[1], at, hit, limits)


def columns_of(positions: NDArray[np.float64]) -> NDArray[np.float32]:
    x, y, z = positions.T
    r = np.hypot(x, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        table = np.stack([x, y, z, r, np.arcsinh(z / np.maximum(r, 1e-3)), 1 / r])
    return np.ascontiguousarray(table, np.float32)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 3))
def test_a_bit_is_set_where_every_window_is_passed(seed: int, at: int) -> None:
    random = np.random.default_rng(seed)
    positions = random.normal(size=(LANES + 4, 3)) * (80, 80, 200)
    positions[-1] = positions[0]  # at the same place as the inner hit: in no window
    positions[-2] = 0, 0, 10  # on the beam line
    columns = columns_of(positions)
    inner = columns[:, 0].astype(np.float64)
    x, y, z, r, eta, _ = columns[:, at : at + LANES].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        sine = (inner[0] * (y - inner[1]) - inner[1] * (x - inner[0])) / (inner[3] * r)
        bend = sine / np.hypot(x - inner[0], y - inner[1])
        z0 = inner[2] - (z - inner[2]) * inner[3] / (r - inner[3])
    values = np.stack([sine, bend, z0, eta])
    bounds = np.sort(random.normal(size=(4, 2)) * [[1], [0.01], [200], [2]], axis=1)
    bounds = bounds.astype(np.float32)
    bits = bits_of(columns, at, tuple(columns[[0, 1, 2, 3, 5], 0]), tuple(bounds.ravel()))
    low, high = bounds.astype(np.float64).T[:, :, None]
    passes = ((values >= low) & (values <= high)).all(axis=0)
    margin = _SURE * (1 + np.abs(values))
    near = (np.abs(values - low) < margin) | (np.abs(values - high) < margin)
    for k in np.flatnonzero(~near.any(axis=0)):
        assert bool(bits >> k & 1) == passes[k], (k, values[:, k])
