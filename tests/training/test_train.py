"""Training a whole pipeline, stage after stage, from recipes of all kinds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.trained import (
    JOIN,
    N_TRAIN,
    N_VALIDATION,
    NO_CLUSTERS,
    RADIUS,
    stages_of,
    tiny_recipe,
    train_quietly,
    training_events,
    write_store,
)

from hitgraph.evaluation.judging import Judged
from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.source import list_events
from hitgraph.event.truth import true_edges
from hitgraph.pipeline import Pipeline
from hitgraph.settings import to_dict
from hitgraph.stage import NETWORKS
from hitgraph.tensors import number


def test_every_stage_leaves_its_record_and_the_folder_a_pipeline(tiny_pipeline: Path) -> None:
    stages = stages_of(tiny_pipeline)
    assert stages["graph"]["edges"] > stages["filter"]["edges"] > 0
    assert 0 < stages["filter"]["efficiency"] <= stages["graph"]["efficiency"] <= 1
    pipeline = Pipeline.load(tiny_pipeline)
    for stage, key in (("filter", "cut"), ("gnn", "cut"), ("tracks", "score_cut")):
        assert float(pipeline.stages[stage].tensors()[key]) == stages[stage][key]
    assert 0 < stages["tracks"]["trackml_score"] <= 1
    written = yaml.safe_load((tiny_pipeline / "training" / "recipe.yaml").read_text())
    assert written == to_dict(tiny_recipe().settled(cells=True))
    for stage in ("filter", "gnn"):
        folder = tiny_pipeline / "training" / stage
        assert list(folder.rglob("metrics.csv"))
        assert list(folder.rglob("events.out.tfevents.*"))
        assert (folder / "checkpoints" / "best.ckpt").is_file()
        assert (folder / "checkpoints" / "last.ckpt").is_file()


def test_the_pipeline_knows_the_field_of_the_events_that_taught_it(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    events = [replace(event, field=constant(1.9)) for event in training_events(make_event)]
    store = write_store(tmp_path / "store", events)
    out = tmp_path / "out"
    training = train_quietly(tiny_recipe(), store, out)
    assert training.pipeline.detector.field == constant(1.9)
    assert Pipeline.load(out).detector.field == constant(1.9)


def test_working_points_reach_their_target_on_the_validation_events(
    tiny_store: Path, tiny_pipeline: Path
) -> None:
    """Counted again from the events: the cut is the highest that keeps the wanted share."""
    stages: dict[str, Any] = dict(Pipeline.load(tiny_pipeline).stages)
    settings: dict[str, Any] = {step.name: step.settings for step in tiny_recipe().stages}
    pipeline = Pipeline.load(tiny_pipeline)
    filter_scores, gnn_scores = [], []
    for source in list_events([tiny_store])[N_TRAIN : N_TRAIN + N_VALIDATION]:
        event = source.read()
        truth = set(map(tuple, true_edges(event).T.tolist()))
        with torch.inference_mode():
            state = stages["graph"](pipeline.start(event))
            logits = stages["filter"].logits(state).double()
            kept = torch.sigmoid(logits) >= stages["filter"].cut * (1 - 1e-12)
            left = state.with_edges(state.graph()[:, kept], logit=logits[kept].float())
            scores = torch.sigmoid(stages["gnn"].logits(left).double())
        is_true = torch.tensor([tuple(edge) in truth for edge in state.graph().T.tolist()])
        filter_scores.append(torch.sigmoid(logits)[is_true])
        gnn_scores.append(scores[is_true[kept]])
    for scores, cut, target in (
        (torch.cat(filter_scores), stages["filter"].cut, settings["filter"].target_efficiency),
        (torch.cat(gnn_scores), stages["gnn"].cut, settings["gnn"].target_efficiency),
    ):
        n = len(scores)
        assert n > 30
        assert int((scores >= cut * (1 - 1e-6)).sum()) >= target * n
        assert int((scores > cut * (1 + 1e-6)).sum()) < target * n


def test_the_tracks_are_cut_where_the_score_is_highest(
    tiny_store: Path, tiny_pipeline: Path
) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    sources = list_events([tiny_store])[N_TRAIN : N_TRAIN + N_VALIDATION]
    chosen = stages_of(tiny_pipeline)["tracks"]

    def mean_score(cut: float) -> float:
        events = [source.read() for source in sources]
        run = with_score_cut(pipeline, cut).run
        return float(np.mean([evaluate(event, run(event).labels).score for event in events]))

    assert mean_score(chosen["score_cut"]) == pytest.approx(chosen["trackml_score"])
    assert all(mean_score(cut) <= chosen["trackml_score"] + 1e-9 for cut in (0.1, 0.5, 0.9))


def with_score_cut(pipeline: Pipeline, cut: float) -> Pipeline:
    settings = pipeline.recipe.step("tracks").settings
    stage = settings.load(pipeline.context, {"score_cut": number(cut)})
    return replace(pipeline, stages={**pipeline.stages, "tracks": stage})


@pytest.mark.parametrize(
    "changes",
    [
        {
            "graph": RADIUS,
            "tracks__use": "walkthrough",
            "truth__skip_edges": "neutral",
            "filter__network__inputs": "both",
            "filter__training__trackml_weights": True,
            "gnn__training": {"epochs": 1, "precision": "bf16-mixed", "checkpointing": True},
            "gnn__hit_inputs": ["r", "phi", "z"],
        },
        {
            **NO_CLUSTERS,
            "tracks__use": "components",
            "truth__skip_edges": "fake",
            "truth__min_pt": 0.5,
            "truth__primary_only": True,
            "gnn__training": {"epochs": 1, "trackml_weights": True},
            "gnn__sectors": 2,
            "gnn__reflect": True,
        },
        {
            "graph": RADIUS | {"true_pairs": "track"},
            "filter__balanced": False,
            "hough": {"use": "hough"},
            "gnn__network": {"use": "interaction", "hidden": 8, "steps": 2, "norm": "batch"},
            "gnn__edge_inputs": ["logit", "curvature", "hough_phi", "hough_votes"],
        },
    ],
    ids=["radius-walkthrough", "no-clusters-components", "track-hough-batch"],
)
def test_other_recipes_train_and_run_as_well(
    tiny_store: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    training = train_quietly(tiny_recipe(**changes), tiny_store, tmp_path)
    assert all(np.isfinite(v) for facts in training.stages.values() for v in facts.values())
    unseen = list_events([tiny_store])[-1].read()
    result = Judged(Pipeline.load(tmp_path)).run(unseen)
    np.testing.assert_array_equal(result.labels, training.pipeline.run(unseen).labels)
    graph = result.stages[1]
    assert graph.efficiency is not None
    assert graph.efficiency > 0.5


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_network_is_trained_and_kept(name: str, tiny_store: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        gnn__network={"use": name, "hidden": 8, "steps": 2},
        gnn__hit_inputs=[*NETWORKS[name].vector_inputs, "r", "z"],
        filter__training__epochs=1,
    )
    training = train_quietly(recipe, tiny_store, tmp_path)
    pipeline = Pipeline.load(tmp_path)
    settings: Any = pipeline.recipe.step("gnn").settings
    assert settings.network == NETWORKS[name](hidden=8, steps=2)  # type: ignore[call-arg]
    unseen = list_events([tiny_store])[-1].read()
    result = Judged(pipeline).run(unseen)
    np.testing.assert_array_equal(result.labels, training.pipeline.run(unseen).labels)
    assert result.n_tracks > 5
    assert training.stages["gnn"]["val_auc"] > 0.8


@pytest.mark.parametrize(
    ("labeller", "cuts"),
    [("condensation", {"beta_cut", "radius"}), ("dbscan_points", {"radius"})],
)
def test_object_condensation_makes_tracks_without_edges(
    labeller: str, cuts: set[str], tiny_store: Path, tmp_path: Path
) -> None:
    points = {
        "use": "gravnet",
        "network": {"hidden": 16, "rounds": 1, "outputs": 3},
        "training": {"epochs": 60, "learning_rate": 0.01},
    }
    changes = {"points": points, "tracks": {"use": labeller}}
    recipe = tiny_recipe(graph=None, filter=None, gnn=None, **changes)
    assert not recipe.clusters
    training = train_quietly(recipe, tiny_store, tmp_path)
    assert "val_loss" in training.stages["points"]
    assert set(training.stages["tracks"]) >= {*cuts, "target_score", "trackml_score"}
    pipeline = Pipeline.load(tmp_path)
    unseen = list_events([tiny_store])[-1].read()
    result = pipeline.run(unseen)
    np.testing.assert_array_equal(result.labels, training.pipeline.run(unseen).labels)
    assert result.state.edges is None
    assert result.state.hit["place"].shape == (unseen.n_hits, 3)
    assert [stage.name for stage in result.stages] == ["features", "points", "tracks"]
    # Tracks of the events it has seen are found: chance gives next to nothing.
    seen = list_events([tiny_store])[0].read()
    assert evaluate(seen, pipeline.run(seen).labels).score > 0.3


def test_a_transformer_makes_tracks_without_edges(tiny_store: Path, tmp_path: Path) -> None:
    stage = {
        "use": "transformer",
        "network": {
            "hidden": 32,
            "layers": 1,
            "window": 0.5,
            "decoder_layers": 1,
            "candidates": 0.5,
        },
        "training": {"epochs": 60, "learning_rate": 0.005},
        "sectors": 2,
        "margin": 0.3,
        "reflect": True,
    }
    recipe = tiny_recipe(graph=None, filter=None, gnn=None, tracks=stage)
    assert not recipe.clusters
    training = train_quietly(recipe, tiny_store, tmp_path)
    assert set(training.stages["tracks"]) >= {"val_loss", "val_found", "cut", "trackml_score"}
    pipeline = Pipeline.load(tmp_path)
    unseen = list_events([tiny_store])[-1].read()
    result = pipeline.run(unseen)
    np.testing.assert_array_equal(result.labels, training.pipeline.run(unseen).labels)
    assert result.state.edges is None
    assert result.state.hit["signal"].shape == (unseen.n_hits,)
    # Tracks of the events it has seen are found: chance gives next to nothing.
    seen = list_events([tiny_store])[0].read()
    assert evaluate(seen, pipeline.run(seen).labels).score > 0.3


def test_where_nothing_is_to_be_joined_nothing_is(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_majority: object, one: torch.Tensor, _other: object) -> torch.Tensor:
        return torch.zeros(len(one), dtype=torch.bool)

    monkeypatch.setattr("hitgraph.tracks.join.lesson.are_parts_of_one", never)
    changes = {"filter__training__epochs": 1, "gnn__training__epochs": 1}
    recipe = tiny_recipe(**changes, join=JOIN)
    training = train_quietly(recipe, tiny_store, tmp_path)
    assert training.stages["join"]["true_pairs"] == 0
    pipeline = Pipeline.load(tmp_path)
    unseen = list_events([tiny_store])[-1].read()
    kept = pipeline.run(unseen, keep=["tracks"])
    before = kept.kept["tracks"].labels
    assert before is not None
    np.testing.assert_array_equal(kept.labels, before)
