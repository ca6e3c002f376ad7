"""How many CPU cores this process may use, as the system, the user or the batch system says."""

import os

OPENMP, SLURM = "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"

# What libraries read when they are imported, and what suits us.
OURS = {
    # OpenMP's threads else turn in a loop behind each operation of torch, on the cores that the
    # threads of our kernels want: with two of them an event took 1.25 times as long.
    "OMP_WAIT_POLICY": "passive",
}


def available_cores() -> int:
    """Cores that the system lets this process run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def usual_threads() -> int:
    """Threads where none are asked for: OMP_NUM_THREADS, else the cores of the Slurm task, else
    all cores; no more than there are."""
    return min(_number(OPENMP) or _number(SLURM) or available_cores(), available_cores())


def usual_workers() -> int:
    """Processes with one thread each where none are asked for: the cores of the Slurm task, else
    all; no more than there are."""
    return min(_number(SLURM) or available_cores(), available_cores())


def advise_libraries() -> None:
    """Set the variables of OURS where the user has not, before numpy and torch are imported."""
    for name, value in OURS.items():
        os.environ.setdefault(name, value)


def _number(variable: str) -> int | None:
    """What an environment variable says (of '4,2', one a level, the first); None without."""
    text = os.environ.get(variable, "").partition(",")[0].strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None
