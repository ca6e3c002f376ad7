"""Steps count no references: they hold on to nothing that they are given, and make no arrays."""

import sys

import numpy as np
import pytest
from numba.core.errors import NumbaError

from hitgraph.kernels.jit import step


@step
def add(total, parts):  # type: ignore[no-untyped-def]
    one, other = parts
    total[0] += one[0] + other[0]


@step
def new(n):  # type: ignore[no-untyped-def]
    return np.empty(n)


def test_arrays_are_let_go() -> None:
    total, one, other = (np.ones(3, np.float32) for _ in range(3))
    add(total, (one, other))
    before = [sys.getrefcount(array) for array in (total, one, other)]
    for _ in range(100):
        add(total, (one, other))
    assert [sys.getrefcount(array) for array in (total, one, other)] == before
    assert total[0] == 1 + 101 * 2


def test_a_step_that_makes_an_array_does_not_compile() -> None:
    with pytest.raises(NumbaError, match="returning of array passed into the function"):
        new(3)
