"""An exported chain in the order in which the track finder of Athena calls it."""

import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.export.chains import chain, in_a_solenoid

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.export.athena import FLAGS, models
from hitgraph.export.onnx import ONNX
from hitgraph.export.run import export_pipeline
from hitgraph.export.space_points import outward

pytest.importorskip("onnxruntime", reason="the extra export is not installed")


@pytest.fixture(scope="module")
def event(make_event: Callable[..., Event]) -> Event:
    return in_a_solenoid(make_event(n_particles=25, n_noise=15, seed=5))


def flags_of(path: Path) -> types.SimpleNamespace:
    """What the lines set, as preExec runs them; another flag than Athena's is an error."""
    finder = dict.fromkeys(
        (
            *("inputMLModelDir", "embeddingDim", "rVal", "knnVal", "filterCut"),
            *("ccCut", "walkMin", "walkMax"),
            *(f"{stage}Feature{what}" for stage in STAGES for what in ("Names", "Scales")),
        )
    )
    found = types.SimpleNamespace(**finder)
    gnn = types.SimpleNamespace(TrackFinder=found)
    exec(
        path.read_text(), {"flags": types.SimpleNamespace(Tracking=types.SimpleNamespace(GNN=gnn))}
    )
    assert vars(found).keys() == finder.keys()
    assert None not in vars(found).values()
    return found


STAGES = ("Embedding", "Filter", "GNN")


def test_the_order_of_calls_gives_our_edges(event: Event, tmp_path: Path) -> None:
    """But for pairs of hits on one module, which Athena joins and hitgraph does not."""
    pipeline = chain(event, "radius")
    out = tmp_path / "out"
    export_pipeline(pipeline, "athena", out, [event])
    flags = flags_of(out / FLAGS)
    hits = event.hits
    x, y, z = (np.float64(one) for one in (hits.x, hits.y, hits.z))
    r = np.hypot(x, y)
    known = {"x": x, "y": y, "z": z, "r": r, "phi": np.arctan2(y, x), "eta": np.arcsinh(z / r)}

    def features(stage: str) -> torch.Tensor:
        names = getattr(flags, f"{stage}FeatureNames").split(",")
        scales = [float(one) for one in getattr(flags, f"{stage}FeatureScales").split(",")]
        columns = [
            np.float32(known[name]) / np.float32(scale)
            for name, scale in zip(names, scales, strict=True)
        ]
        return torch.from_numpy(np.stack(columns, axis=1))

    def run(file: str, **inputs: torch.Tensor) -> torch.Tensor:
        return ONNX.load(out / file)(inputs)

    places = run("embedding.onnx", x=features("Embedding")).double()
    edges = torch.triu(torch.cdist(places, places) <= flags.rVal, 1).nonzero().T
    module = pipeline.start(event).hits.module
    edges = edges[:, module[edges[0]] != module[edges[1]]]

    scores = torch.sigmoid(run("filtering.onnx", x=features("Filter"), edge_index=edges))
    edges = edges[:, scores >= flags.filterCut]
    given = torch.full((edges.shape[1], 6), 7.0)  # which the model leaves aside
    logits = run("gnn.onnx", x=features("GNN"), edge_index=edges, edge_attr=given)
    edges = edges[:, torch.sigmoid(logits) > flags.ccCut]

    expected = pipeline.run(event)
    position = torch.from_numpy(np.stack([x, y, z], axis=1)).float()
    found = {tuple(pair) for pair in outward(position, edges).T.tolist()}
    assert len(found) > 10
    assert found == {tuple(pair) for pair in expected.edges.T.tolist()}


def test_what_athena_cannot_run_is_refused(event: Event) -> None:
    with pytest.raises(SettingsError, match=r"Athena runs radius, .* a module map export to acts"):
        models(chain(event, "module_map"))
