"""What stages leave, whatever stages a pipeline has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.trained import JOIN, SCORED, tiny_recipe, train_quietly, untrained

from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline
from hitgraph.studies.walk import walk
from hitgraph.studies.waterfall import waterfall


def test_a_stage_that_looks_inside_shows_what_it_has_in_between(
    tiny_store: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"graph": SCORED, "filter": None, "gnn__training__epochs": 1}
    train_quietly(tiny_recipe(**changes), tiny_store, tmp_path)
    event = list_events([tiny_store])[-1].read()
    steps = walk(Pipeline.load(tmp_path), event)
    assert [step.name for step in steps] == ["windows", "graph", "gnn", "tracks"]
    windows, graph = (step.edges for step in steps[:2])
    assert windows is not None
    assert graph is not None
    assert set(map(tuple, graph.T.tolist())) <= set(map(tuple, windows.T.tolist()))
    assert not any(step.joins for step in steps)


def test_before_a_stage_that_joins_tracks_the_ceiling_is_of_joined_ones(
    make_event: Callable[..., Event],
) -> None:
    event = make_event(n_particles=10, n_noise=5, seed=2)
    pipeline = untrained(tiny_recipe(join=JOIN), event)
    steps = walk(pipeline, event)
    assert [step.joins for step in steps] == [True, True, True, True, False]
    assert waterfall(event, steps)["stages"][0]["name"] == "truth"


def test_tracks_without_edges_have_one_step(make_event: Callable[..., Event]) -> None:
    event = make_event(n_particles=10, n_noise=5, seed=2)
    points = {"use": "gravnet", "network": {"hidden": 8}}
    changes = {"points": points, "tracks": {"use": "condensation"}}
    pipeline = untrained(tiny_recipe(graph=None, filter=None, gnn=None, **changes), event)
    (step,) = walk(pipeline, event)
    assert step.edges is None
    np.testing.assert_array_equal(step.labels, pipeline.run(event).labels)
    found = waterfall(event, [step])
    assert [stage["name"] for stage in found["stages"]] == ["truth", "tracks"]
