"""The shipped pipelines do on the bundled event what their metrics.json says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.event import Event
from hitgraph.event.regions import wedge
from hitgraph.event.source import read_event
from hitgraph.event.turned import turned_detector, turned_event
from hitgraph.pipeline import Pipeline, Result
from hitgraph.pipeline_files import shipped_pipelines
from hitgraph.threads import set_threads

ROOT = Path(str(files("hitgraph")))
FULL = [name for name in shipped_pipelines() if name != "quickstart"]  # it is for pile-up 20


@pytest.fixture(scope="module")
def bundled_event() -> Event:
    return read_event(ROOT / "demo_event")


@pytest.fixture(scope="module", params=shipped_pipelines())
def found(request: pytest.FixtureRequest, bundled_event: Event) -> tuple[str, Result]:
    """A pipeline, and what it finds in the bundled event with one thread."""
    with threads(1):
        return request.param, Pipeline.load(request.param).run(bundled_event)


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads(), numba.get_num_threads()
    set_threads(number)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


def test_the_recorded_performance_on_the_bundled_event_is_reproduced(
    found: tuple[str, Result], bundled_event: Event
) -> None:
    name, result = found
    content = json.loads((ROOT / "pretrained" / name / "metrics.json").read_text())
    recorded = content["bundled_event"]
    metrics = evaluate(bundled_event, result.labels)
    efficiency = metrics.matchings["double majority"].efficiency
    technical = {f"{one.min_pt:g}": one.technical.value for one in efficiency}
    # Sums in another order move a few edges across a cut: a few tracks of nine thousand.
    assert metrics.score == pytest.approx(recorded["trackml_score"], abs=0.003)
    for min_pt, value in recorded["technical_efficiency"].items():
        assert technical[min_pt] == pytest.approx(value, abs=0.003), min_pt
    purity = metrics.matchings["double majority"].purity.value
    assert purity == pytest.approx(recorded["purity"], abs=0.003)


def test_no_track_has_two_hits_of_a_module(found: tuple[str, Result]) -> None:
    """What the module-exclusive merge and the joining promise."""
    _, result = found
    on = result.labels >= 0
    pairs = np.stack([result.labels[on], result.hits.module.numpy()[on]])
    assert np.unique(pairs, axis=1).shape[1] == pairs.shape[1]
    assert np.bincount(result.labels[on]).min() >= 3


def test_saved_and_loaded_with_two_threads_it_finds_the_same_labels(
    found: tuple[str, Result], bundled_event: Event, tmp_path: Path
) -> None:
    """Bit for bit: each sum has one order, whoever computes which part of it."""
    name, result = found
    Pipeline.load(name).save(tmp_path)
    with threads(2):
        again = Pipeline.load(tmp_path).run(bundled_event)
    assert torch.equal(again.edges, result.edges)
    assert torch.equal(again.scores, result.scores)
    np.testing.assert_array_equal(again.labels, result.labels)


@pytest.fixture(scope="module")
def slice_of_event(bundled_event: Event) -> Event:
    return wedge(bundled_event, 1 / 8)


@pytest.mark.parametrize("name", FULL)
def test_an_event_turned_with_its_detector_gives_the_same_tracks(
    name: str, slice_of_event: Event
) -> None:
    """But for rounding, which moves a few edges across a cut."""
    pipeline = Pipeline.load(name)
    turned = pipeline.rebuilt(detector=turned_detector(pipeline.detector, 1.234))
    event = replace(turned_event(slice_of_event, 1.234), detector=None)
    one = pipeline.run(slice_of_event)
    other = turned.run(event)
    assert one.n_tracks > 500
    tracks, again = (tracks_of(result.labels) for result in (one, other))
    assert len(tracks & again) > 0.98 * len(tracks | again)


@pytest.mark.parametrize("name", FULL)
def test_a_mirrored_event_is_found_as_well(name: str, slice_of_event: Event) -> None:
    """Mirrored at y = 0 with its detector, every charge changes sign.

    Not exactly: the modules of the mirrored detector lean the other way, and the windows know how
    they lean.
    """
    pipeline = Pipeline.load(name)
    detector = pipeline.detector
    mirror = np.array([1.0, -1.0, 1.0])
    mirrored = pipeline.rebuilt(
        detector=replace(
            detector,
            centre=detector.centre * mirror,
            rotation=detector.rotation * mirror[None, :, None],
        ),
    )
    hits = replace(slice_of_event.hits, y=-slice_of_event.hits.y)
    event = replace(slice_of_event, hits=hits, truth=None, particles=None, detector=None)
    scores = [
        evaluate(slice_of_event, result.labels).score
        for result in (pipeline.run(slice_of_event), mirrored.run(event))
    ]
    assert scores[0] > 0.8
    assert scores[1] == pytest.approx(scores[0], abs=0.04)


def tracks_of(labels: NDArray[np.int64]) -> set[tuple[int, ...]]:
    """The tracks as sets of hits, whatever their numbers."""
    rows = np.argsort(labels, kind="stable")
    groups = np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1)
    return {tuple(group.tolist()) for group in groups if labels[group[0]] >= 0}
