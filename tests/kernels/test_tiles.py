"""Tiles of a matrix product: what numpy gives, for any strides and where nothing is summed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from hitgraph.kernels.tiles import COLUMNS, ROWS, pad, padded, relu_tile, sum_tile


@njit
def product(out, one, one_rows, other, other_rows, a, a_row, a_step, b, n, relu):  # type: ignore[no-untyped-def]
    width = out.shape[1]
    for r in range(0, out.shape[0], ROWS):
        for j in range(0, width, COLUMNS):
            at, a_at, rows = r * width + j, r * a_row, slice(r, r + ROWS)
            if relu:
                relu_tile(
                    out, at, width, one, one_rows[rows], other, other_rows[rows], j,
                    a, a_at, a_row, a_step, b, j, width, n,
                )  # fmt: skip
            else:
                sum_tile(
                    out, at, width, one, one_rows[rows], other, other_rows[rows], j,
                    a, a_at, a_row, a_step, b, j, width, n,
                )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 3).map(lambda n: n * ROWS),
    width=st.integers(1, 3).map(lambda n: n * COLUMNS),
    n=st.integers(0, 70),
    n_starts=st.integers(1, 9),
    turned=st.booleans(),
    relu=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_tile_is_the_product_plus_a_row_of_either_start(
    n_rows: int, width: int, n: int, n_starts: int, turned: bool, relu: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n_rows, n)), random.normal(size=(n, width))
    one, other = random.normal(size=(2, n_starts, width)).astype(np.float32)
    one_rows, other_rows = random.integers(n_starts, size=(2, n_rows))
    a, b = a.astype(np.float32), b.astype(np.float32)
    memory = np.ascontiguousarray(a.T) if turned else a
    strides = (1, n_rows) if turned else (n, 1)
    out = np.empty((n_rows, width), np.float32)
    product(out, one, one_rows * width, other, other_rows * width, memory, *strides, b, n, relu)
    expected = a.astype(np.float64) @ b.astype(np.float64) + one[one_rows] + other[other_rows]
    expected = np.maximum(expected, 0.0) if relu else expected
    np.testing.assert_allclose(out, expected, rtol=0.0, atol=1e-5 * (1 + n) ** 0.5)


@pytest.mark.parametrize("relu", [True, False])
def test_infinities_and_what_is_not_a_number_go_through(relu: bool) -> None:
    start = np.zeros((ROWS, COLUMNS), np.float32)
    start[0, :3] = np.nan, np.inf, -np.inf
    out = np.empty_like(start)
    nothing, rows = np.zeros((ROWS, 0), np.float32), np.arange(ROWS) * COLUMNS
    zeros = np.zeros_like(start)
    product(out, start, rows, zeros, rows, nothing, 0, 1, nothing, 0, relu)
    np.testing.assert_array_equal(out[0, :3], [np.nan, np.inf, 0.0 if relu else -np.inf])


def test_padding_adds_zeros_up_to_whole_tiles() -> None:
    assert padded(1) == padded(COLUMNS) == COLUMNS
    assert padded(COLUMNS + 1) == 2 * COLUMNS
    small = np.arange(6, dtype=np.float32).reshape(2, 3)
    larger = pad(small, 3, 5)
    np.testing.assert_array_equal(larger[:2, :3], small)
    assert larger.sum() == small.sum()
