"""Wall time, CPU time and peak memory of the stages of one event."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from hitgraph.observe import Observer

if TYPE_CHECKING:
    import torch

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"  # see proc(5), clear_refs
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_NOW = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(frozen=True)
class Reading:
    """What a stage took."""

    wall: float  # s
    cpu: float  # s, of all threads of the process
    peak: int | None  # bytes, most resident memory of the process meanwhile; None: unknown
    gpu_peak: int | None  # bytes, most GPU memory in tensors meanwhile; None on a CPU


def as_lists(readings: Sequence[Reading]) -> dict[str, list[Any]]:
    """The readings of one stage as columns, for a JSON file."""
    return {field.name: [getattr(one, field.name) for one in readings] for field in fields(Reading)}


class StageClock(Observer):
    """Used as `with clock("name"):`, also one inside another; `readings` holds what was taken.

    As an observer of a pipeline it takes readings of each stage.

    The memory is the kernel's own peak of the process, reset before each stage, so that nothing
    between two samples is missed. It includes what was there before: libraries, tables, weights.
    """

    def __init__(self, device: "torch.device | None" = None) -> None:
        self.device = device if device is not None and device.type == "cuda" else None
        self.readings: dict[str, Reading] = {}
        self._open: list[tuple[int | None, int | None]] = []  # peaks so far of the stages around

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._synchronise()
        self._fold()
        self._reset()
        self._open.append((None, None))
        start, start_cpu = perf_counter(), process_time()
        yield
        self._synchronise()
        wall, cpu = perf_counter() - start, process_time() - start_cpu
        self._fold()
        self.readings[name] = Reading(wall, cpu, *self._open.pop())

    def around(self, name: str) -> AbstractContextManager[None]:
        return self(name)

    def _fold(self) -> None:
        """Let every open stage know the peak since the last reset."""
        now = (_host_peak(), self._gpu_peak())
        self._open = [(_larger(a, now[0]), _larger(b, now[1])) for a, b in self._open]

    def _reset(self) -> None:
        try:
            _CLEAR.write_text(_RESET_PEAK)
        except OSError:
            return  # no Linux, or not allowed: the peaks are those since the process began
        if self.device is not None:
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)

    def _synchronise(self) -> None:
        if self.device is not None:
            import torch

            torch.cuda.synchronize(self.device)

    def _gpu_peak(self) -> int | None:
        if self.device is None:
            return None
        import torch

        return torch.cuda.max_memory_allocated(self.device)


def resident() -> int | None:
    """Bytes of memory that this process has now; None where the system does not tell."""
    return _status(_NOW)


def _host_peak() -> int | None:
    return _status(_PEAK)


def _status(line: re.Pattern[str]) -> int | None:
    try:
        found = line.search(_STATUS.read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _larger(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
