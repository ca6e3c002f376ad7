"""Processes of a Slurm array that write into one folder, one of which is killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hitgraph.cli import OK
from hitgraph.event.event import Event
from hitgraph.event.store import write_event

PROCESSES, EVENTS_EACH, FIRST = 5, 3, 1000
KILLED = 2  # its number

# `hitgraph reconstruct` with a finder that knows the truth, needs no torch, and can be held up.
JOB = """
import sys, time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from hitgraph.cli.reconstruct import find_all
from hitgraph.event.source import list_events
from hitgraph.reconstruct import Signature

@dataclass
class Truth:
    labels: np.ndarray
    stages: tuple = ()
    n_tracks: int = 1

class Finder:
    def run(self, event):
        while hold.exists() and event.number == number:
            held.touch()
            time.sleep(0.01)
        return Truth(np.unique(event.truth.particle_id, return_inverse=True)[1] - 1)

events, out, first, end, resume, hold, number = sys.argv[1:]
hold, number, held = Path(hold), int(number), Path(hold + ".reached")
args = Namespace(out=Path(out), resume=bool(int(resume)), force=False, workers=None, dask=None,
                 quiet=True, json=None, format="csv")
sources = list_events([events], numbers=(int(first), int(end)))
sys.exit(find_all(Finder(), Signature("truth", "0123456789abcdef"), sources, args, cells=False))
"""


@pytest.fixture
def events(make_event: Callable[..., Event], tmp_path: Path) -> Path:
    for seed in range(PROCESSES * EVENTS_EACH):
        write_event(make_event(seed=seed), tmp_path / "events")
    return tmp_path / "events"


def start(events: Path, out: Path, part: int | None, resume: bool = False) -> subprocess.Popen[str]:
    """The process number `part`, or one that does all."""
    first = FIRST + EVENTS_EACH * (part or 0)
    end = first + EVENTS_EACH if part is not None else FIRST + EVENTS_EACH * PROCESSES
    slow = FIRST + EVENTS_EACH * KILLED + 1  # the event at which it is killed
    words = (events, out, first, end, int(resume), out.parent / "hold", slow)
    return subprocess.Popen(
        [sys.executable, "-c", JOB, *map(str, words)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


def tracks(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*-tracks.csv")}


def test_five_processes_into_one_folder_lose_nothing_though_one_is_killed(
    events: Path, tmp_path: Path
) -> None:
    alone, out, hold = tmp_path / "alone", tmp_path / "out", tmp_path / "hold"
    one = start(events, alone, None)
    assert (one.communicate(timeout=60)[1], one.returncode) == ("", OK)
    hold.touch()
    array = [start(events, out, part) for part in range(PROCESSES)]
    reached = tmp_path / "hold.reached"
    while not reached.exists():  # and the others write meanwhile
        assert array[KILLED].poll() is None
        time.sleep(0.01)
    array[KILLED].kill()
    ends = [(job.communicate(timeout=60)[1], job.returncode) for job in array]
    assert [status for k, (_, status) in enumerate(ends) if k != KILLED] == [OK] * 4, ends
    hold.unlink()

    names = [f"event{FIRST + k:09d}" for k in range(PROCESSES * EVENTS_EACH)]
    lost = names[EVENTS_EACH * KILLED + 1 : EVENTS_EACH * (KILLED + 1)]
    content = json.loads((out / "run.json").read_text())
    assert [entry["event"] for entry in content["events"]] == [n for n in names if n not in lost]

    again = start(events, out, KILLED, resume=True)
    assert again.communicate(timeout=60)[1] == ""
    assert again.returncode == OK
    content = json.loads((out / "run.json").read_text())
    assert [entry["event"] for entry in content["events"]] == names
    assert content["failed"] == {}
    assert tracks(out) == tracks(alone)
    assert len(tracks(out)) == len(names)
