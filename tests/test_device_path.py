"""The way of a GPU through the pipeline: the tracks of the CPU's kernels, nothing on the host.

The operations in torch run here on the CPU, and on a GPU where there is one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.host import SMALL, nothing_on_the_host
from tests.trained import RADIUS, tiny_recipe, untrained

from hitgraph.devices import find_precision
from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.regions import wedge
from hitgraph.event.source import list_events, read_event
from hitgraph.observe import Observer
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import shipped_pipelines


class Watch(Observer):
    """The hits come from the host; from there on nothing does."""

    def around(self, name: str) -> AbstractContextManager[object]:
        return nullcontext() if name == "features" else nothing_on_the_host()


@pytest.fixture(scope="module")
def slice_of_event() -> Event:
    event = wedge(read_event(Path(str(files("hitgraph"))) / "demo_event"), 1 / 32)
    return replace(event, truth=None, particles=None)


@pytest.mark.parametrize("name", shipped_pipelines())
def test_shipped_pipelines(name: str, slice_of_event: Event, device: str) -> None:
    """But for rounding, which moves a few edges across a cut."""
    on_device = Pipeline.load(name, device, "float32")
    if device == "cpu":
        on_device = on_device.rebuilt(backend="plain")
    on_device.run(slice_of_event)  # tables go to the device once
    found = on_device.run(slice_of_event, observers=[Watch()])
    assert found.edges.device.type == device
    expected = Pipeline.load(name).run(slice_of_event).labels
    assert found.n_tracks > 100
    tracks, others = tracks_of(found.labels), tracks_of(expected)
    assert len(tracks & others) > 0.995 * len(tracks | others)


BUILDERS: dict[str, dict[str, Any]] = {
    "windows, merge": {},
    "windows, components": {"tracks": {"use": "components"}},
    "windows, walkthrough": {"tracks": {"use": "walkthrough"}},
    "radius, merge": {"graph": RADIUS},
    "attention": {"gnn__network": {"use": "attention", "hidden": 8}},
    "condensation": {
        "graph": None,
        "filter": None,
        "gnn": None,
        "points": {"use": "gravnet", "network": {"hidden": 8}},
        "tracks": {"use": "condensation"},
    },
    "transformer": {
        "graph": None,
        "filter": None,
        "gnn": None,
        "tracks": {"use": "transformer", "network": {"hidden": 8, "layers": 1}, "sectors": 2},
    },
}


@pytest.mark.parametrize("change", BUILDERS.values(), ids=BUILDERS)
def test_every_builder(
    change: dict[str, Any], tiny_store: Path, tmp_path: Path, device: str
) -> None:
    """Random weights, and cuts where no score lies."""
    event = replace(list_events([tiny_store])[-1].read(), truth=None, particles=None)
    with_truth = list_events([tiny_store])[-1].read()
    untrained(tiny_recipe(**change), with_truth).save(tmp_path)
    on_device = Pipeline.load(tmp_path, device, "float32").rebuilt(backend="plain")
    on_device.run(event)
    found = on_device.run(event, observers=[Watch()])
    assert tracks_of(found.labels) == tracks_of(Pipeline.load(tmp_path).run(event).labels)


def tracks_of(labels: NDArray[np.int64]) -> set[tuple[int, ...]]:
    """The tracks as sets of hits, whatever their numbers."""
    rows = np.argsort(labels, kind="stable")
    groups = np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1)
    return {tuple(group.tolist()) for group in groups if labels[group[0]] >= 0}


@pytest.mark.parametrize(
    "copy",
    [
        lambda tensor: tensor.cpu(),
        lambda tensor: tensor.numpy(),
        lambda tensor: np.asarray(tensor),
        lambda tensor: tensor.tolist(),
        lambda tensor: tensor.to("meta"),
        lambda _: torch.from_numpy(np.zeros(3)),
        lambda _: torch.tensor([1.0]),
    ],
)
def test_copies_are_noticed(copy: Callable[[torch.Tensor], object]) -> None:
    tensor = torch.zeros(SMALL + 1)
    with nothing_on_the_host(), pytest.raises(AssertionError):
        copy(tensor)
    with nothing_on_the_host():
        assert float((tensor + 1).sum()) == SMALL + 1


# ---------------------------------------------------------------- precision


def test_precision_that_the_device_has() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert find_precision("auto", cpu) == find_precision("float32", cpu) == torch.float32
    assert find_precision("auto", gpu) == find_precision("float16", gpu) == torch.float16
    assert find_precision("float32", gpu) == torch.float32


def test_precision_that_is_not_there_is_refused(tiny_pipeline: Path) -> None:
    with pytest.raises(SettingsError, match="precision: 'half' is not allowed; one of auto, flo"):
        Pipeline.load(tiny_pipeline, precision="half")
    with pytest.raises(SettingsError, match="precision: float16 is for GPUs"):
        Pipeline.load(tiny_pipeline, precision="float16")


@pytest.mark.parametrize(
    ("precision", "same_edges", "same_tracks"),
    [("float16", 0.998, 0.97), ("bfloat16", 0.985, 0.9)],
)
def test_mixed_precision_finds_nearly_the_same(
    precision: str, same_edges: float, same_tracks: float, slice_of_event: Event, device: str
) -> None:
    exact = Pipeline.load("compact", device, "float32")
    mixed = exact.rebuilt(precision=getattr(torch, precision))
    one, other = (pipeline.run(slice_of_event) for pipeline in (exact, mixed))
    assert other.scores.dtype == torch.float32
    edges, mixed_edges = ({*zip(*run.edges.tolist(), strict=True)} for run in (one, other))
    assert len(edges & mixed_edges) > same_edges * len(edges | mixed_edges)
    tracks, others = tracks_of(one.labels), tracks_of(other.labels)
    assert len(tracks & others) > same_tracks * len(tracks | others)
