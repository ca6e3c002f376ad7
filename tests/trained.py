"""A recipe so small that a whole pipeline is trained in seconds, and events to train it on."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.store import write_dataset_info, write_detectors, write_event
from hitgraph.event.truth import true_edges
from hitgraph.graph.windows import WindowSettings, learn_windows
from hitgraph.hits import hits_from_event
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.settings import parse
from hitgraph.stage import STAGES, Context, Stage
from hitgraph.tensors import learnt_tensors, number
from hitgraph.tracks.condensation import CondensationSettings
from hitgraph.tracks.rivals import RivalSettings
from hitgraph.tracks.stage import TrackSettings

if TYPE_CHECKING:
    from hitgraph.training.train import Training

N_TRAIN, N_VALIDATION = 3, 2

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "description": "As small as a pipeline can be",
    "seed": 3,
    "data": {"train_events": N_TRAIN, "validation_events": N_VALIDATION},
    "truth": {"min_hits": 3},
    "stages": [
        {"name": "graph", "use": "windows", "pair_coverage": 1.0, "tail": 0.0, "shape_tail": 0.0},
        {
            "name": "filter",
            "use": "filter",
            "network": {"hidden": 8, "layers": 1},
            "training": {"epochs": 2, "learning_rate": 0.02},
            "target_efficiency": 0.95,
            "batches_per_event": 4,
        },
        {
            "name": "gnn",
            "use": "network",
            "network": {"use": "interaction", "hidden": 8, "mlp_hidden": 8, "steps": 2},
            "training": {"epochs": 2, "learning_rate": 0.02},
            "target_efficiency": 0.95,
            "edge_inputs": ["logit", "curvature", "z0", "slope"],
        },
        {"name": "tracks", "use": "merge"},
    ],
}
RADIUS: dict[str, Any] = {
    "use": "radius",
    "network": {"hidden": 8, "layers": 1, "dimensions": 3},
    "training": {"epochs": 2, "learning_rate": 0.02},
    "target_efficiency": 0.95,
}
SCORED: dict[str, Any] = {"use": "scored", "target_efficiency": 0.97}
# what makes each graph builder small, by its name
BUILDERS: dict[str, dict[str, Any]] = {
    "windows": {"pair_coverage": 1.0, "tail": 0.0, "shape_tail": 0.0},
    "radius": {key: value for key, value in RADIUS.items() if key != "use"},
    "module_map": {"min_seen": 1, "widen": 10.0},
}
TRIPLETS: dict[str, Any] = {
    "use": "triplets",
    "network": {"hidden": 8},
    "training": {"epochs": 1, "learning_rate": 0.01},
}
JOIN: dict[str, Any] = {"use": "join", "network": {"hidden": 4}, "training": {"epochs": 1}}
NO_CLUSTERS: dict[str, Any] = {
    "graph__cluster_shape": False,
    "filter__pair_inputs": ["geometry"],
}
SAVED = ("weights.safetensors", "pipeline.yaml", "detectors.parquet")  # files of a pipeline
ORDER = ("graph", "filter", "triplets", "hough", "gnn", "rivals", "points", "tracks", "join")  # all


def tiny_mapping(**changes: Any) -> dict[str, Any]:
    """RECIPE with some entries replaced.

    gnn__training__epochs=3 is training.epochs of the stage gnn; a stage that is not there is put
    into its place, one that is None is left out; a key that is no stage is one of the recipe.
    """
    mapping = copy.deepcopy(RECIPE)
    stages = {stage["name"]: stage for stage in mapping.pop("stages")}
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        if not path and last in ORDER:
            stages[last] = value if value is None else {"name": last, **value}
            continue
        place = stages if path and path[0] in stages else mapping
        for key in path:
            place = place[key]
        place[last] = value
    found = [stages[name] for name in ORDER if stages.get(name) is not None]
    return {"stages": found, **mapping}


def tiny_recipe(**changes: Any) -> Recipe:
    return parse(Recipe, tiny_mapping(**changes))


def write_store(folder: Path, events: list[Event]) -> Path:
    for event in events:
        write_event(event, folder)
    assert events[0].detector is not None
    write_detectors(events[0].detector, folder)
    write_dataset_info(folder, {"preset": "tiny", "seed": 0, "events": []})
    return folder


def training_events(make_event: Callable[..., Event]) -> list[Event]:
    """Enough for RECIPE, and one more that no training sees."""
    number = range(N_TRAIN + N_VALIDATION + 1)
    return [make_event(n_particles=20, n_noise=10, seed=seed) for seed in number]


def train_quietly(recipe: Recipe, store: Path, out: Path, **options: Any) -> "Training":
    from hitgraph.training.train import train

    return train(recipe, list_events([store]), out, quiet=True, report=lambda _: None, **options)


def stages_of(folder: Path) -> dict[str, Any]:
    """The figures of merit that each stage of a training has left."""
    paths = {name: folder / "training" / name / "done.json" for name in ORDER}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.is_file()}


def assert_same_pipeline(one: Path, other: Path) -> None:
    for name in SAVED:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert stages_of(one) == stages_of(other)


def untrained(recipe: Recipe, event: Event, **context: Any) -> Pipeline:
    """A pipeline with random weights that keeps most edges; windows learnt on one event."""
    assert event.detector is not None
    torch.manual_seed(recipe.seed)
    where = Context(event.detector, **context)
    stages: dict[str, Stage] = {}
    for step in recipe.stages:
        settings: Any = step.settings
        match settings:
            case WindowSettings():
                hits = hits_from_event(event, event.detector, recipe.clusters)
                edges = torch.from_numpy(true_edges(event))
                tensors = learn_windows([(hits, edges)], event.detector, settings).tensors()
            case RivalSettings():
                tensors = {}
            case TrackSettings():
                tensors = {"score_cut": number(settings.score_cut)}
            case CondensationSettings():
                tensors = {"beta_cut": number(settings.beta_cut), "radius": number(settings.radius)}
            case _:
                cuts = {"radius": {"radius": 0.5}, "filter": {"cut": 0.1}}
                cuts |= {"join": {"score_cut": 0.5, "density": 1.0}, "gravnet": {}}
                chosen = cuts.get(STAGES.name_of(settings), {"cut": 0.2})
                tensors = learnt_tensors(settings.build(), **chosen)
        stages[step.name] = settings.load(where, tensors)
    return Pipeline(recipe, where, stages)
