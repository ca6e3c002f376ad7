"""Training a whole pipeline, stage after stage: complete, interrupted, refused."""

import json
import shutil
from collections.abc import Callable, Iterator
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
    tiny_recipe,
    train_quietly,
    training_events,
    write_store,
)

from hitgraph.errors import HitgraphError, InputError, SettingsError
from hitgraph.evaluation.judging import Judged
from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.source import list_events
from hitgraph.event.truth import true_edges
from hitgraph.gnn.lesson import GraphLesson
from hitgraph.graph.filter.lesson import FilterLesson
from hitgraph.lessons.lesson import Batch
from hitgraph.pipeline import Pipeline
from hitgraph.settings import to_dict
from hitgraph.stage import NETWORKS
from hitgraph.tensors import number
from hitgraph.tracks.parts import PartPairs
from hitgraph.training import rounds
from hitgraph.training.train import clean, train

SAVED = ("weights.safetensors", "pipeline.yaml", "detectors.parquet")
STAGES = ("graph", "filter", "gnn", "tracks", "join")


def stages_of(folder: Path) -> dict[str, Any]:
    paths = {name: folder / "training" / name / "done.json" for name in STAGES}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.is_file()}


def assert_same_pipeline(one: Path, other: Path) -> None:
    for name in SAVED:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert stages_of(one) == stages_of(other)


# ---------------------------------------------------------------- complete


def test_every_stage_leaves_its_record_and_the_folder_a_pipeline(tiny_pipeline: Path) -> None:
    stages = stages_of(tiny_pipeline)
    assert stages["graph"]["edges"] > stages["filter"]["edges"] > 0
    assert 0 < stages["filter"]["efficiency"] <= stages["graph"]["efficiency"] <= 1
    pipeline = Pipeline.load(tiny_pipeline)
    for stage, key in (("filter", "cut"), ("gnn", "cut"), ("tracks", "score_cut")):
        assert float(pipeline.stages[stage].tensors()[key]) == stages[stage][key]
    assert 0 < stages["tracks"]["trackml_score"] <= 1
    written = yaml.safe_load((tiny_pipeline / "training" / "recipe.yaml").read_text())
    assert written == to_dict(tiny_recipe())
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
        "network": {"hidden": 32, "layers": 1, "window": 32, "decoder_layers": 1, "candidates": 32},
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
    def never(_majority: object, pairs: PartPairs) -> torch.Tensor:
        return torch.zeros(len(pairs.inner), dtype=torch.bool)

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


# ---------------------------------------------------------------- interrupted


def interrupting(lesson: type, epoch_to_stop: int) -> Callable[..., Iterator[Batch]]:
    """`batches` of a lesson that is interrupted after the first batch of an epoch."""
    original = lesson.batches

    def batches(self: Any, network: torch.nn.Module, epoch: int) -> Iterator[Batch]:
        for batch in original(self, network, epoch):
            yield batch
            if epoch == epoch_to_stop:
                raise KeyboardInterrupt

    return batches


def test_a_training_interrupted_twice_ends_as_the_uninterrupted_one(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lesson in (FilterLesson, GraphLesson):
        with monkeypatch.context() as patch:
            patch.setattr(lesson, "batches", interrupting(lesson, epoch_to_stop=1))
            with pytest.raises(KeyboardInterrupt):
                train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=lesson is GraphLesson)
        assert not (tmp_path / "pipeline.yaml").exists()
    train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)
    assert_same_pipeline(tmp_path, tiny_pipeline)


