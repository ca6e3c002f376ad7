"""The fuzzer: a short run finds nothing, and it notices what it is there to notice."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load, save

from fuzzing.checks import Failure, require_promises, require_same
from fuzzing.kind import Kind
from fuzzing.running import one_try
from fuzzing.structures import damaged_tensors, damaged_yaml
from hitgraph.errors import InputError
from hitgraph.event.event import Event

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FUZZ), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_damaged_inputs_are_refused_or_read_as_they_were() -> None:
    done = run("--tries", "440", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "440 tries, 0 failed (seed 7)" in done.stdout
    for kind in ("parquet", "zip", "tar.gz", "csv", "acts", "detectors.csv", "dataset.json"):
        assert f" {kind} refused" in done.stdout


@pytest.mark.slow
def test_damaged_recipes_and_pipelines_are_refused_or_run() -> None:
    done = run("--tries", "120", "--seed", "7", "--kinds", "recipe", "pipeline")
    assert done.returncode == 0, done.stdout + done.stderr
    # A recipe may be another good one; the numbers of a pipeline carry a check sum.
    for kind, end in (("recipe", "read"), ("pipeline", "same")):
        assert f" {kind} refused" in done.stdout
        assert f" {kind} {end}" in done.stdout


BROKEN = """
import os, signal, sys
sys.path.insert(0, {tools!r})
import fuzz
from fuzzing import running
from pathlib import Path

def one_try(*_):
    number = Path(sys.argv[sys.argv.index("--progress") + 1]).read_text()
    if number == "2":
        os.abort()
    if number == "4":
        signal.pause()
    return "same"

running.one_try = one_try
sys.exit(fuzz.main())
"""


def test_a_worker_that_dies_or_hangs_costs_one_try(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(BROKEN.format(tools=str(FUZZ.parent)))
    command = [sys.executable, str(path), "--tries", "6", "--seconds", "5", "--kinds", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FAILED try 2 (csv): crash: status -6" in done.stdout
    assert "FAILED try 4 (csv): hang" in done.stdout
    assert "4 csv same" in done.stdout
    assert "6 tries, 2 failed" in done.stdout


def test_what_comes_out_of_a_try(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def outcome(error: BaseException) -> str:
        def fails(*_: object) -> str:
            raise error

        return one_try(Kind({}, fails), tmp_path, rng)

    assert outcome(InputError("file: row 3")) == "refused"
    with pytest.raises(Failure, match=r"traceback: IndexError: list .*test_fuzz\.py:\d+"):
        outcome(IndexError("list index out of range"))
    with pytest.raises(Failure, match="message: has 3000 characters"):
        outcome(InputError("x" * 3000))


def test_changes_and_broken_promises_are_seen(tiny_event: Event) -> None:
    require_same(tiny_event, tiny_event)
    require_promises(tiny_event)
    hits, truth, cells = tiny_event.hits, tiny_event.truth, tiny_event.cells
    assert truth is not None
    assert cells is not None
    moved = dataclasses.replace(hits, x=np.where(hits.hit_id == 3, 0, hits.x))
    with pytest.raises(Failure, match=r"silent: hits\.x changed"):
        require_same(dataclasses.replace(tiny_event, hits=moved), tiny_event)
    with pytest.raises(Failure, match="silent: table truth is gone"):
        require_same(dataclasses.replace(tiny_event, truth=None), tiny_event)
    for change, message in (
        ({"hits": dataclasses.replace(hits, hit_id=hits.hit_id[::-1])}, "not unique and rising"),
        ({"hits": dataclasses.replace(hits, x=hits.x + np.nan)}, "x is out of its range"),
        ({"cells": dataclasses.replace(cells, hit_id=cells.hit_id + 99)}, "a cell of no hit"),
        ({"truth": dataclasses.replace(truth, hit_id=hits.hit_id + 1)}, "not that of the hits"),
        ({"truth": dataclasses.replace(truth, particle_id=hits.hit_id)}, "an unknown particle"),
    ):
        with pytest.raises(Failure, match=f"guarantee: .*{message}"):
            require_promises(dataclasses.replace(tiny_event, **change))


def test_damage_leaves_yaml_and_tensors_well_formed() -> None:
    """So that it is the values that are looked at, not the form."""
    document = yaml.safe_dump({"name": "a", "stages": [{"use": "x", "cut": 0.5}, {"use": "y"}]})
    tensors = {"cut": np.full((), 0.5), "weight": np.ones((3, 2), np.float32)}
    rng = np.random.default_rng(1)
    changed = 0
    for _ in range(200):
        assert isinstance(yaml.safe_load(damaged_yaml(document.encode(), rng)), dict)
        changed += described(damaged_tensors(save(tensors), rng)) != described(save(tensors))
    assert changed > 100


def described(data: bytes) -> dict[str, tuple[tuple[int, ...], str, bytes]]:
    return {name: (one.shape, one.dtype.str, one.tobytes()) for name, one in load(data).items()}
