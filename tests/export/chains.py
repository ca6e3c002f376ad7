"""Untrained chains that ACTS and Athena can run, with cuts that half of the edges pass."""

from dataclasses import replace
from typing import Any

import torch
from tests.trained import RADIUS, TRIPLETS, tiny_recipe, untrained

from hitgraph.event.event import Event
from hitgraph.event.field import solenoid
from hitgraph.event.truth import true_edges
from hitgraph.graph.module_map import ModuleMapSettings, learn_module_map
from hitgraph.hits import hits_from_event
from hitgraph.pipeline import Pipeline
from hitgraph.stage import Context

PAIRS = ["curvature", "z0", "slope", "sin_dphi", "deta", "dr", "dz", "inner_r", "outer_z"]
WITH_TRIPLETS: dict[str, Any] = {
    "triplets": {**TRIPLETS, "network": {"hidden": 8, "reach_phi": 50.0, "same_layer": False}},
    "gnn__edge_inputs": PAIRS,
    "rivals": {"use": "rivals"},
}
MODULE_MAP = {"use": "module_map", "min_seen": 1, "widen": 30.0, "triplets": False}


def in_a_solenoid(event: Event) -> Event:
    """Its field is not constant, so that features of pairs see straightened positions."""
    assert event.detector is not None
    return replace(event, detector=replace(event.detector, field=solenoid()))


def chain(event: Event, begins: str, **changes: Any) -> Pipeline:
    """Radius or module map, filter, interaction network, components, and what `changes` adds."""
    options: dict[str, Any] = {
        "graph": {**RADIUS, "hit_inputs": ["r", "phi", "z"]},
        "filter__pair_inputs": PAIRS,
        "gnn__edge_inputs": ["logit", *PAIRS],
        "tracks": {"use": "components", "min_hits": 3},
        **changes,
    }
    pipeline = untrained(tiny_recipe(**options), event)
    if begins == "module_map":
        pipeline = _with_map(pipeline, event, options)
    for name in pipeline.stages:
        if name in ("filter", "triplets", "gnn"):
            pipeline = _half(pipeline, name, event)
    return pipeline


def _with_map(pipeline: Pipeline, event: Event, options: dict[str, Any]) -> Pipeline:
    recipe = tiny_recipe(**{**options, "graph": MODULE_MAP})
    settings = recipe.stages[0].settings
    assert isinstance(settings, ModuleMapSettings)
    detector = pipeline.detector
    hits = hits_from_event(event, detector, False)
    learnt = learn_module_map([(hits, torch.from_numpy(true_edges(event)))], detector, settings)
    stage = settings.load(Context(detector), learnt.tensors())
    return replace(pipeline, recipe=recipe, stages={**pipeline.stages, "graph": stage})


def _half(pipeline: Pipeline, name: str, event: Event) -> Pipeline:
    """The cut of a stage where half of the edges of an event that reach it have less."""
    stages = dict(pipeline.stages)
    stages[name] = replace(stages[name], cut=0.0)  # type: ignore[type-var]
    found = replace(pipeline, stages=stages).run(event, keep=[name]).kept[name]
    scores = found.scores().sort().values
    middle = len(scores) // 2
    stages[name] = replace(  # type: ignore[type-var]
        stages[name], cut=float(scores[middle - 1 : middle + 1].mean())
    )
    if name == "gnn":  # components look at the cut before them only
        stages["tracks"] = replace(
            stages["tracks"],  # type: ignore[type-var]
            settings=replace(stages["tracks"].settings, score_cut=0.0),  # type: ignore[attr-defined]
        )
    return replace(pipeline, stages=stages)
