"""Training a whole pipeline from a recipe, stage after stage, resumable at any point.

The output folder becomes a pipeline; its subfolder `training` holds logs, checkpoints and the
products of the stages (samples, candidates, graphs), which are removed once all is done.
"""

import json
import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.source import EventSource, require_different_names
from hitgraph.event.truth import require_truth
from hitgraph.files import atomic_write
from hitgraph.graph.pairs import pair_features
from hitgraph.graph.scored import (
    ScoredSettings,
    ScoredWindows,
    learn_scored_windows,
)
from hitgraph.graph.windows import LayerWindows, WindowSettings, learn_windows
from hitgraph.pipeline import (
    PIPELINE_FILE,
    Pipeline,
    WorkingPoints,
    check_detector,
    find_device,
    new_networks,
)
from hitgraph.recipe import RadiusStage, Recipe
from hitgraph.settings import parse, to_dict
from hitgraph.tracks.join import JoinNetwork, part_pairs
from hitgraph.training.embedding import EmbeddingLesson, radius_at_efficiency
from hitgraph.training.filter import FilterLesson
from hitgraph.training.fit import Lesson, fit
from hitgraph.training.gnn import GraphLesson, load_graph
from hitgraph.training.join import JoinLesson, are_parts_of_one, load_pairs
from hitgraph.training.samples import (
    Sample,
    ScoredEdges,
    edge_truth,
    is_true_edge,
    load_edges,
    load_sample,
    make_sample,
    save_edges,
    save_sample,
    save_tensors,
    trackml_weights,
)
from hitgraph.training.seeds import generator
from hitgraph.training.settings import TrainingSettings
from hitgraph.training.triplets import TripletLessons
from hitgraph.training.tune import (
    join_cut_of_best_tracks,
    score_cut_of_best_tracks,
    with_join_cut,
    with_score_cut,
)

Report = Callable[[str], None]

