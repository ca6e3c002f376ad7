"""A training that was interrupted, is complete, or is another one: what --resume does."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained import (
    N_TRAIN,
    N_VALIDATION,
    SAVED,
    assert_same_pipeline,
    stages_of,
    tiny_recipe,
    train_quietly,
    write_store,
)

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.gnn.lesson import GraphLesson
from hitgraph.graph.filter.lesson import FilterLesson
from hitgraph.lessons.lesson import Batch
from hitgraph.pipeline import Pipeline
from hitgraph.training import rounds
from hitgraph.training.place import clean


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
