"""The stages of a training that make and judge edges: graph, filter, triplets, graph network.

Each takes the pipeline so far, teaches its network unless that is done, sets its working point on
the validation events and leaves its edges of every event for the next one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from hitgraph.event.detector import Detector
from hitgraph.gnn.lesson import GraphLesson, load_graph
from hitgraph.graph.filter.lesson import FilterLesson
from hitgraph.graph.radius.lesson import EmbeddingLesson, radius_at_efficiency
from hitgraph.graph.scored.learning import learn_scored_windows
from hitgraph.graph.scored.tables import ScoredSettings, ScoredWindows
from hitgraph.graph.triplets.lesson import TripletLessons
from hitgraph.graph.windows import LayerWindows, WindowSettings, learn_windows
from hitgraph.lessons.samples import (
    Sample,
    ScoredEdges,
    edge_truth,
    is_true_edge,
    load_edges,
    load_sample,
    save_edges,
    save_tensors,
    trackml_weights,
)
from hitgraph.pairs import pair_features
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import RadiusStage
from hitgraph.training.workshop import (
    Workshop,
    cut_at_efficiency,
    in_words,
    is_taught,
    read_back,
    teach,
    with_points,
)


def graph_stage(
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
        merit = teach(shop, "embedding", embedding, lesson, stage.training)
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
    shop.report(f"graph: {in_words(done)}")
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


def filter_stage(
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
    merit = teach(shop, "filter", network, lesson, stage.training)
    done = shop.recall("filter")
    if done is None or "cut" not in done:
        scores = []
        for name in validation:
            sample = load_sample(shop.path("samples", name))
            edges = load_edges(shop.path("candidates", name)).edge_index
            true = edges[:, is_true_edge(sample, edges)]
            scores.append(torch.sigmoid(pipeline.filter_logits(sample.hits, true).double()))
        cut = cut_at_efficiency(torch.cat(scores), stage.target_efficiency)

        def filtered(sample: Sample, given: ScoredEdges | None) -> ScoredEdges:
            assert given is not None
            edges = given.edge_index
            return ScoredEdges(edges, pipeline.filter_logits(sample.hits, edges)).above(cut)

        done = {**merit, "cut": cut}
        done |= _make_edges(shop, "filtered", "candidates", filtered, train, validation)
        shop.record("filter", done)
    shop.report(f"filter: {in_words(done)}")
    return with_points(pipeline, filter_cut=done["cut"]), done


def triplet_stage(
    shop: Workshop, pipeline: Pipeline, previous: str, train: list[str], validation: list[str]
) -> tuple[Pipeline, dict[str, Any]]:
    stage, network = shop.recipe.triplets, pipeline.triplets
    assert stage is not None
    assert network is not None
    lessons = TripletLessons(shop.recipe, stage)
    some = list(zip(shop.paths("samples", train), shop.paths(previous, train), strict=True))
    some = some[: stage.events]
    check = list(
        zip(shop.paths("samples", validation), shop.paths(previous, validation), strict=True)
    )
    merit: dict[str, Any] = {}
    for part, module in (("triplet", network.triplet), ("edge", network.edge)):
        name = f"triplets/{part}"
        if not is_taught(shop, name):
            shop.report(f"{part}s of {len(some)} events to learn from")
            lesson = lessons.prepare(network, part, some, check)
            module.standardise.learn(lesson.rows)
            teach(shop, name, module, lesson, stage.training)
        facts = read_back(shop, name, module)
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
        cut = cut_at_efficiency(torch.cat(scores), stage.target_efficiency)

        def supported(sample: Sample, given: ScoredEdges | None) -> ScoredEdges:
            return judged(sample, given).above(cut)

        done = {**merit, "cut": cut}
        done |= _make_edges(shop, "supported", previous, supported, train, validation)
        shop.record("triplets", done)
    shop.report(f"triplets: {in_words(done)}")
    return with_points(pipeline, triplet_cut=done["cut"]), done


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


def gnn_stage(
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
    merit = teach(shop, "gnn", network, lesson, stage.training)
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
        done = {**merit, "cut": cut_at_efficiency(torch.cat(scores), stage.target_efficiency)}
        shop.record("gnn", done)
    shop.report(f"gnn: {in_words(done)}")
    return with_points(pipeline, gnn_cut=done["cut"]), done
