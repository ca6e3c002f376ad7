"""What a stage took: its own time, its own peak of memory."""

import mmap
import sys
import time

import pytest

from hitgraph.benchmark.clock import StageClock, as_lists, resident

SIZE = 64 << 20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux")


def use_memory() -> None:
    """Touch 64 MB and give them back to the system."""
    with mmap.mmap(-1, SIZE) as block:
        for start in range(0, SIZE, 4096):
            block[start] = 1


def test_waiting_takes_wall_time_and_hardly_any_cpu_time() -> None:
    clock = StageClock()
    with clock("wait"):
        time.sleep(0.2)
    assert clock.readings["wait"].wall >= 0.2
    assert clock.readings["wait"].cpu < 0.15


def test_work_takes_cpu_time() -> None:
    clock = StageClock()
    with clock("work"):
        start = time.process_time()
        while time.process_time() < start + 0.1:
            pass
    assert clock.readings["work"].cpu >= 0.1


@LINUX
def test_memory_counts_for_the_stage_that_used_it_and_those_around_it() -> None:
    clock = StageClock()
    with clock("all"):
        with clock("before"):
            pass
        with clock("heavy"):
            use_memory()
        with clock("after"):
            pass
    peaks = {name: reading.peak or 0 for name, reading in clock.readings.items()}
    assert peaks["heavy"] >= peaks["before"] + 0.9 * SIZE
    assert peaks["after"] <= peaks["heavy"] - 0.9 * SIZE
    assert peaks["all"] >= peaks["heavy"]


@LINUX
def test_a_peak_before_an_inner_stage_counts_for_the_outer_one_only() -> None:
    clock = StageClock()
    with clock("outer"):
        use_memory()
        with clock("inner"):
            pass
    outer, inner = clock.readings["outer"].peak, clock.readings["inner"].peak
    assert outer is not None
    assert inner is not None
    assert outer >= inner + 0.9 * SIZE


@LINUX
def test_resident_memory_is_that_of_a_python_process() -> None:
    assert 5e6 < (resident() or 0) < 1e11


def test_readings_as_columns() -> None:
    clock = StageClock()
    with clock("a"):
        pass
    columns = as_lists([clock.readings["a"], clock.readings["a"]])
    assert set(columns) == {"wall", "cpu", "peak", "gpu_peak"}
    assert all(len(column) == 2 for column in columns.values())
    assert columns["gpu_peak"] == [None, None]