STAGES = ("graph", "filter", "triplets", "gnn", "tracks", "join")  # in the order of their training

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workshop:
    """Where a training keeps its things, and how it runs."""

    recipe: Recipe
    out: Path
    device: str
    resume: bool
    quiet: bool
    report: Report  # called with a line for people

    @property
    def folder(self) -> Path:
        return self.out / "training"

    def path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.safetensors"

    def paths(self, kind: str, names: Sequence[str]) -> list[Path]:
        return [self.path(kind, name) for name in names]

    def recall(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage recorded, None while it is unfinished."""
        path = self.folder / stage / "done.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def record(self, stage: str, facts: dict[str, Any]) -> None:
        with atomic_write(self.folder / stage / "done.json") as temporary:
            temporary.write_text(json.dumps(facts, indent=1))


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
    _open(shop, [source.name for source in sources])
    if (out / PIPELINE_FILE).is_file():
        report("this training is complete")
        recalled = {stage: shop.recall(stage) for stage in STAGES}
        stages = {stage: facts for stage, facts in recalled.items() if facts is not None}
        return Training(Pipeline.load(out), tuple(train_names), tuple(validation_names), stages)

    L.seed_everything(recipe.seed, verbose=False)
    for source in train_sources:
        # Simulated clusters are more regular than real ones.
        _prepare_sample(shop, source, detector, generator(recipe.seed, "jitter", source.name))
    for source in validation_sources:
        _prepare_sample(shop, source, detector)
    for kind, names in (("training", train_names), ("validation", validation_names)):
        _require_true_edges(shop, kind, names)

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
    pipeline, stages["graph"] = _graph_stage(shop, pipeline, *both)
    if recipe.filter is not None:
        pipeline, stages["filter"] = _filter_stage(shop, pipeline, *both)
        edges = "filtered"
    if recipe.triplets is not None:
        pipeline, stages["triplets"] = _triplet_stage(shop, pipeline, edges, *both)
        edges = "supported"
    pipeline, stages["gnn"] = _gnn_stage(shop, pipeline, edges, *both)
    pipeline, stages["tracks"] = _track_stage(shop, pipeline, validation_sources)
    if join is not None:
        assert isinstance(join, JoinNetwork)
        pipeline, stages["join"] = _join_stage(
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


def _open(shop: Workshop, event_names: list[str]) -> None:
    """Refuse a folder with a pipeline, or one that another training has begun, or this one
    without --resume."""
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
        return
    if not shop.resume:
        raise SettingsError(
            f"{shop.out}: a training was begun here: go on with --resume, or name another --out"
        )
    begun = json.loads(path.read_text())
    # Parsed, so that a key which a later version added with a default makes no difference.
    if begun["events"] != event_names or parse(Recipe, begun["recipe"]) != shop.recipe:
        raise SettingsError(
            f"{shop.out}: was begun with another recipe or other events "
            f"(see {shop.folder / 'recipe.yaml'}): resume with those, or name another --out"
        )


def _detector(source: EventSource) -> Detector:
    event = source.read(cells=False)
    require_truth(event)
    if event.detector is None:
        raise InputError(
            f"{source.path}: no detectors table beside the events: name it with --detectors"
        )
    return event.detector


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


# ---------------------------------------------------------------- stages


def _graph_stage(
    shop: Workshop, pipeline: Pipeline, train: list[str], validation: list[str]
) -> tuple[Pipeline, dict[str, Any]]:
    stage = shop.recipe.graph
    if isinstance(stage, RadiusStage):
        embedding = pipeline.embedding
        assert embedding is not None
        sample = load_sample(shop.path("samples", train[0]))
        embedding.learn_inputs(sample.hits.features)
        lesson = EmbeddingLesson(
            shop.recipe,
            pipeline.detector,
            shop.paths("samples", train),
            shop.paths("samples", validation),
        )
        merit = _teach(shop, "embedding", embedding, lesson, stage.training)
        radius = radius_at_efficiency(
            embedding, shop.paths("samples", validation), stage.target_efficiency
        )
        points = replace(pipeline.working_points, radius=radius)
        pipeline = replace(pipeline, working_points=points)
        facts = {**merit, "radius": radius}
    else:
        pipeline = replace(pipeline, windows=_learn_windows(shop, pipeline.detector, stage, train))
        facts = {}
    done = shop.recall("graph")
    if done is None:

        def candidates(sample: Sample, _: ScoredEdges | None) -> ScoredEdges:
            with torch.inference_mode():
                return ScoredEdges(*pipeline.build_graph(sample.hits))

        done = {**facts, **_make_edges(shop, "candidates", None, candidates, train, validation)}
        shop.record("graph", done)
    shop.report(f"graph: {_facts(done)}")
    return pipeline, done


def _learn_windows(
    shop: Workshop, detector: Detector, stage: ScoredSettings | WindowSettings, train: list[str]
) -> LayerWindows | ScoredWindows:
    """Windows from the training events, or those of an earlier run of this training."""
    path = shop.folder / "graph" / "windows.parquet"
    paths = shop.paths("samples", train)
    if isinstance(stage, ScoredSettings):
        if not path.is_file():
            shop.report(f"learning windows from {min(len(train), stage.events)} events")
            samples = [partial(load_sample, path) for path in paths]
            learn_scored_windows(samples, detector, stage).save(path)
        return ScoredWindows.load(path)
    if not path.is_file():
        shop.report(f"learning windows from {len(train)} events")
        pairs = ((s.hits, s.true_edges) for s in map(load_sample, paths))
        learn_windows(pairs, detector, stage).save(path)
    return LayerWindows.load(path)


def _make_edges(
    shop: Workshop,
    kind: str,
    previous: str | None,
    make: Callable[[Sample, ScoredEdges | None], ScoredEdges],
    train: list[str],
    validation: list[str],
) -> dict[str, Any]:
    """Make and keep one stage's edges of every event; their quality on the validation events."""
    n_edges = n_true = n_found = 0
    for name in [*train, *validation]:
        path = shop.path(kind, name)
        sample = load_sample(shop.path("samples", name))
        if not path.is_file():
            shop.report(f"{kind} edges of {name}")
            given = None if previous is None else load_edges(shop.path(previous, name))
            save_edges(make(sample, given), path)
        if name in validation:
            edges = load_edges(path).edge_index
            n_edges += edges.shape[1]
            n_true += sample.true_edges.shape[1]
            n_found += int(is_true_edge(sample, edges).sum())
    return {"edges": n_edges / len(validation), "efficiency": n_found / max(n_true, 1)}


def _filter_stage(
    shop: Workshop, pipeline: Pipeline, train: list[str], validation: list[str]
) -> tuple[Pipeline, dict[str, Any]]:
    stage, network = shop.recipe.filter, pipeline.filter
    assert stage is not None
    assert network is not None
    sample = load_sample(shop.path("samples", train[0]))
    edges = load_edges(shop.path("candidates", train[0])).edge_index
    some = edges[:, :: max(1, edges.shape[1] // 200_000)]
    network.learn_inputs(sample.hits.features, pair_features(sample.hits, some, pipeline.detector))
    lesson = FilterLesson(
        shop.recipe,
        pipeline.detector,
        shop.paths("samples", train),
        shop.paths("candidates", train),
        shop.paths("samples", validation),
        shop.paths("candidates", validation),
    )
    merit = _teach(shop, "filter", network, lesson, stage.training)
    done = shop.recall("filter")
    if done is None or "cut" not in done:
        scores = []
        for name in validation:
            sample = load_sample(shop.path("samples", name))
            edges = load_edges(shop.path("candidates", name)).edge_index
            true = edges[:, is_true_edge(sample, edges)]
            scores.append(torch.sigmoid(pipeline.filter_logits(sample.hits, true).double()))
        cut = _cut_at_efficiency(torch.cat(scores), stage.target_efficiency)

        def filtered(sample: Sample, given: ScoredEdges | None) -> ScoredEdges:
            assert given is not None
            edges = given.edge_index
            return ScoredEdges(edges, pipeline.filter_logits(sample.hits, edges)).above(cut)

        done = {**merit, "cut": cut}
        done |= _make_edges(shop, "filtered", "candidates", filtered, train, validation)
        shop.record("filter", done)
    shop.report(f"filter: {_facts(done)}")
    return _with_points(pipeline, filter_cut=done["cut"]), done


def _triplet_stage(
    shop: Workshop, pipeline: Pipeline, previous: str, train: list[str], validation: list[str]
) -> tuple[Pipeline, dict[str, Any]]:
    stage, network = shop.recipe.triplets, pipeline.triplets
    assert stage is not None
    assert network is not None
    lessons = TripletLessons(shop.recipe, stage, pipeline.detector)
    some = list(zip(shop.paths("samples", train), shop.paths(previous, train), strict=True))
    some = some[: stage.events]
    check = list(
        zip(shop.paths("samples", validation), shop.paths(previous, validation), strict=True)
    )
    merit: dict[str, Any] = {}
    for part, module in (("triplet", network.triplet), ("edge", network.edge)):
        name = f"triplets/{part}"
        if not _is_taught(shop, name):
            shop.report(f"{part}s of {len(some)} events to learn from")
            lesson = lessons.prepare(network, part, some, check)
            module.standardise.learn(lesson.rows)
            _teach(shop, name, module, lesson, stage.training)
        facts = _read_back(shop, name, module)
        merit |= {f"{part}_{key}": value for key, value in facts.items()}
    done = shop.recall("triplets")
    if done is None:

        def judged(sample: Sample, given: ScoredEdges | None) -> ScoredEdges:
            assert given is not None
            assert given.logit is not None
            edges = given.edge_index
            return ScoredEdges(edges, *pipeline.triplet_logits(sample.hits, edges, given.logit))

        scores = []
        for name in validation:
            sample = load_sample(shop.path("samples", name))
            edges = judged(sample, load_edges(shop.path(previous, name)))
            assert edges.logit is not None
            true = is_true_edge(sample, edges.edge_index)
            scores.append(torch.sigmoid(edges.logit[true].double()))
        cut = _cut_at_efficiency(torch.cat(scores), stage.target_efficiency)

        def supported(sample: Sample, given: ScoredEdges | None) -> ScoredEdges:
            return judged(sample, given).above(cut)

        done = {**merit, "cut": cut}
        done |= _make_edges(shop, "supported", previous, supported, train, validation)
        shop.record("triplets", done)
    shop.report(f"triplets: {_facts(done)}")
    return _with_points(pipeline, triplet_cut=done["cut"]), done


def _make_graph(shop: Workshop, pipeline: Pipeline, edges: str, name: str) -> None:
    """Keep what the graph network reads of one event."""
    path = shop.path("graphs", name)
    if path.is_file():
        return
    shop.report(f"graph of {name}")
    sample = load_sample(shop.path("samples", name))
    given = load_edges(shop.path(edges, name))
    assert given.logit is not None
    x, edge_attr = pipeline.graph_inputs(sample.hits, given.edge_index, given.logit, given.support)
    y, weight = edge_truth(sample, given.edge_index, shop.recipe.truth)
    if shop.recipe.gnn.training.trackml_weights:
        weight = weight * trackml_weights(sample, given.edge_index, y)
    save_tensors(
        {
            "x": x,
            "phi": sample.hits.features[:, 1],
            "edge_index": given.edge_index.int(),
            "edge_attr": edge_attr,
            "y": y.to(torch.uint8),
            "weight": weight,
        },
        path,
    )


def _gnn_stage(
    shop: Workshop, pipeline: Pipeline, edges: str, train: list[str], validation: list[str]
) -> tuple[Pipeline, dict[str, Any]]:
    stage, network = shop.recipe.gnn, pipeline.gnn
    for name in [*train, *validation]:
        _make_graph(shop, pipeline, edges, name)
    batch, _ = load_graph(shop.path("graphs", train[0]))
    assert batch.edge_attr is not None
    network.learn_inputs(batch.x, batch.edge_attr)
    network.checkpointing = stage.training.checkpointing
    lesson = GraphLesson(shop.recipe, shop.paths("graphs", train), shop.paths("graphs", validation))
    merit = _teach(shop, "gnn", network, lesson, stage.training)
    done = shop.recall("gnn")
    if done is None or "cut" not in done:
        scores = []
        with torch.inference_mode():
            for name in validation:
                batch, _ = load_graph(shop.path("graphs", name))
                sample = load_sample(shop.path("samples", name))
                logits = network(batch.x, batch.edge_index, batch.edge_attr)
                true = is_true_edge(sample, batch.edge_index)
                scores.append(torch.sigmoid(logits[true].double()))
        done = {**merit, "cut": _cut_at_efficiency(torch.cat(scores), stage.target_efficiency)}
        shop.record("gnn", done)
    shop.report(f"gnn: {_facts(done)}")
    return _with_points(pipeline, gnn_cut=done["cut"]), done


def _track_stage(
    shop: Workshop, pipeline: Pipeline, validation: Sequence[EventSource]
) -> tuple[Pipeline, dict[str, Any]]:
    done = shop.recall("tracks")
    if done is None:
        shop.report("choosing the score cut of the track builder")
        done = score_cut_of_best_tracks(pipeline, validation)
        shop.record("tracks", done)
    shop.report(f"tracks: {_facts(done)}")
    return with_score_cut(pipeline, done["score_cut"]), done


def _join_stage(
    shop: Workshop,
    pipeline: Pipeline,
    network: JoinNetwork,
    train: Sequence[EventSource],
    validation: Sequence[EventSource],
) -> tuple[Pipeline, dict[str, Any]]:
    stage = shop.recipe.join
    assert stage is not None
    for source in [*train, *validation]:
        path = shop.path("parts", source.name)
        if not path.is_file():
            shop.report(f"parts of tracks in {source.name}")
            event = source.read(cells=shop.recipe.clusters)
            found = pipeline.run(event)
            pairs = part_pairs(found.hits, torch.from_numpy(found.labels))
            is_true = are_parts_of_one(event, found.labels, pairs)
            save_tensors({"features": pairs.features, "is_true": is_true}, path)
    features, is_true = load_pairs(shop.paths("parts", [source.name for source in train]))
    if not is_true.any():
        shop.report("join: no particle has two tracks, there is nothing to join")
        shop.record("join", {"true_pairs": 0})
        return replace(pipeline, recipe=replace(pipeline.recipe, join=None)), {"true_pairs": 0}
    network.standardise.learn(features)
    lesson = JoinLesson(
        shop.recipe,
        stage,
        features,
        is_true,
        *load_pairs(shop.paths("parts", [source.name for source in validation])),
    )
    merit = _teach(shop, "join", network, lesson, stage.training)
    pipeline = replace(pipeline, join=network)
    done = shop.recall("join")
    if done is None:
        shop.report("choosing the score cut of the joining")
        done = {**merit, **join_cut_of_best_tracks(pipeline, validation)}
        shop.record("join", done)
    shop.report(f"join: {_facts(done)}")
    return with_join_cut(pipeline, done["score_cut"]), done


# ---------------------------------------------------------------- shared by the stages


def _teach(
    shop: Workshop, name: str, network: nn.Module, lesson: Lesson, settings: TrainingSettings
) -> dict[str, Any]:
    """Train a network, or read it back where a run before this one has."""
    if not _is_taught(shop, name):
        shop.report(f"training {name}: {settings.epochs} epochs of {lesson.n_batches} steps")
        merit = fit(
            network,
            lesson,
            settings,
            shop.folder / name,
            device=shop.device,
            resume=shop.resume,
            quiet=shop.quiet,
        )
        bad = [key for key, value in merit.items() if not math.isfinite(value)]
        if bad:
            section = {"embedding": "graph"}.get(name, name.partition("/")[0])
            raise HitgraphError(
                f"training {name}: {', '.join(bad)} became infinite or NaN: "
                f"lower {section}.training.learning_rate"
            )
        save_tensors(network.state_dict(), shop.path(name, "network"))
        with atomic_write(shop.folder / name / "merit.json") as temporary:
            temporary.write_text(json.dumps(merit))
    return _read_back(shop, name, network)


def _is_taught(shop: Workshop, name: str) -> bool:
    return shop.path(name, "network").is_file() and (shop.folder / name / "merit.json").is_file()


def _read_back(shop: Workshop, name: str, network: nn.Module) -> dict[str, Any]:
    """Give a network the weights of its finished training; returns its figures of merit."""
    network.load_state_dict(load_file(shop.path(name, "network")))
    network.eval()
    return dict(json.loads((shop.folder / name / "merit.json").read_text()))


def _cut_at_efficiency(scores: Tensor, efficiency: float) -> float:
    """The score that a fraction `efficiency` of the true edges reaches or passes."""
    if len(scores) == 0:
        raise InputError("the validation events have no true edge of a target particle")
    rank = min(int((1 - efficiency) * len(scores)), len(scores) - 1)
    value = float(torch.sort(scores).values[rank])
    return min(max(value, 1e-9), 1 - 1e-9)


def _with_points(pipeline: Pipeline, **points: float) -> Pipeline:
    return replace(pipeline, working_points=replace(pipeline.working_points, **points))


def _facts(facts: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value:.5g}" for key, value in facts.items() if key != "train_loss")
