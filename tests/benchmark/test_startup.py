"""What a process pays before its first event: no torch where none is needed, no second compile."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.trained import write_store

from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.pipeline import Pipeline

MODULES = """
import sys
from hitgraph.cli import main
assert main(sys.argv[1:]) == 0
loaded = {name.partition(".")[0] for name in sys.modules}
assert "torch" not in loaded and "lightning" not in loaded, sorted(loaded)
"""

COMPILED = """
import sys
import hitgraph
from hitgraph.benchmark.startup import compiled_kernels
pipeline = hitgraph.Pipeline.load(sys.argv[1])
pipeline.run(hitgraph.read_event(sys.argv[2]))
assert compiled_kernels() == 0, compiled_kernels()
"""


def run_python(code: str, *words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_spec("acts") is None, reason="pyacts is not installed")
def test_simulating_imports_no_torch(tmp_path: Path) -> None:
    run_python(MODULES, "simulate", tmp_path, "--events", 1, "--particle-gun", 2, "--quiet")


@pytest.mark.skipif(find_spec("mplhep") is None, reason="mplhep is not installed")
def test_a_report_imports_no_torch(tiny_event: Event, tmp_path: Path) -> None:
    import numpy as np

    from hitgraph.event.trackml import write_submission

    store = write_store(tmp_path / "store", [tiny_event])
    tracks = tmp_path / "tracks" / f"{tiny_event.name}-tracks.csv"
    write_submission(tracks, tiny_event.name, tiny_event.hits.hit_id, np.ones(tiny_event.n_hits))
    out = tmp_path / "report.html"
    run_python(MODULES, "report", tracks.parent, "--truth", store, "--out", out, "--quiet")
    assert out.is_file()


def test_a_second_process_compiles_nothing(tiny_store: Path, tiny_pipeline: Path) -> None:
    event = tiny_store / "event000001000"
    Pipeline.load(tiny_pipeline).run(read_event(event))  # fills the cache if it is not filled yet
    run_python(COMPILED, tiny_pipeline, event)
