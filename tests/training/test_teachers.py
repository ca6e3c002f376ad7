"""Networks that learn from what taught pipelines say of edges, or begin with their weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained import JOIN, N_TRAIN, N_VALIDATION, RADIUS, tiny_recipe, train_quietly

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.lessons.samples import Sample, make_sample, read_kept
from hitgraph.lessons.settings import TruthSettings
from hitgraph.lessons.teacher import Teacher, save_scores
from hitgraph.pipeline import Pipeline
from hitgraph.training.teachers import edge_scores

SLOW = {"epochs": 1, "learning_rate": 1e-9}  # nothing is learnt


@pytest.fixture
def sample(make_event: Callable[..., Event]) -> Sample:
    event = make_event(n_particles=3, n_noise=2, seed=4)
    assert event.detector is not None
    return make_sample(event, event.detector, False, TruthSettings())


def test_labels_are_mixed_with_scores_where_there_are_any(sample: Sample, tmp_path: Path) -> None:
    """By hand: 0-1 and 1-2 have scores, the former two, of which the last counts."""
    scored = torch.tensor([[0, 1, 0], [1, 2, 1]])
    path = tmp_path / f"{sample.name}.safetensors"
    save_scores(scored, torch.tensor([0.1, 0.5, 0.8]), len(sample.hits), path)
    edges, y = torch.tensor([[2, 1, 0], [3, 2, 1]]), torch.tensor([1.0, 1.0, 0.0])
    soft = Teacher(tmp_path, 0.25).soften(sample, edges, y)
    torch.testing.assert_close(soft, torch.tensor([1.0, 0.875, 0.2]))
    assert Teacher().soften(sample, edges, y) is y
    save_scores(scored[:, :0], torch.zeros(0), len(sample.hits), path)
    assert torch.equal(Teacher(tmp_path, 0.25).soften(sample, edges, y), y)


def test_a_teacher_says_of_each_edge_what_the_last_stage_said(
    tiny_store: Path, tiny_pipeline: Path
) -> None:
    event = list_events([tiny_store])[0].read()
    pipeline: Any = Pipeline.load(tiny_pipeline)
    built = pipeline.stages["graph"](pipeline.start(event))
    filtered = pipeline.stages["filter"](built)
    edges, score = edge_scores(pipeline, event)
    said = {
        tuple(edge): value for edge, value in zip(edges.T.tolist(), score.tolist(), strict=True)
    }
    judged = zip(filtered.edges.T.tolist(), pipeline.stages["gnn"].logits(filtered), strict=True)
    last = {tuple(edge): float(torch.sigmoid(logit)) for edge, logit in judged}
    assert 0 < len(last) < built.n_edges
    assert said.keys() == {tuple(edge) for edge in built.edges.T.tolist()}
    assert {edge: said[edge] for edge in last} == pytest.approx(last, abs=1e-5)


def test_training_events_have_its_scores_and_validation_events_labels(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    taught = {"teacher": str(tiny_pipeline), "teacher_weight": 1.0}
    recipe = tiny_recipe(gnn__training={**SLOW, **taught})
    start = Pipeline.load(tiny_pipeline)
    train_quietly(recipe, tiny_store, tmp_path, start=start)
    events = list_events([tiny_store])
    cached = tmp_path / "training" / "gnn" / "cached"
    for number in range(N_TRAIN):
        graph = read_kept(cached / f"train-{number}.safetensors")
        event = events[number].read()
        edges, score = edge_scores(start, event)
        key, own = (one[0].long() * event.n_hits + one[1] for one in (edges, graph["edge_index"]))
        said = dict(zip(key.tolist(), score.tolist(), strict=True))
        assert graph["y"].tolist() == pytest.approx([said[one] for one in own.tolist()])
    for number in range(N_VALIDATION):
        y = read_kept(cached / f"validation-{number}.safetensors")["y"]
        assert set(y.tolist()) <= {0, 1}


@pytest.mark.parametrize("stage", ["filter", "triplets"])
def test_filters_learn_from_a_teacher(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, stage: str
) -> None:
    """The same seed comes to other weights with its scores than with labels."""
    triplets = {"use": "triplets", "network": {"hidden": 8}, "target_efficiency": 0.95}
    changes = {"triplets": triplets} if stage == "triplets" else {}
    found = []
    for teacher in ({}, {"teacher": str(tiny_pipeline)}):
        training = {f"{stage}__training": {"epochs": 1, "learning_rate": 0.02, **teacher}}
        recipe = tiny_recipe(**changes, **training, gnn__training=SLOW)
        train_quietly(recipe, tiny_store, tmp_path / str(len(found)))
        found.append(Pipeline.load(tmp_path / str(len(found))).stages[stage].tensors())
    assert any(not torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_a_network_begins_with_the_first_rounds_of_another(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    start = Pipeline.load(tiny_pipeline)
    training = {**SLOW, "begin_with": str(tiny_pipeline)}
    recipe = tiny_recipe(gnn__network__steps=1, gnn__training=training)
    train_quietly(recipe, tiny_store, tmp_path, start=start)
    one, two = (pipeline.stages["gnn"].tensors() for pipeline in (Pipeline.load(tmp_path), start))
    weights = [key for key in one if key.startswith("network.")]
    assert "network.rounds.0.edge_out.weight" in weights
    assert "network.rounds.1.edge_out.weight" in two.keys() - one.keys()
    for key in weights:
        torch.testing.assert_close(one[key], two[key], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gnn__training": {"teacher": "nobody"}}, r"stages\.gnn\.training\.teacher: .*nobody"),
        ({"gnn__training": {"begin_with": "nobody"}}, r"gnn\.training\.begin_with: .*nobody"),
        (
            {"filter__training": {"begin_with": "compact"}},
            r"filter\.training\.begin_with: compact has no stage filter, it has graph, triplets",
        ),
        (
            {"gnn__training": {"begin_with": "TINY"}, "gnn__network": {"use": "gcn"}},
            r"gnn\.training\.begin_with: no weight of .* has the shape",
        ),
    ],
)
def test_who_cannot_teach_is_named(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    for value in changes.values():
        if value.get("begin_with") == "TINY":
            value["begin_with"] = str(tiny_pipeline)
    with pytest.raises(SettingsError, match=message):
        train_quietly(tiny_recipe(**changes), tiny_store, tmp_path)


@pytest.mark.parametrize("stage", [{"graph": RADIUS}, {"join": JOIN}])
def test_who_labels_no_edges_has_no_teacher(stage: dict[str, Any]) -> None:
    ((name, settings),) = stage.items()
    changes = {name: {**settings, "training": {"teacher": "compact"}}}
    with pytest.raises(SettingsError, match=rf"{name}\.training\.teacher: .* only for filters"):
        tiny_recipe(**changes)


@pytest.mark.parametrize("weight", [0.0, 1.5])
def test_a_share_of_the_label_is_needed(weight: float) -> None:
    with pytest.raises(SettingsError, match="teacher_weight"):
        tiny_recipe(gnn__training={"teacher": "compact", "teacher_weight": weight})
