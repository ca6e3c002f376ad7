"""The stages of a training behind the graph network: the track builder's cut, and the joining."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline
from hitgraph.tracks.join import JoinNetwork
from hitgraph.tracks.parts import part_pairs
from hitgraph.training.join import JoinLesson, are_parts_of_one, load_pairs
from hitgraph.training.samples import save_tensors
from hitgraph.training.tune import (
    join_cut_of_best_tracks,
    score_cut_of_best_tracks,
    with_join_cut,
    with_score_cut,
)
from hitgraph.training.workshop import Workshop, in_words, teach


def track_stage(
    shop: Workshop, pipeline: Pipeline, validation: Sequence[EventSource]
) -> tuple[Pipeline, dict[str, Any]]:
    done = shop.recall("tracks")
    if done is None:
        shop.report("choosing the score cut of the track builder")
        done = score_cut_of_best_tracks(pipeline, validation)
        shop.record("tracks", done)
    shop.report(f"tracks: {in_words(done)}")
    return with_score_cut(pipeline, done["score_cut"]), done


def join_stage(
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
            hits = found.hits.to("cpu")
            pairs = part_pairs(hits, torch.from_numpy(found.labels), stage.network.max_hits)
            is_true = are_parts_of_one(event, found.labels, pairs)
            save_tensors({"features": pairs.features, "is_true": is_true}, path)
    features, is_true = load_pairs(shop.paths("parts", [source.name for source in train]))
    check = load_pairs(shop.paths("parts", [source.name for source in validation]))
    if not is_true.any() or not len(check[0]):
        shop.report(
            "join: left out, because "
            + (
                "the validation events have no two tracks that could be one: more of them may have"
                if is_true.any()
                else "no particle has two tracks, there is nothing to join"
            )
        )
        facts = {"true_pairs": int(is_true.sum())}
        shop.record("join", facts)
        return replace(pipeline, recipe=replace(pipeline.recipe, join=None)), facts
    network.standardise.learn(features)
    lesson = JoinLesson(
        shop.recipe,
        stage,
        features,
        is_true,
        *check,
    )
    merit = teach(shop, "join", network, lesson, stage.training)
    pipeline = replace(pipeline, join=network)
    done = shop.recall("join")
    if done is None:
        shop.report("choosing the score cut of the joining")
        done = {**merit, **join_cut_of_best_tracks(pipeline, validation)}
        shop.record("join", done)
    shop.report(f"join: {in_words(done)}")
    return with_join_cut(pipeline, done["score_cut"]), done
