"""Trainings that begin with what another one has taught, second passes among them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.trained import RECIPE, tiny_mapping, tiny_recipe, train_quietly, write_store

from hitgraph.cli import main
from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.settings import parse
from hitgraph.studies.walk import refiners, walk
from hitgraph.studies.waterfall import waterfall

FIRST = [stage["name"] for stage in RECIPE["stages"]]
SECOND: list[dict[str, Any]] = [
    {
        "name": "graph2",
        "use": "second_pass",
        "min_hits": 4,
        "builder": {"use": "windows", "pair_coverage": 1.0, "tail": 0.0},
    },
    {
        "name": "filter2",
        "use": "filter",
        "network": {"hidden": 4, "layers": 1},
        "training": {"epochs": 1},
    },
    {"name": "tracks2", "use": "merge", "min_hits": 2},
    {"name": "both", "use": "both_passes"},
]


def two_passes() -> Recipe:
    mapping = tiny_mapping()
    return parse(Recipe, {**mapping, "stages": [*mapping["stages"], *SECOND]})


@pytest.fixture(scope="module")
def taught(tiny_store: Path, tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two passes, the first of which is that of the tiny pipeline."""
    out = tmp_path_factory.mktemp("two-passes")
    start = Pipeline.load(tiny_pipeline)
    training = train_quietly(two_passes(), tiny_store, out, start=start)
    assert training.stages["both"]["trackml_score"] >= training.stages["tracks"]["trackml_score"]
    return out


def test_stages_that_are_alike_are_taken_bit_for_bit(tiny_pipeline: Path, taught: Path) -> None:
    before, after = Pipeline.load(tiny_pipeline), Pipeline.load(taught)
    for name in FIRST:
        old, new = (pipeline.stages[name].tensors() for pipeline in (before, after))
        assert old.keys() == new.keys()
        assert all(torch.equal(old[key], new[key]) for key in old), name
    assert not (taught / "training" / "gnn" / "checkpoints").exists()
    assert (taught / "training" / "filter2" / "checkpoints").exists()


def test_the_second_pass_leaves_long_tracks_alone_and_drops_short_ones(
    tiny_store: Path, tiny_pipeline: Path, taught: Path
) -> None:
    event = list_events([tiny_store])[-1].read()
    first = Pipeline.load(tiny_pipeline).run(event).labels
    result = Pipeline.load(taught).run(event, keep=["tracks", "graph2"])
    np.testing.assert_array_equal(result.kept["tracks"].labels, first)
    sizes = np.bincount(first[first >= 0])
    long = (first >= 0) & (sizes[first] >= 4)  # all layers
    assert long.any()
    for track in np.unique(first[long]):
        (now,) = np.unique(result.labels[first == track])
        others = first[(result.labels == now) & (first != track)]
        assert not np.isin(others, np.unique(first[long])).any()
    built = np.unique(result.kept["graph2"].graph())
    on_track = np.bincount(first[built[long[built]]], minlength=len(sizes))
    assert (on_track <= 4).all()  # the first two and the last two
    assert set(result.labels[result.labels >= 0]) == set(range(result.n_tracks))


def test_ceilings_of_a_second_pass_count_the_tracks_of_the_first(
    tiny_store: Path, taught: Path
) -> None:
    event = list_events([tiny_store])[-1].read()
    steps = walk(Pipeline.load(taught), event)
    found = waterfall(event, steps)
    names = [stage["name"] for stage in found["stages"]]
    bins = next(iter(found["groups"].values())).values()
    stages = zip(*(one["stages"] for one in bins), strict=True)
    within = [sum(one["weight"] for one in stage) for stage in stages]
    ceiling = dict(zip(names, within, strict=True))
    assert ceiling["graph2"] >= ceiling["filter2"] >= ceiling["tracks2"] >= ceiling["both"]
    assert ceiling["both"] > 0.5


def test_a_second_pass_is_compared_with_the_tracks_of_the_first(taught: Path) -> None:
    assert refiners(Pipeline.load(taught)) == {"both": "tracks"}
    assert refiners(Pipeline.load("compact")) == {"both": "sure", "join": "both"}
    assert refiners(Pipeline.load("accurate")) == {"both": "sure", "join": "both", "both2": "join"}


def test_a_start_of_which_nothing_can_be_taken_is_refused(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(graph__tail=0.01)
    with pytest.raises(SettingsError, match=r"^stages\.graph: the first stage .* is not that of"):
        train_quietly(recipe, tiny_store, tmp_path, start=Pipeline.load(tiny_pipeline))
    assert not list(tmp_path.iterdir())


def test_a_start_from_another_field_is_refused(
    make_event: Callable[..., Event], tiny_pipeline: Path, tmp_path: Path
) -> None:
    events = [replace(make_event(seed=seed), field=constant(1.5)) for seed in range(5)]
    store = write_store(tmp_path / "store", events)
    with pytest.raises(SettingsError, match="another detector or in another field"):
        train_quietly(two_passes(), store, tmp_path / "o", start=Pipeline.load(tiny_pipeline))


def test_a_training_is_resumed_with_the_start_that_it_had(tiny_store: Path, taught: Path) -> None:
    with pytest.raises(SettingsError, match="another --from"):
        train_quietly(two_passes(), tiny_store, taught, resume=True)


def test_a_start_with_other_weights_in_the_same_stages_is_refused(
    tiny_store: Path, tiny_pipeline: Path, taught: Path
) -> None:
    """And nothing is done where it is the same one."""
    own = Pipeline.load(tiny_pipeline)
    again = train_quietly(two_passes(), tiny_store, taught, start=own, resume=True)
    assert again.pipeline.recipe == two_passes().settled(cells=True)
    tensors = own.stages["filter"].tensors()
    weights = {**tensors, "cut": tensors["cut"] / 2}
    settings = own.recipe.step("filter").settings
    other = settings.load(own.context, weights)
    changed = replace(own, stages={**own.stages, "filter": other})
    with pytest.raises(SettingsError, match="another --from"):
        train_quietly(two_passes(), tiny_store, taught, start=changed, resume=True)


def test_the_command_names_the_start(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_pipeline / "training" / "recipe.yaml"
    arguments = ["train", recipe, "--data", tiny_store, "--out", tmp_path, "--from", tiny_pipeline]
    assert main([str(one) for one in arguments]) == 0
    assert "gnn is taken as it is" in capsys.readouterr().out
    for name in ("weights.safetensors", "pipeline.yaml"):
        assert (tmp_path / name).read_bytes() == (tiny_pipeline / name).read_bytes()
