"""Steps on rows of whole vectors: what numpy gives, and nothing beside the row is touched."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from hitgraph.kernels.rows import add_scaled, begin_row, dot, normalise_row
from hitgraph.kernels.tiles import LANES

widths = st.integers(1, 4).map(lambda n: n * LANES)
seeds = st.integers(0, 1000)


@njit
def add(out, out_at, factor, a, a_at, n):  # type: ignore[no-untyped-def]
    add_scaled(out, out_at, factor, a, a_at, n)


@njit
def begin(out, out_at, a, a_at, n):  # type: ignore[no-untyped-def]
    begin_row(out, out_at, a, a_at, n)


@njit
def normalise(row, at, n, n_real):  # type: ignore[no-untyped-def]
    normalise_row(row, at, n, n_real)


@njit
def product(a, a_at, b, b_at, n):  # type: ignore[no-untyped-def]
    return dot(a, a_at, b, b_at, n)


def numbers(n: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


@given(widths, seeds)
def test_a_row_is_added_with_a_factor(n: int, seed: int) -> None:
    out, a = numbers(n + 5, seed), numbers(n + 3, seed + 1)
    expected = out.copy()
    expected[3 : 3 + n] += np.float32(0.3) * a[2 : 2 + n]
    add(out, 3, np.float32(0.3), a, 2, n)
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)


@given(widths, seeds)
def test_a_row_begins_with_another_and_zeros(n: int, seed: int) -> None:
    out, a = numbers(3 * n + 5, seed), numbers(n + 3, seed + 1)
    expected = out.copy()
    expected[3 : 3 + 3 * n] = np.concatenate([a[2 : 2 + n], np.zeros(2 * n)])
    begin(out, 3, a, 2, n)
    np.testing.assert_array_equal(out, expected)


@given(widths, st.integers(0, LANES - 1), seeds)
def test_a_row_is_normalised_as_by_torch(n: int, padding: int, seed: int) -> None:
    row, n_real = numbers(n + 5, seed), n - padding
    row[3 + n_real : 3 + n] = 0.0
    before = row.copy()
    normalise(row, 3, n, n_real)
    expected = torch.layer_norm(torch.from_numpy(before[3 : 3 + n_real]), [n_real])
    np.testing.assert_allclose(row[3 : 3 + n_real], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(row[:3], before[:3])
    np.testing.assert_array_equal(row[3 + n :], before[3 + n :])


@given(widths, seeds)
def test_the_product_of_two_rows(n: int, seed: int) -> None:
    a, b = numbers(n + 3, seed), numbers(n + 2, seed + 1)
    expected = a[3:].astype(np.float64) @ b[2:].astype(np.float64)
    np.testing.assert_allclose(product(a, 3, b, 2, n), expected, atol=1e-5)
