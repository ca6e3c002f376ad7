"""Which machine it is, and whether it had time for us."""

import os
import platform
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WATCHED_SECONDS = 0.5
YARDSTICK_REPEATS = 9


def cores() -> list[int]:
    """Numbers of the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe() -> dict[str, Any]:
    """Processor, memory and versions, for the head of a table."""
    import numba
    import numpy as np

    return {
        "cpu": _cpu_name(),
        "cores": len(cores()),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*: (.+)", text)
    flags = re.search(r"flags\s*: (.+)", text)
    wide = [flag for flag in ("amx_tile", "avx512f", "avx2") if flags and flag in flags[1].split()]
    return f"{name[1] if name else platform.machine()}{f' ({wide[0]})' if wide else ''}"


@dataclass(frozen=True)
class Load:
    """What the machine was doing while this program slept."""

    average: float  # processes that ran or wanted to, over the last minute; ours are among them
    busy: float  # cores that others kept busy just now

    def crowded(self, threads: int) -> bool:
        """Whether `threads` of ours would have to share their cores."""
        return self.busy + threads > (os.cpu_count() or 1) + 0.25


def load() -> Load:
    """Look at the machine for half a second."""
    average = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    before = _busy_seconds()
    time.sleep(WATCHED_SECONDS)
    return Load(average, max(0.0, (_busy_seconds() - before) / WATCHED_SECONDS))


def _busy_seconds() -> float:
    """CPU seconds that all processes took since the start; 0 where the system does not tell."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def yardstick() -> float:
    """CPU seconds of a fixed piece of work on one thread: sines, and passes over 16 MB of memory.

    Taken before and after every measurement: where it changed, the machine did.
    """
    import numpy as np

    short = np.linspace(0, 1, 1 << 18, dtype=np.float64)
    long = np.zeros(1 << 22, np.float32)
    times = []
    for _ in range(YARDSTICK_REPEATS):
        start = time.process_time()
        for _ in range(4):
            np.sin(short)
            np.add(long, 1.0, out=long)
        times.append(time.process_time() - start)
    return statistics.median(times)
