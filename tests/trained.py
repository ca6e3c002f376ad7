"""A recipe so small that a whole pipeline is trained in seconds, and events to train it on."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.store import write_dataset_info, write_detectors, write_event
from hitgraph.recipe import Recipe
from hitgraph.settings import parse

if TYPE_CHECKING:
    from hitgraph.training.train import Training

N_TRAIN, N_VALIDATION = 3, 2

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "description": "As small as a pipeline can be",
    "seed": 3,
    "data": {"train_events": N_TRAIN, "validation_events": N_VALIDATION},
    "truth": {"min_hits": 3},
    "graph": {"builder": "windows", "pair_coverage": 1.0, "tail": 0.0, "shape_tail": 0.0},
    "filter": {
        "network": {"hidden": 8, "layers": 1},
        "training": {"epochs": 2, "learning_rate": 0.02},
        "target_efficiency": 0.95,
        "batches_per_event": 4,
    },
    "gnn": {
        "network": {"hidden": 8, "mlp_hidden": 8, "steps": 2},
        "training": {"epochs": 2, "learning_rate": 0.02},
        "target_efficiency": 0.95,
        "edge_inputs": ["filter_logit", "curvature", "z0", "slope"],
    },
    "tracks": {"builder": "merge"},
}
RADIUS: dict[str, Any] = {
    "builder": "radius",
    "network": {"hidden": 8, "layers": 1, "dimensions": 3},
    "training": {"epochs": 2, "learning_rate": 0.02},
    "target_efficiency": 0.95,
}


def tiny_mapping(**changes: Any) -> dict[str, Any]:
    """RECIPE with some entries replaced: gnn__training__epochs=3 is gnn.training.epochs."""
    mapping = copy.deepcopy(RECIPE)
    for dotted, value in changes.items():
        *path, last = dotted.split("__")
        place = mapping
        for key in path:
            place = place[key]
        place[last] = value
    return mapping


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
