"""The first run of a new installation: kernels are compiled before any clock runs."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.trained import tiny_recipe, untrained, write_store

from hitgraph.cli.first_run import compile_kernels
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline

FEW_KERNELS: dict[str, Any] = {
    "filter": None,
    "gnn": {
        "use": "network",
        "network": {"use": "gcn", "hidden": 4, "steps": 1},
        "edge_inputs": ["curvature"],
    },
    "tracks": {"use": "components"},
}
RUN = """
import sys
from hitgraph.cli import main
from hitgraph.kernels.jit import compile_time
with compile_time() as seconds:
    status = main(sys.argv[1:])
print(len(seconds), "compiled")
sys.exit(status)
"""
KERNELS = """
import gc, sys
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from hitgraph.cli import main
from hitgraph.cli.first_run import compile_kernels
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline

def kernels():
    every = (one for one in gc.get_objects() if issubclass(type(one), Dispatcher))
    return {(one.py_func, signature) for one in every for signature in one.signatures}

compile_kernels(Pipeline.load(sys.argv[3]), list_events([Path(sys.argv[1])]), quiet=True)
there = kernels()
assert there
assert main(["reconstruct", *sys.argv[1:]]) == 0
assert kernels() == there, kernels() - there
"""


def run_python(code: str, *words: object, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_slice_of_an_event_needs_all_kernels_that_events_need(
    tiny_pipeline: Path, tiny_store: Path, tmp_path: Path
) -> None:
    """So none is left to be compiled in the time of a stage."""
    run_python(KERNELS, tiny_store, "--pipeline", tiny_pipeline, "--out", tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_the_domain_is_looked_at_where_a_run_does(
    tiny_pipeline: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    pipeline, seen = Pipeline.load(tiny_pipeline), []
    monkeypatch.setattr("hitgraph.domain.observe", lambda *given: seen.append(given))
    taught = pipeline if known else replace(pipeline, domain=None)
    compile_kernels(taught, list_events([tiny_store]), quiet=True)
    assert len(seen) == known


def test_with_a_new_cache_it_is_said_once_that_kernels_are_compiled(
    tiny_event: Event, tmp_path: Path
) -> None:
    """No stage's time has any of it, and the next process finds them all."""
    store, pipeline = write_store(tmp_path / "store", [tiny_event]), tmp_path / "pipeline"
    untrained(tiny_recipe(**FEW_KERNELS), tiny_event).save(pipeline)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    for out, said in (("new", 1), ("again", 0)):
        words = ("reconstruct", store, "--pipeline", pipeline, "--out", tmp_path / out)
        text = run_python(RUN, *words, **cache)
        assert text.count("compiling kernels, once on a machine") == said
        assert ("0 compiled" in text.splitlines()) == (not said)
        assert "In these times are" not in text
