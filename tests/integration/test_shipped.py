"""The shipped pipelines do on the bundled event what their metrics.json says."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.source import read_event
from hitgraph.pipeline import Pipeline, shipped_pipelines

ROOT = Path(str(files("hitgraph")))


@pytest.mark.parametrize("name", shipped_pipelines())
def test_the_recorded_performance_on_the_bundled_event_is_reproduced(name: str) -> None:
    recorded = json.loads((ROOT / "pretrained" / name / "metrics.json").read_text())[
        "bundled_event"
    ]
    event = read_event(ROOT / "demo_event")
    result = Pipeline.load(name).run(event)
    metrics = evaluate(event, result.labels)
    efficiency = metrics.matchings["double majority"].efficiency
    technical = {f"{one.min_pt:g}": one.technical.value for one in efficiency}
    # Sums in another order move a few edges across a cut: a few tracks of nine thousand.
    assert metrics.score == pytest.approx(recorded["trackml_score"], abs=0.003)
    for min_pt, value in recorded["technical_efficiency"].items():
        assert technical[min_pt] == pytest.approx(value, abs=0.003), min_pt
    purity = metrics.matchings["double majority"].purity.value
    assert purity == pytest.approx(recorded["purity"], abs=0.003)


@pytest.mark.parametrize("name", shipped_pipelines())
def test_no_track_has_two_hits_of_a_module(name: str) -> None:
    """What the module-exclusive merge and the joining promise, on a part of the bundled event."""
    event = read_event(ROOT / "demo_event")
    result = Pipeline.load(name).run(event)
    on = result.labels >= 0
    pairs = np.stack([result.labels[on], result.hits.module.numpy()[on]])
    assert np.unique(pairs, axis=1).shape[1] == pairs.shape[1]
    assert np.bincount(result.labels[on]).min() >= 3
