"""`hitgraph export P --to triton`: what a Triton server finds in its repository."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra export")

from hitgraph.cli import OK, main
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.pipeline import Pipeline


def test_the_repository_has_the_pipeline_and_its_networks(
    tiny_pipeline: Path, tiny_store: Path, tiny_event: Event, tmp_path: Path
) -> None:
    out = tmp_path / "models"
    words = ["export", str(tiny_pipeline), "--to", "triton", "--out", str(out), "--quiet"]
    assert main([*words, "--data", str(tiny_store)]) == OK
    models = {path.parent.name for path in out.glob("*/config.pbtxt")}
    assert models == {"hitgraph", "filter", "gnn"}
    for name in models:
        assert f'name: "{name}"' in (out / name / "config.pbtxt").read_text(encoding="utf-8")
        file = "model.py" if name == "hitgraph" else "model.onnx"
        assert (out / name / "1" / file).is_file()
    told = (out / "parity.txt").read_text(encoding="utf-8")
    assert "filter/1/model.onnx" in told
    assert "gnn/1/model.onnx" in told
    copied = Pipeline.load(out / "hitgraph" / "1" / "pipeline")
    event = read_event(tiny_store / tiny_event.name)
    labels = Pipeline.load(tiny_pipeline).run(event).labels
    np.testing.assert_array_equal(copied.run(event).labels, labels)
