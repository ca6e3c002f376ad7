"""Tensors of a request become the event that they were made of, or an error that says where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.pipeline import Pipeline
from hitgraph.serve.finder import TensorFinder
from hitgraph.serve.tensors import CELLS, CHARGES, FEATURES, MODULES, event_of, tensors_of


def test_an_event_comes_back(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    assert tiny_event.cells is not None
    tensors = dict(tensors_of(tiny_event, clusters=True))
    order = np.random.default_rng(0).permutation(len(tensors["CHARGES"]))
    for name in ("CELLS", "CHARGES"):  # whose order does not matter
        tensors[name] = tensors[name][order]
    made = event_of(tensors, tiny_event.detector)
    assert made.cells is not None
    for name in ("x", "y", "z", "volume_id", "layer_id", "module_id"):
        found, wanted = getattr(made.hits, name), getattr(tiny_event.hits, name)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted, name)
    np.testing.assert_array_equal(made.hits.hit_id, np.arange(1, made.n_hits + 1))
    np.testing.assert_array_equal(made.hits.hit_id, tiny_event.hits.hit_id)
    for name in ("hit_id", "ch0", "ch1", "value"):
        np.testing.assert_array_equal(getattr(made.cells, name), getattr(tiny_event.cells, name))


@pytest.mark.parametrize("n_hits", [0, 1])
def test_tensors_may_be_short_and_not_writable(tiny_event: Event, n_hits: int) -> None:
    """As those that stand in the bytes of a request; kernels are compiled for others."""
    assert tiny_event.detector is not None
    tensors = tensors_of(tiny_event, clusters=True)
    short = {name: values[:n_hits].copy() for name, values in tensors.items()}
    short["CELLS"][:, 0] = 0
    for values in short.values():
        values.flags.writeable = False
    event = event_of(short, tiny_event.detector)
    assert event.cells is not None
    assert (event.n_hits, len(event.cells)) == (n_hits, n_hits)
    assert event.hits.x.flags.writeable
    assert event.cells.value.flags.writeable


@pytest.mark.parametrize("clusters", [True, False])
def test_the_tracks_are_those_of_the_pipeline(
    tiny_pipeline: Path, tiny_event: Event, clusters: bool
) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    finder = TensorFinder.open(tiny_pipeline)
    assert pipeline.recipe.clusters
    assert [one["name"] for one in finder.metadata["inputs"]] == [
        spec.name for spec in (FEATURES, MODULES, CELLS, CHARGES)
    ]
    if clusters:
        result = finder.run(tensors_of(tiny_event, clusters))
        wanted = pipeline.run(tiny_event).labels
        assert wanted.max() > 0
        np.testing.assert_array_equal(result.labels, wanted)
    else:
        with pytest.raises(InputError, match="request: no cell table"):
            finder.run(tensors_of(tiny_event, clusters))


Change = Callable[[dict[str, np.ndarray]], None]


def put(name: str, place: int | tuple[int, int], value: float) -> Change:
    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors[name][place] = value

    return change


def cut(name: str) -> Change:
    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors[name] = tensors[name][:-1]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("FEATURES", (3, 1), np.nan), "FEATURES: row 3: y is nan where a length in mm"),
        (put("FEATURES", (2, 2), np.inf), "FEATURES: row 2: z is inf"),
        (put("FEATURES", (0, 0), 1e6), "FEATURES: row 0: x is 1000000.0 where"),
        (put("MODULES", (4, 0), 99), r"MODULES: row 4: module \(volume 99, layer"),
        (put("MODULES", (4, 2), -1), "MODULES: row 4: module"),
        (put("CELLS", (1, 0), -1), r"CELLS: row 1: hit is -1 where a row of FEATURES, 0 to \d+,"),
        (put("CELLS", (1, 0), 24), "CELLS: row 1: hit is 24 where a row of FEATURES, 0 to 23,"),
        (put("CELLS", (5, 2), 1 << 21), "CELLS: row 5: ch1 is 2097152 where a channel number"),
        (put("CHARGES", 2, np.nan), "CHARGES: row 2: value is nan where a charge"),
        (cut("MODULES"), "MODULES: has 23 rows, but FEATURES has 24"),
        (cut("CHARGES"), r"CHARGES: has \d+ rows, but CELLS has \d+"),
    ],
)
def test_what_is_no_event_is_told(tiny_event: Event, change: Change, says: str) -> None:
    assert tiny_event.detector is not None
    assert tiny_event.n_hits == 24
    tensors = {name: values.copy() for name, values in tensors_of(tiny_event, True).items()}
    change(tensors)
    with pytest.raises(InputError, match=says):
        event_of(tensors, tiny_event.detector)
