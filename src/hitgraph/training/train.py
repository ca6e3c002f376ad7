"""Training a whole pipeline from a recipe, stage after stage, resumable at any point.

The output folder becomes a pipeline; its subfolder `training` holds logs, checkpoints and the
products of the stages (samples, candidates, graphs), which are removed once all is done.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml

from hitgraph.devices import find_device
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.source import EventSource, require_different_names
from hitgraph.event.truth import require_truth
from hitgraph.files import atomic_write, read_json
from hitgraph.pipeline import Pipeline, WorkingPoints, check_detector, new_networks
from hitgraph.pipeline_files import PIPELINE_FILE
from hitgraph.recipe import Recipe
from hitgraph.settings import parse, to_dict
from hitgraph.tracks.join import JoinNetwork
from hitgraph.training.edge_stages import filter_stage, gnn_stage, graph_stage, triplet_stage
from hitgraph.training.samples import load_sample, make_sample, save_sample
from hitgraph.training.seeds import generator
from hitgraph.training.track_stages import join_stage, track_stage
from hitgraph.training.workshop import Report, Workshop

STAGES = ("graph", "filter", "triplets", "gnn", "tracks", "join")  # in the order of their training

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What came out."""

    pipeline: Pipeline
    train_events: tuple[str, ...]
    validation_events: tuple[str, ...]
    stages: dict[str, dict[str, Any]]  # figures of merit by stage


def train(
    recipe: Recipe,
    sources: Sequence[EventSource],
    out: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    quiet: bool = False,
    report: Report = _log.info,
) -> Training:
    """Train the stages of `recipe` one after another and write the pipeline to `out`.

    The first events train, the following ones validate, as the recipe says; others are not
    touched. Resuming a training that is complete reads back what it made. Raises InputError for
    events without truth or too few of them, SettingsError for an `out` that belongs to another
    training.
    """
    device = str(find_device(device))
    shop = Workshop(recipe, out, device, resume, quiet, report)
    train_sources, validation_sources = _split(recipe, sources)
    train_names = [source.name for source in train_sources]
    validation_names = [source.name for source in validation_sources]
    detector = _detector(train_sources[0])
    begun_here = _open(shop, [source.name for source in sources])
    if (out / PIPELINE_FILE).is_file():
        report("this training is complete")
        recalled = {stage: shop.recall(stage) for stage in STAGES}
        stages = {stage: facts for stage, facts in recalled.items() if facts is not None}
        return Training(Pipeline.load(out), tuple(train_names), tuple(validation_names), stages)

    L.seed_everything(recipe.seed, verbose=False)
    try:
        for source in train_sources:
            # Simulated clusters are more regular than real ones.
            _prepare_sample(shop, source, detector, generator(recipe.seed, "jitter", source.name))
        for source in validation_sources:
            _prepare_sample(shop, source, detector)
        for kind, names in (("training", train_names), ("validation", validation_names)):
            _require_true_edges(shop, kind, names)
    except InputError:
        if begun_here:  # so that other events or another recipe can begin in the same folder
            shutil.rmtree(shop.folder)
        raise

    networks = new_networks(recipe)
    join = networks.pop("join", None)  # untrained, it would spoil the tracks of the stages before
    pipeline = Pipeline(
        recipe=recipe,
        detector=detector,
        working_points=WorkingPoints(filter_cut=0.0, gnn_cut=0.5),
        **networks,  # type: ignore[arg-type]
    )
    stages = {}
    both = (train_names, validation_names)
    edges = "candidates"  # the last stage's edges so far
    pipeline, stages["graph"] = graph_stage(shop, pipeline, *both)
    if recipe.filter is not None:
        pipeline, stages["filter"] = filter_stage(shop, pipeline, *both)
        edges = "filtered"
    if recipe.triplets is not None:
        pipeline, stages["triplets"] = triplet_stage(shop, pipeline, edges, *both)
        edges = "supported"
    pipeline, stages["gnn"] = gnn_stage(shop, pipeline, edges, *both)
    pipeline, stages["tracks"] = track_stage(shop, pipeline, validation_sources)
    if join is not None:
        assert isinstance(join, JoinNetwork)
        pipeline, stages["join"] = join_stage(
            shop, pipeline, join, train_sources, validation_sources
        )
    pipeline.save(out)
    return Training(pipeline, tuple(train_names), tuple(validation_names), stages)


def clean(out: Path) -> None:
    """Remove the products of the stages, keep logs and checkpoints."""
    for kind in ("samples", "candidates", "filtered", "supported", "graphs", "parts"):
        shutil.rmtree(out / "training" / kind, ignore_errors=True)


# ---------------------------------------------------------------- before the first stage


def _split(
    recipe: Recipe, sources: Sequence[EventSource]
) -> tuple[list[EventSource], list[EventSource]]:
    n_train, n_validation = recipe.data.train_events, recipe.data.validation_events
    if len(sources) < n_train + n_validation:
        raise InputError(
            f"the recipe wants {n_train} events to train and {n_validation} to validate on, "
            f"the data has {len(sources)}: simulate more, or lower data.train_events"
        )
    require_different_names(sources)
    return list(sources[:n_train]), list(sources[n_train : n_train + n_validation])


def _open(shop: Workshop, event_names: list[str]) -> bool:
    """Refuse a folder with a pipeline, or one that another training has begun, or this one
    without --resume; whether the training begins now."""
    identity = {"recipe": to_dict(shop.recipe), "events": event_names}
    path = shop.folder / "identity.json"
    if not path.is_file():
        if (shop.out / PIPELINE_FILE).is_file():
            raise SettingsError(
                f"{shop.out}: holds a pipeline that was not trained here: name another --out"
            )
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(identity))
        with atomic_write(shop.folder / "recipe.yaml") as temporary:
            temporary.write_text(yaml.safe_dump(identity["recipe"], sort_keys=False))
        return True
    if not shop.resume:
        raise SettingsError(
            f"{shop.out}: a training was begun here: go on with --resume, or name another --out"
        )
    begun = read_json(path)
    # Parsed, so that a key which a later version added with a default makes no difference.
    if begun.get("events") != event_names or parse(Recipe, begun.get("recipe")) != shop.recipe:
        raise SettingsError(
            f"{shop.out}: was begun with another recipe or other events "
            f"(see {shop.folder / 'recipe.yaml'}): resume with those, or name another --out"
        )
    return False


def _detector(source: EventSource) -> Detector:
    event = source.read(cells=False)
    require_truth(event)
    if event.detector is None:
        raise InputError(
            f"{source.path}: no detectors table beside the events: name it with --detectors"
        )
    return replace(event.detector, field=event.field)


def _prepare_sample(
    shop: Workshop, source: EventSource, detector: Detector, jitter: torch.Generator | None = None
) -> None:
    path = shop.path("samples", source.name)
    if path.is_file():
        return
    shop.report(f"reading {source.name}")
    event = source.read(cells=shop.recipe.clusters)
    check_detector(event, detector)
    sample = make_sample(event, detector, shop.recipe.clusters, shop.recipe.truth, jitter)
    save_sample(sample, path)


def _require_true_edges(shop: Workshop, kind: str, names: list[str]) -> None:
    """Refuse events that cannot teach anything, before any network is trained on them."""
    if not any(load_sample(path).true_edges.shape[1] for path in shop.paths("samples", names)):
        truth = shop.recipe.truth
        raise InputError(
            f"the {len(names)} {kind} events have no true edge of a target particle (truth.min_pt "
            f"{truth.min_pt} GeV, min_hits {truth.min_hits}, primary_only {truth.primary_only}): "
            "take other events, or lower these"
        )
