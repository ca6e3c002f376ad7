"""The fuzzer: a short run finds nothing, and it notices what it is there to notice."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event.event import Event

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FUZZ), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_damaged_inputs_are_refused_or_read_as_they_were() -> None:
    done = run("--tries", "440", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "440 tries, 0 failed (seed 7)" in done.stdout
    for kind in ("parquet", "zip", "tar.gz", "csv", "acts", "detectors.csv", "dataset.json"):
        assert f" {kind} refused" in done.stdout


def test_a_worker_that_dies_or_hangs_costs_one_try(tmp_path: Path) -> None:
    text = FUZZ.read_text()
    at = "            signal.alarm(args.seconds)\n"
    assert text.count(at) == 1
    broken = at + (
        "            if number == 2:\n                os.abort()\n"
        "            if number == 4:\n                signal.pause()\n"
    )
    path = tmp_path / "fuzz.py"
    path.write_text(text.replace(at, broken))
    command = [sys.executable, str(path), "--tries", "6", "--seconds", "5", "--kinds", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FAILED try 2 (csv): crash: status -6" in done.stdout
    assert "FAILED try 4 (csv): hang" in done.stdout
    assert "6 tries, 2 failed" in done.stdout


def test_what_comes_out_of_a_try(fuzz: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def outcome(error: BaseException) -> str:
        def fails(*_: object) -> str:
            raise error

        result: str = fuzz.one_try(fuzz.Kind({}, fails), tmp_path, rng)
        return result

    assert outcome(InputError("file: row 3")) == "refused"
    with pytest.raises(fuzz.Failure, match=r"traceback: IndexError: list .*test_fuzz\.py:\d+"):
        outcome(IndexError("list index out of range"))
    with pytest.raises(fuzz.Failure, match="message: has 3000 characters"):
        outcome(InputError("x" * 3000))


def test_changes_and_broken_promises_are_seen(fuzz: ModuleType, tiny_event: Event) -> None:
    fuzz.require_same(tiny_event, tiny_event)
    fuzz.require_promises(tiny_event)
    hits, truth, cells = tiny_event.hits, tiny_event.truth, tiny_event.cells
    assert truth is not None
    assert cells is not None
    moved = dataclasses.replace(hits, x=np.where(hits.hit_id == 3, 0, hits.x))
    with pytest.raises(fuzz.Failure, match=r"silent: hits\.x changed"):
        fuzz.require_same(dataclasses.replace(tiny_event, hits=moved), tiny_event)
    with pytest.raises(fuzz.Failure, match="silent: table truth is gone"):
        fuzz.require_same(dataclasses.replace(tiny_event, truth=None), tiny_event)
    for change, message in (
        ({"hits": dataclasses.replace(hits, hit_id=hits.hit_id[::-1])}, "not unique and rising"),
        ({"hits": dataclasses.replace(hits, x=hits.x + np.nan)}, "x is out of its range"),
        ({"cells": dataclasses.replace(cells, hit_id=cells.hit_id + 99)}, "a cell of no hit"),
        ({"truth": dataclasses.replace(truth, hit_id=hits.hit_id + 1)}, "not that of the hits"),
        ({"truth": dataclasses.replace(truth, particle_id=hits.hit_id)}, "an unknown particle"),
    ):
        with pytest.raises(fuzz.Failure, match=f"guarantee: .*{message}"):
            fuzz.require_promises(dataclasses.replace(tiny_event, **change))