def test_interrupted_between_the_stages_nothing_is_done_twice_or_left_out(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill it after each file of the finished training in turn, from the last one back."""
    shutil.copytree(tiny_pipeline, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(rounds, "fit", _no_training)
    stages = reversed(stages_of(tiny_pipeline))
    done = ["pipeline.yaml", *(f"training/{stage}/done.json" for stage in stages)]
    for name in done:
        (tmp_path / name).unlink()
        train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)
        assert_same_pipeline(tmp_path, tiny_pipeline)
        (tmp_path / "pipeline.yaml").unlink()
    clean(tmp_path)
    for name in done[1:]:
        (tmp_path / name).unlink()
    train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)
    assert_same_pipeline(tmp_path, tiny_pipeline)


KEPT = [
    "training/samples/{}.safetensors",
    "training/tracks/states/{}.safetensors",
    "training/gnn/cached/train-0.safetensors",
    "training/gnn/stage.safetensors",
    "training/gnn/network.safetensors",
    "training/gnn/merit.json",
    "training/filter/done.json",
]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
@pytest.mark.parametrize("name", KEPT)
def test_a_damaged_file_of_a_training_is_one_message_and_made_anew_where_it_is_removed(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, name: str, damage: str
) -> None:
    """As interrupted in its last stage but one, whose network is trained."""
    shutil.copytree(tiny_pipeline, tmp_path, dirs_exist_ok=True)
    (tmp_path / "pipeline.yaml").unlink()
    for stage in ("tracks",) if "gnn/stage" in name else ("tracks", "gnn"):
        (tmp_path / "training" / stage / "done.json").unlink()
    path = tmp_path / name.format(list_events([tiny_store])[0].name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xA0  # no ASCII any more, which JSON would need
    wanted = {"cut": content[: len(content) // 2], "flipped": content, "empty": b""}
    path.write_bytes(wanted[damage])
    with pytest.raises(InputError, match=rf"{path}: (is|cannot).*: remove it (and go on with|or)"):
        train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)
    path.unlink()
    train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)
    for saved in SAVED:
        assert (tmp_path / saved).read_bytes() == (tiny_pipeline / saved).read_bytes()


@pytest.mark.parametrize("name", ["gnn/merit.json", "filter/done.json"])
def test_a_figure_of_a_training_that_is_no_number_is_named(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(tiny_pipeline, tmp_path, dirs_exist_ok=True)
    (tmp_path / "pipeline.yaml").unlink()
    (tmp_path / "training" / "gnn" / "done.json").unlink()
    path = tmp_path / "training" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val_loss": "low"}))
    with pytest.raises(InputError, match=rf"{path}: is damaged, val_loss is 'low' where a number"):
        train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)


def _no_training(*_args: object, **_options: object) -> None:
    raise AssertionError("this network was trained already")


def test_resuming_a_complete_training_reads_it_back(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_pipeline, tmp_path, dirs_exist_ok=True)
    clean(tmp_path)
    monkeypatch.setattr(rounds, "fit", _no_training)
    training = train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)
    assert training.stages == stages_of(tiny_pipeline)
    assert list(training.pipeline.stages) == list(Pipeline.load(tiny_pipeline).stages)
    assert len(training.train_events) == N_TRAIN
    assert len(training.validation_events) == N_VALIDATION


def test_another_seed_gives_another_pipeline(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    train_quietly(tiny_recipe(seed=4), tiny_store, tmp_path)
    one, other = (Pipeline.load(folder) for folder in (tiny_pipeline, tmp_path))
    for stage in ("filter", "gnn"):
        key = "network.rest.0.weight" if stage == "filter" else "network.classify.0.weight"
        weights = [some.stages[stage].tensors()[key] for some in (one, other)]
        assert not torch.equal(*weights)


def test_a_training_begun_by_an_older_version_goes_on(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recipe lacks the keys that have come with a default since."""
    shutil.copytree(tiny_pipeline, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "training" / "identity.json"
    identity = json.loads(path.read_text())
    del identity["recipe"]["stages"][2]["reflect"]
    path.write_text(json.dumps(identity))
    monkeypatch.setattr(rounds, "fit", _no_training)
    train_quietly(tiny_recipe(), tiny_store, tmp_path, resume=True)


# ---------------------------------------------------------------- refused


def test_a_folder_with_a_training_is_not_written_over(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="a training was begun here: go on with --resume"):
        train_quietly(tiny_recipe(), tiny_store, tiny_pipeline)
    with pytest.raises(SettingsError, match=r"another recipe, other events.*recipe\.yaml"):
        train_quietly(tiny_recipe(seed=4), tiny_store, tiny_pipeline, resume=True)
    for name in SAVED:
        shutil.copy(tiny_pipeline / name, tmp_path / name)
    with pytest.raises(SettingsError, match="holds a pipeline that was not trained here"):
        train_quietly(tiny_recipe(), tiny_store, tmp_path)
    assert not (tmp_path / "training").exists()


def test_resuming_with_other_events_is_refused(
    tiny_pipeline: Path, tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    events = [make_event(n_particles=5, seed=100 + k) for k in range(6)]
    store = write_store(tmp_path / "store", events)
    with pytest.raises(SettingsError, match="another recipe, other events"):
        train_quietly(tiny_recipe(), store, tiny_pipeline, resume=True)


def test_too_few_events_are_counted(tiny_store: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data__train_events=5)
    with pytest.raises(InputError, match=r"5 events to train and 2 to validate.*the data has 6"):
        train_quietly(recipe, tiny_store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


Change = Callable[[Event], Event]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda event: replace(event, truth=None), "no truth table"),
        (lambda event: replace(event, cells=None), "no cell table"),
    ],
    ids=["truth", "cells"],
)
def test_events_that_cannot_teach_are_refused(
    make_event: Callable[..., Event], tmp_path: Path, change: Change, message: str
) -> None:
    store = write_store(
        tmp_path / "store", [change(event) for event in training_events(make_event)]
    )
    with pytest.raises(InputError, match=message):
        train_quietly(tiny_recipe(), store, tmp_path / "out")
    assert not (tmp_path / "out" / "pipeline.yaml").exists()


def test_after_a_refusal_for_want_of_truth_the_folder_is_still_free(
    make_event: Callable[..., Event], tiny_store: Path, tmp_path: Path
) -> None:
    events = [replace(event, truth=None) for event in training_events(make_event)]
    with pytest.raises(InputError, match="no truth table"):
        train_quietly(tiny_recipe(), write_store(tmp_path / "bare", events), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tiny_store / "detectors.parquet").rename(tiny_store / "elsewhere.parquet")
    try:
        with pytest.raises(InputError, match=r"no detectors table beside.*--detectors"):
            train_quietly(tiny_recipe(), tiny_store, tmp_path / "out")
    finally:
        (tiny_store / "elsewhere.parquet").rename(tiny_store / "detectors.parquet")
    assert not (tmp_path / "out").exists()


def test_events_without_a_target_particle_are_refused(tiny_store: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(truth__min_pt=100.0)
    with pytest.raises(InputError, match=r"3 training events have no true edge.*pT > 100 GeV"):
        train_quietly(recipe, tiny_store, tmp_path)


def test_two_events_of_one_name_are_refused(
    make_event: Callable[..., Event], tiny_store: Path, tmp_path: Path
) -> None:
    again = write_store(tmp_path / "again", [make_event(n_particles=5, seed=0)])
    sources = list_events([tiny_store, again])
    with pytest.raises(InputError, match="event000001000 is there twice"):
        train(tiny_recipe(), sources, tmp_path / "out", quiet=True)


def test_a_device_that_is_not_there_is_refused_first(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="device: cuda:99 is not there"):
        train_quietly(tiny_recipe(), tiny_store, tmp_path / "out", device="cuda:99")
    assert not (tmp_path / "out").exists()


def test_a_training_that_blows_up_says_so(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(self: object, network: object, batch: object) -> dict[str, float]:
        del self, network, batch
        return {"val_loss": float("nan")}

    monkeypatch.setattr(FilterLesson, "measure", measure)
    with pytest.raises(HitgraphError, match=r"val_loss became .* lower stages.filter.training"):
        train_quietly(tiny_recipe(filter__training__epochs=1), tiny_store, tmp_path)
    assert not (tmp_path / "pipeline.yaml").exists()


def test_events_without_weights_choose_no_cut_and_give_no_nan(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    """The validation events are noise as far as weights go: the recipe's cut stays."""
    events = training_events(make_event)
    for k in range(N_TRAIN, N_TRAIN + N_VALIDATION):
        truth = events[k].truth
        assert truth is not None
        events[k] = replace(events[k], truth=replace(truth, weight=np.zeros_like(truth.weight)))
    recipe = tiny_recipe(tracks__score_cut=0.37, gnn__training__epochs=1)
    training = train_quietly(recipe, write_store(tmp_path / "store", events), tmp_path / "out")
    assert training.stages["tracks"] == {"score_cut": 0.37}


def test_a_refused_start_does_not_bind_the_folder(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no true edge of a target particle"):
        train_quietly(tiny_recipe(truth={"min_pt": 1e6}), tiny_store, tmp_path)
    train_quietly(tiny_recipe(), tiny_store, tmp_path)
    assert (tmp_path / "pipeline.yaml").is_file()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"hidden": 10**6}, r"stages\.gnn\.network\.hidden: 1000000 is not allowed, at most 16384"),
        (
            {"hidden": 16_000, "mlp_hidden": 16_000},
            r"stages\.gnn\.network: a network of [\d,]+ parameters",
        ),
    ],
)
def test_a_network_that_is_too_large_is_refused_before_anything_is_made(
    tiny_store: Path, tmp_path: Path, network: dict[str, Any], message: str
) -> None:
    recipe = tiny_recipe(gnn__network={"use": "interaction", **network})
    with pytest.raises(SettingsError, match=message):
        train_quietly(recipe, tiny_store, tmp_path / "out")
    assert not (tmp_path / "out").exists()
