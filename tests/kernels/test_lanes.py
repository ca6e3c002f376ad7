"""Vector steps: what numpy gives, and what lies behind the end of a list stays out of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from hitgraph.kernels.lanes import (
    ENTRIES,
    LANES,
    add_entries,
    list_bits,
    take_above,
    take_rows_4,
    take_rows_8,
    take_rows_16,
)


@njit
def take(out, out_row, table, rows, rows_at, n):  # type: ignore[no-untyped-def]
    if table.shape[1] == 4:
        take_rows_4(out, 0, out_row, table, rows, rows_at, n)
    elif table.shape[1] == 8:
        take_rows_8(out, 0, out_row, table, rows, rows_at, n)
    else:
        take_rows_16(out, 0, out_row, table, rows, rows_at, n)


@njit
def add(total, value, low, scale, table, table_at, n):  # type: ignore[no-untyped-def]
    add_entries(total, 0, value, 0, low, scale, table, table_at, n)


@njit
def keep(values, scores, cut, n):  # type: ignore[no-untyped-def]
    return take_above(values, 0, values, 0, scores, 0, cut, n)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_rows_of_a_table_come_out_by_column(width: int) -> None:
    random = np.random.default_rng(width)
    table = random.normal(size=(50, width)).astype(np.float32)
    rows = random.integers(50, size=4 * LANES).astype(np.uint32)
    n, stride = 2 * LANES, 3 * LANES
    out = np.full((width, stride), np.nan, np.float32)
    take(out, stride, table, rows, LANES, n)
    np.testing.assert_array_equal(out[:, :n], table[rows[LANES : LANES + n]].T)
    assert np.isnan(out[:, n:]).all()


def test_a_value_picks_the_entry_of_its_bin_and_the_ends_take_the_rest() -> None:
    table = np.random.default_rng(0).normal(size=ENTRIES + 5).astype(np.float32)
    value = np.linspace(-3.0, 8.0, 4 * LANES).astype(np.float32)
    value[:3] = -np.inf, np.inf, np.nan
    total = np.ones(len(value), np.float32)
    add(total, value, np.float32(-1.0), np.float32(4.0), table, 5, len(value))
    place = np.nan_to_num((value + np.float32(1.0)) * np.float32(4.0), nan=0.0)
    chosen = table[5 + np.clip(place, 0, ENTRIES - 1).astype(int)]
    np.testing.assert_array_equal(total, np.float32(1.0) + chosen)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 5 * LANES), share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_what_is_above_the_cut_moves_to_the_front_in_order(n: int, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    whole = -(-n // LANES) * LANES
    scores = random.random(whole).astype(np.float32)
    values: NDArray[np.uint32] = random.integers(1000, size=whole).astype(np.uint32)
    cut = np.float32(share)
    wanted = scores[:n] >= cut
    expected = values[:n][wanted], scores[:n][wanted]
    assert keep(values, scores, cut, n) == wanted.sum()
    assert keep(scores, scores, cut, n) == wanted.sum()
    np.testing.assert_array_equal(values[: wanted.sum()], expected[0])
    np.testing.assert_array_equal(scores[: wanted.sum()], expected[1])


@njit
def append(out, out_at, values, scores, cut, n):  # type: ignore[no-untyped-def]
    return take_above(out, out_at, values, 0, scores, 0, cut, n)


def test_what_is_above_the_cut_is_appended_to_another_list() -> None:
    values = np.arange(100, 100 + 2 * LANES, dtype=np.uint32)
    scores = np.tile(np.float32([1, 0, 1, 0]), LANES // 2)
    out = np.zeros(3 * LANES, np.uint32)
    assert append(out, 3, values, scores, np.float32(0.5), LANES + 3) == LANES // 2 + 2
    kept = values[: LANES + 3][scores[: LANES + 3] > 0]
    np.testing.assert_array_equal(out[3 : 3 + len(kept)], kept)
    assert (out[:3] == 0).all()
    assert (values == np.arange(100, 100 + 2 * LANES)).all()


@njit
def list_numbers(out, out_at, first, bits):  # type: ignore[no-untyped-def]
    return list_bits(out, out_at, first, bits)


@given(bits=st.integers(0, 2**LANES - 1), first=st.integers(0, 2**31), at=st.integers(0, 5))
def test_numbers_of_the_bits_that_are_set_are_appended(bits: int, first: int, at: int) -> None:
    out = np.zeros(5 + LANES, np.uint32)
    expected = [first + k for k in range(LANES) if bits >> k & 1]
    assert list_numbers(out, at, first, np.uint32(bits)) == len(expected)
    assert list(out[at : at + len(expected)]) == expected
    assert not out[:at].any()
