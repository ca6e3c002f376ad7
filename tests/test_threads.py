"""How many threads the numeric libraries use."""

import platform
import resource
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_freed_memory_is_kept() -> None:
    for _ in range(2):
        keep_freed_memory()
    block = torch.ones(25 << 20)  # 100 MiB
    held = resident_megabytes()
    assert float(block[-1]) == 1
    del block
    assert resident_megabytes() > held - 10


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
