"""Logarithm and exponential: those of numpy in double precision, to what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from hitgraph.kernels.scalars import exp, log


@njit
def log_of(x):  # type: ignore[no-untyped-def]
    return log(x)


@njit
def exp_of(x):  # type: ignore[no-untyped-def]
    return exp(x)


@settings(deadline=None)  # the first call compiles
@given(x=st.floats(np.float32(1.2e-38), np.float32(3e38), width=32))
def test_logarithm(x: float) -> None:
    assert log_of(np.float32(x)) == pytest.approx(np.log(float(x)), rel=3e-7, abs=2e-7)


@settings(deadline=None)
@given(x=st.floats(-80, 80, width=32))
def test_exponential(x: float) -> None:
    assert exp_of(np.float32(x)) == pytest.approx(np.exp(float(x)), rel=1e-5)


@settings(deadline=None)
@given(x=st.floats(-8, 8, width=32))
def test_exponential_of_small_numbers(x: float) -> None:
    assert exp_of(np.float32(x)) == pytest.approx(np.exp(float(x)), rel=1e-6)


def test_powers_of_e_at_zero_and_one() -> None:
    assert exp_of(np.float32(0)) == 1
    assert log_of(np.float32(1)) == 0
    assert exp_of(np.float32(1)) == pytest.approx(np.e, rel=2e-7)
