"""Choosing the score cuts of the track builder and of the joining on validation events."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from hitgraph.errors import SettingsError
from hitgraph.evaluation.metrics import Metrics, combine, evaluate
from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline

JOIN_CUTS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)
CUTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def with_score_cut(pipeline: Pipeline, cut: float) -> Pipeline:
    """The same pipeline with another cut in its track builder."""
    tracks = replace(pipeline.recipe.tracks, score_cut=cut)
    return replace(pipeline, recipe=replace(pipeline.recipe, tracks=tracks))


def score_cut_of_best_tracks(pipeline: Pipeline, sources: Sequence[EventSource]) -> dict[str, Any]:
    """The score cut with the highest TrackML score on validation events, and both scores."""
    choices = _with_each_cut(pipeline)
    found_with: dict[float, list[Metrics]] = {cut: [] for cut in choices}
    for source in sources:
        event = source.read(cells=pipeline.recipe.clusters)
        found = pipeline.run(event)
        for cut, choice in choices.items():
            labels = choice.build_tracks(found.hits, found.edges, found.scores)
            found_with[cut].append(evaluate(event, labels.numpy()))
    return _best(found_with)


def with_join_cut(pipeline: Pipeline, cut: float) -> Pipeline:
    """The same pipeline with another cut in its joining."""
    assert pipeline.recipe.join is not None
    stage = replace(
        pipeline.recipe.join, network=replace(pipeline.recipe.join.network, score_cut=cut)
    )
    return replace(pipeline, recipe=replace(pipeline.recipe, join=stage))


def join_cut_of_best_tracks(pipeline: Pipeline, sources: Sequence[EventSource]) -> dict[str, Any]:
    """The cut of the joining with the highest TrackML score, and both scores."""
    assert pipeline.recipe.join is not None
    cuts = sorted({pipeline.recipe.join.network.score_cut, *JOIN_CUTS})
    found_with: dict[float, list[Metrics]] = {cut: [] for cut in cuts}
    for source in sources:
        event = source.read(cells=pipeline.recipe.clusters)
        found = replace(pipeline, join=None).run(event)
        parts = torch.from_numpy(found.labels)
        with torch.inference_mode():
            for cut in cuts:
                labels = with_join_cut(pipeline, cut).join_parts(found.hits, parts)
                found_with[cut].append(evaluate(event, labels.numpy()))
    return _best(found_with)


def _best(found_with: dict[float, list[Metrics]]) -> dict[str, Any]:
    """The cut with the highest score, and both scores with it."""
    together = {cut: combine(metrics) for cut, metrics in found_with.items()}
    best = max(together, key=lambda cut: together[cut].score)
    return {
        "score_cut": best,
        "trackml_score": together[best].score,
        "trackml_score_primaries": together[best].score_primaries,
    }


def _with_each_cut(pipeline: Pipeline) -> dict[float, Pipeline]:
    """The recipe's own cut and CUTS, those that fit the other cuts of the track builder."""
    choices = {}
    for cut in sorted({pipeline.recipe.tracks.score_cut, *CUTS}):
        with contextlib.suppress(SettingsError):
            choices[cut] = with_score_cut(pipeline, cut)
    return choices
