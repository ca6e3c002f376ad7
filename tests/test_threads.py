"""How many threads the numeric libraries use."""

from collections.abc import Iterator

import numba
import pytest
import torch

from hitgraph.threads import keep_freed_memory, set_threads


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    before = torch.get_num_threads(), numba.get_num_threads()
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


@pytest.mark.parametrize("wanted", [1, 2, 10_000, None])
def test_torch_and_numba_use_as_many_as_asked_for_and_there_are(wanted: int | None) -> None:
    number = set_threads(wanted)
    assert 1 <= number <= numba.config.NUMBA_NUM_THREADS
    assert wanted is None or number <= wanted
    assert torch.get_num_threads() == numba.get_num_threads() == number


def test_keeping_memory_can_be_asked_for_again_and_again() -> None:
    keep_freed_memory()
    keep_freed_memory()
    assert float(torch.ones(10**7).sum()) == 10**7
