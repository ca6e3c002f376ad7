"""Recipes: those that the project ships, and those that it refuses."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.trained import NO_CLUSTERS, RADIUS, tiny_mapping, tiny_recipe

from hitgraph.errors import InputError, SettingsError
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.graph.filter import FilterSettings
from hitgraph.graph.radius.embedding import EmbeddingSettings
from hitgraph.graph.radius.stage import RadiusSettings
from hitgraph.graph.windows import WindowSettings
from hitgraph.hits.columns import FEATURES
from hitgraph.recipe import Recipe, read_recipe
from hitgraph.settings import parse, to_dict
from hitgraph.tracks import ComponentsSettings

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_read_and_written_without_loss(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.description
    again = yaml.safe_load(yaml.safe_dump(to_dict(recipe)))
    assert parse(Recipe, again) == recipe


def test_the_recipes_of_the_interface_are_there() -> None:
    assert {"quickstart", "reference"} <= {path.stem for path in RECIPES}


def test_the_reference_recipe_has_the_sizes_of_the_paper() -> None:
    """arXiv 2103.06995, section 5."""
    recipe = read_recipe(next(path for path in RECIPES if path.stem == "reference"))
    settings = settings_of(recipe)
    assert settings["graph"].network == EmbeddingSettings(512, 6, 8, "tanh", layer_norm=True)
    assert settings["graph"].hit_inputs == FEATURES
    assert settings["filter"].network == FilterSettings(1024, 3, "hits")
    assert settings["gnn"].network == InteractionSettings(64, 128, 8, residual=False, gated=False)
    assert settings["gnn"].hit_inputs == ("r", "phi", "z")
    assert isinstance(settings["tracks"], ComponentsSettings)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    return {step.name: step.settings for step in recipe.stages}


def test_the_graph_builder_is_chosen_by_name() -> None:
    assert isinstance(settings_of(tiny_recipe())["graph"], WindowSettings)
    assert isinstance(settings_of(tiny_recipe(graph=RADIUS))["graph"], RadiusSettings)


def test_a_recipe_that_leaves_clusters_to_the_events_fits_both_kinds() -> None:
    again: dict[str, Any] = {"name": "again", "use": "second_pass", "builder": {"use": "scored"}}
    mapping = tiny_mapping()
    mapping["stages"] += [
        again,
        {"name": "embedded", **RADIUS},
        {"name": "all", "use": "filter"},
        {"name": "more", "use": "merge"},
        {"name": "fit", "use": "helix_fit"},
    ]
    recipe = parse(Recipe, mapping)
    with_cells, without = recipe.settled(cells=True), recipe.settled(cells=False)
    assert recipe.clusters
    assert with_cells.clusters
    assert not without.clusters
    assert with_cells.seeing_clusters == recipe.seeing_clusters
    assert {"graph", "filter", "again", "embedded", "all", "fit"} == set(recipe.seeing_clusters)
    assert settings_of(without)["embedded"].hit_inputs == ("r", "phi", "z")
    assert without.settled(cells=True) == without  # what is settled stays so
    assert settings_of(with_cells)["again"].builder.cluster_shape is True


def test_what_a_recipe_asks_for_by_name_is_not_left_to_the_events() -> None:
    for asked in (
        {"graph__cluster_shape": True},
        {"filter__pair_inputs": ["geometry", "inner_charge"]},
        {"gnn__hit_inputs": ["r", "charge"]},
    ):
        recipe = tiny_recipe(**(NO_CLUSTERS | asked))
        assert recipe.settled(cells=False).clusters
    assert tiny_recipe(**NO_CLUSTERS).settled(cells=True) == tiny_recipe(**NO_CLUSTERS)


def test_cells_are_read_where_a_stage_uses_what_comes_from_them() -> None:
    assert tiny_recipe().clusters
    assert not tiny_recipe(**NO_CLUSTERS).clusters
    assert tiny_recipe(**NO_CLUSTERS, gnn__hit_inputs=["r", "charge"]).clusters
    assert tiny_recipe(**NO_CLUSTERS, gnn__edge_inputs=["inner_u"]).clusters
    position = {**RADIUS, "hit_inputs": ["position"]}
    assert not tiny_recipe(graph=position, filter__pair_inputs=["geometry"]).clusters


def test_groups_of_columns_are_written_out() -> None:
    """So that a saved pipeline names every column it uses."""
    written = to_dict(tiny_recipe(**NO_CLUSTERS))["stages"][1]
    assert written["name"] == "filter"
    assert written["pair_inputs"][:3] == ["curvature", "z0", "slope"]
    assert written["hit_inputs"] == []
    assert len(written["pair_inputs"]) == 13


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed: -1 is not allowed, 0 to 4294967295"),
        ({"seed": 2**32}, "seed: 4294967296 is not allowed"),
        ({"data__train_events": 0}, "data.train_events: 0 is not allowed, at least 1"),
        ({"truth__min_pt": -0.5}, "truth.min_pt: -0.5 GeV is not allowed, at least 0"),
        ({"truth__min_hits": 1}, "truth.min_hits: 1 is not allowed, at least 2"),
        ({"truth__skip_edges": True}, "truth.skip_edges: True is not allowed .*'true', 'neutral'"),
        (
            {"graph__use": "knn"},
            "stages.graph.use: 'knn' is not allowed; one of windows, scored, rad",
        ),
        ({"gnn__network__use": "gat"}, "gnn.network.use: 'gat' is not allowed; one of inte"),
        ({"tracks__score_cut": 1.5}, "tracks.score_cut: 1.5"),
        (
            {"filter__network__hidden": 0},
            "stages.filter.network.hidden: 0 is not allowed, at least 1",
        ),
        (
            {"filter__network__inputs": "cells"},
            "stages.filter.network.inputs: 'cells' is not allowed",
        ),
        ({"filter__target_efficiency": 98}, "filter.target_efficiency: 98.0 is not in"),
        ({"filter__target_efficiency": 0}, "filter.target_efficiency: 0.0 is not in"),
        ({"filter__batches_per_event": 0}, "filter.batches_per_event: 0 is not allowed"),
        (
            {"filter__training__epochs": 0},
            "stages.filter.training.epochs: 0 is not allowed, at least 1",
        ),
        (
            {"filter__training__learning_rate": 0},
            "stages.filter.training.learning_rate: 0.0 is not",
        ),
        (
            {"filter__training__precision": "8"},
            "stages.filter.training.precision: '8' is not allowed",
        ),
        ({"filter__training__warmup": 1.0}, "filter.training.warmup: 1.0 is not in"),
        ({"gnn__network__steps": 0}, "gnn.network.steps: 0 is not allowed, at least 1"),
        (
            {"gnn__training__weight_decay": -1},
            "stages.gnn.training.weight_decay: -1.0 is not allowed",
        ),
        ({"gnn__training__gradient_clip": -1}, "gnn.training.gradient_clip: -1.0 is not"),
        ({"gnn__hit_inputs": []}, "gnn.hit_inputs: is empty"),
        (
            {"filter__pair_inputs": ["d"]},
            "stages.filter.pair_inputs: 'd' is not allowed; any of cu",
        ),
        ({"graph": RADIUS | {"hit_inputs": ["px"]}}, "graph.hit_inputs: 'px' is not allowed"),
        ({"gnn__sectors": 0}, "gnn.sectors: 0 is not allowed, at least 1"),
        (
            {"graph": RADIUS | {"target_efficiency": 1.1}},
            "stages.graph.target_efficiency: 1.1 is not in",
        ),
        (
            {"graph": RADIUS | {"max_neighbours": 0}},
            "stages.graph.max_neighbours: 0 is not allowed",
        ),
        (
            {"graph": RADIUS | {"random_epochs": -1}},
            "stages.graph.random_epochs: -1 is not allowed",
        ),
        ({"graph__tail": 0.5}, "graph.tail: 0.5 is not in"),
    ],
)
def test_a_setting_out_of_range_is_named_with_file_and_value(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny_mapping(**changes)))
    with pytest.raises(SettingsError, match=rf"mine.yaml: (stages\.)?{message}"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"gnn__hit_inputs": ["r", "px"]},
            r"stages.gnn: needs hit.px, which nothing before it gives \(there is: edge.logit, "
            r"edges, hits\); no stage gives it",
        ),
        (
            {"gnn__edge_inputs": ["logit", "inner_best"]},
            r"stages.gnn: needs edge.inner_best, .*; put one of these before it: triplets",
        ),
        (
            {"filter": None},
            r"stages.gnn: needs edge.logit, .*\(there is: edges, hits\); .*: scored, filter, tri",
        ),
        ({"graph": None}, r"stages.filter: needs edges, .*before it: windows, scored, radius"),
        ({"tracks": None}, r"stages: no stage gives labels, .*: .*components, walkthrough"),
        (
            {"tracks": None, "join": {"use": "join"}},
            r"stages.join: needs labels, .*before it: .*components, walkthrough",
        ),
        (
            {"gnn__reflect": True, "gnn__hit_inputs": ["r", "geta"]},
            "stages.gnn.hit_inputs: 'geta' has no mirror image",
        ),
        ({"gnn__mirrors": ["y", "z", "y"]}, r"stages.gnn.mirrors: \[y, z, y\] names one twice"),
        ({"gnn__mirrors": []}, "stages.gnn.mirrors: is empty"),
        ({"gnn__mirrors": ["phi"]}, "stages.gnn.mirrors: .*'phi'.* is not allowed"),
        (
            {"gnn__network": {"use": "interaction", "norm": "group"}},
            "stages.gnn.network.norm: 'group' is not allowed",
        ),
        (
            {"filter__training__checkpointing": True},
            "stages.filter.training.checkpointing: true is not allowed here",
        ),
        (
            {"graph": RADIUS | {"training": {"checkpointing": True}}},
            "stages.graph.training.checkpointing: true is not allowed here",
        ),
        (
            {"join": {"use": "join", "training": {"checkpointing": True}}},
            "stages.join.training.checkpointing: true is not allowed here",
        ),
        (
            {"join": {"use": "join", "training": {"trackml_weights": True}}},
            "stages.join.training.trackml_weights: true is allowed for filters and edge networks",
        ),
        (
            {"triplets": {"use": "triplets", "skip_weight": 2.0}},
            "stages.triplets.skip_weight: 2.0 is not in",
        ),
        (
            {"triplets": {"use": "triplets", "events": 0}},
            "stages.triplets.events: 0 is not allowed",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        tiny_recipe(**changes)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"graph": {}}, r"^stages: expected a list of stages, found \{'graph'"),
        (["scored"], r"^stages\[0\]: expected keys and values, found 'scored'"),
        ([{"use": "scored"}], r"^stages\[0\].name: None is not allowed"),
        ([{"name": "Graph", "use": "scored"}], r"^stages\[0\].name: 'Graph' is not allowed"),
        ([{"name": "features", "use": "scored"}], r"^stages\[0\].name: 'features' is not"),
        ([{"name": "graph"}], r"^stages.graph.use: None is not allowed; one of windows"),
        ([{"name": "graph", "use": "scored"}] * 2, r"^stages.graph: the name is there twice"),
    ],
)
def test_a_list_of_stages_that_is_none_is_refused(stages: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(Recipe, tiny_mapping(stages=stages))


def test_a_new_graph_has_none_of_the_columns_of_the_one_before() -> None:
    mapping = tiny_mapping(gnn__edge_inputs=["curvature"])
    again = {"name": "again", "use": "windows"}
    stages = mapping["stages"]
    with pytest.raises(SettingsError, match=r"stages.tracks: needs edge.logit"):
        parse(Recipe, {**mapping, "stages": [*stages[:3], again, stages[3]]})
    parse(Recipe, {**mapping, "stages": [*stages[:2], again, *stages[2:]]})


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_recipe(tmp_path / "none.yaml")
