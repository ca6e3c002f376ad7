"""What cannot be taught from, and is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.trained import (
    N_TRAIN,
    N_VALIDATION,
    tiny_recipe,
    train_quietly,
    training_events,
    write_store,
)

from hitgraph.errors import HitgraphError, InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.source import list_events
from hitgraph.graph.filter.lesson import FilterLesson
from hitgraph.training.train import train


def test_too_few_events_are_counted(tiny_store: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(data__train_events=5)
    with pytest.raises(InputError, match=r"5 events to train and 2 to validate.*the data has 6"):
        train_quietly(recipe, tiny_store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def without_cells(store: Path, folder: Path) -> Path:
    """The events of a folder without their cells."""
    shutil.copytree(store, folder)
    for path in folder.glob("*.cells.parquet"):
        path.unlink()
    return folder


@pytest.mark.parametrize(
    "asked", [{"graph__cluster_shape": True}, {"gnn__hit_inputs": ["r", "z", "charge"]}], ids=str
)
def test_a_recipe_that_asks_for_clusters_is_refused_where_no_event_has_cells(
    asked: dict[str, Any], tiny_store: Path, tmp_path: Path
) -> None:
    bare = without_cells(tiny_store, tmp_path / "bare")
    (name,) = {key.partition("__")[0] for key in asked}
    expected = rf"bare/event000001000: the 5 events have no cells.* stages {name} ask for clusters"
    with pytest.raises(InputError, match=expected):
        train_quietly(tiny_recipe(**asked), bare, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_event_without_cells_among_others_is_named(tiny_store: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_store, tmp_path / "mixed")
    (folder / "event000001001.cells.parquet").unlink()
    with pytest.raises(InputError, match="event000001001: no cell table"):
        train_quietly(tiny_recipe(), folder, tmp_path / "out")


def test_events_in_another_field_than_the_first_are_refused(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    """What is learnt of curvatures would hold in neither."""
    first, *others = training_events(make_event)
    fields = constant(2.0), constant(3.8)
    events = [replace(first, field=fields[0]), *(replace(one, field=fields[1]) for one in others)]
    write_store(tmp_path / "mixed", events)
    expected = r"event000001001: was taken in the field constant:3\.8, the first .* constant:2:"
    with pytest.raises(InputError, match=expected):
        train_quietly(tiny_recipe(), tmp_path / "mixed", tmp_path / "out")


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
