"""Work dealt out to threads: every piece once, results in order, errors handed on."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.kernels.blocks import in_blocks, in_parallel


@given(n=st.integers(0, 500), least=st.integers(1, 60), threads=st.integers(1, 4))
def test_blocks_make_up_the_range_in_order(n: int, least: int, threads: int) -> None:
    blocks = in_blocks(lambda begin, end: (begin, end), n, least, threads)
    assert [k for begin, end in blocks for k in range(begin, end)] == list(range(n))
    assert all(begin % least == 0 for begin, _ in blocks)


def test_as_many_threads_as_asked_for_work_at_a_time() -> None:
    together = threading.Barrier(3, timeout=60)  # broken where fewer than three come
    names = in_parallel(
        lambda _: (together.wait(), threading.current_thread().name)[1], range(3), 3
    )
    assert len(set(names)) == 3
    assert threading.current_thread().name in names


@pytest.mark.parametrize("bad", range(8))
def test_an_error_of_any_task_is_raised(bad: int) -> None:
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda k: 1 // (k - bad), range(8), 2)
