"""Recipes: those that the project ships, and those that it refuses."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.trained import RADIUS, tiny_mapping, tiny_recipe

from hitgraph.errors import InputError, SettingsError
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.graph.filter import FilterSettings
from hitgraph.graph.radius.embedding import EmbeddingSettings
from hitgraph.graph.windows import WindowSettings
from hitgraph.recipe import RadiusStage, Recipe, read_recipe
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
    assert isinstance(recipe.graph, RadiusStage)
    assert recipe.graph.network == EmbeddingSettings(512, 6, 8, "tanh", layer_norm=True)
    assert recipe.filter.network == FilterSettings(1024, 3, "hits")
    assert recipe.gnn.network == InteractionSettings(64, 128, 8, residual=False, gated=False)
    assert recipe.gnn.hit_inputs == ("r", "phi", "z")
    assert isinstance(recipe.tracks, ComponentsSettings)


def test_the_graph_builder_is_chosen_by_name() -> None:
    assert isinstance(tiny_recipe().graph, WindowSettings)
    assert isinstance(tiny_recipe(graph=RADIUS).graph, RadiusStage)


def test_without_clusters_only_positions_and_geometry_are_seen() -> None:
    recipe = tiny_recipe(clusters=False, graph__cluster_shape=False)
    assert recipe.hit_features == ("r", "phi", "z")
    assert set(recipe.pair_features) < set(tiny_recipe().pair_features)
    assert not any("charge" in name for name in recipe.pair_features)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed: -1 is not allowed, 0 to 4294967295"),
        ({"seed": 2**32}, "seed: 4294967296 is not allowed"),
        ({"data__train_events": 0}, "data.train_events: 0 is not allowed, at least 1"),
        ({"truth__min_pt": -0.5}, "truth.min_pt: -0.5 GeV is not allowed, at least 0"),
        ({"truth__min_hits": 1}, "truth.min_hits: 1 is not allowed, at least 2"),
        ({"truth__skip_edges": True}, "truth.skip_edges: True is not allowed .*'true', 'neutral'"),
        ({"graph__builder": "knn"}, "graph.builder: 'knn' is not allowed; one of windows, radius"),
        ({"tracks__builder": "dbscan"}, "tracks.builder: 'dbscan' is not allowed; one of comp"),
        ({"tracks__score_cut": 1.5}, "tracks.score_cut: 1.5"),
        ({"filter__network__hidden": 0}, "filter.network.hidden: 0 is not allowed, at least 1"),
        ({"filter__network__inputs": "cells"}, "filter.network.inputs: 'cells' is not allowed"),
        ({"filter__target_efficiency": 98}, "filter.target_efficiency: 98.0 is not in"),
        ({"filter__target_efficiency": 0}, "filter.target_efficiency: 0.0 is not in"),
        ({"filter__batches_per_event": 0}, "filter.batches_per_event: 0 is not allowed"),
        ({"filter__training__epochs": 0}, "filter.training.epochs: 0 is not allowed, at least 1"),
        ({"filter__training__learning_rate": 0}, "filter.training.learning_rate: 0.0 is not"),
        ({"filter__training__precision": "8"}, "filter.training.precision: '8' is not allowed"),
        ({"filter__training__warmup": 1.0}, "filter.training.warmup: 1.0 is not in"),
        ({"gnn__network__steps": 0}, "gnn.network.steps: 0 is not allowed, at least 1"),
        ({"gnn__training__weight_decay": -1}, "gnn.training.weight_decay: -1.0 is not allowed"),
        ({"gnn__training__gradient_clip": -1}, "gnn.training.gradient_clip: -1.0 is not"),
        ({"gnn__hit_inputs": ["r", "x"]}, "gnn.hit_inputs: 'x' is not allowed; any of r, phi, z"),
        ({"gnn__edge_inputs": ["d"]}, "gnn.edge_inputs: 'd' is not allowed; any of curvature"),
        ({"gnn__sectors": 0}, "gnn.sectors: 0 is not allowed, at least 1"),
        ({"graph": RADIUS | {"target_efficiency": 1.1}}, "graph.target_efficiency: 1.1 is not in"),
        ({"graph": RADIUS | {"max_neighbours": 0}}, "graph.max_neighbours: 0 is not allowed"),
        ({"graph": RADIUS | {"random_epochs": -1}}, "graph.random_epochs: -1 is not allowed"),
        ({"graph__tail": 0.5}, "graph.tail: 0.5 is not in"),
    ],
)
def test_a_setting_out_of_range_is_named_with_file_and_value(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny_mapping(**changes)))
    with pytest.raises(SettingsError, match=f"mine.yaml: {message}"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"clusters": False},
            "graph.cluster_shape: true needs clusters: true",
        ),
        (
            {"clusters": False, "graph__cluster_shape": False, "gnn__hit_inputs": ["r", "charge"]},
            "gnn.hit_inputs: 'charge' needs clusters: true",
        ),
        (
            {"clusters": False, "graph": RADIUS, "gnn__edge_inputs": ["inner_u"]},
            "gnn.edge_inputs: 'inner_u' needs clusters: true",
        ),
        (
            {"gnn__reflect": True, "gnn__hit_inputs": ["r", "geta"]},
            "gnn.hit_inputs: 'geta' has no mirror image",
        ),
        (
            {"filter__training__checkpointing": True},
            "filter.training.checkpointing: true is not allowed here",
        ),
        (
            {"graph": RADIUS | {"training": {"checkpointing": True}}},
            "graph.training.checkpointing: true is not allowed here",
        ),
        (
            {"join": {"network": {}, "training": {"checkpointing": True}}},
            "join.training.checkpointing: true is not allowed here",
        ),
        (
            {"join": {"network": {}, "training": {"trackml_weights": True}}},
            "join.training.trackml_weights: true is allowed under filter and gnn only",
        ),
        ({"filter": None}, "filter: is missing; only graph.builder scored may do without"),
        (
            {"gnn__edge_inputs": ["filter_logit", "inner_best"]},
            "gnn.edge_inputs: 'inner_best' needs the section triplets",
        ),
        (
            {"triplets": {"network": {}, "training": {}, "skip_weight": 2.0}},
            "triplets.skip_weight: 2.0 is not in",
        ),
        (
            {"triplets": {"network": {}, "training": {}, "events": 0}},
            "triplets.events: 0 is not allowed",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        tiny_recipe(**changes)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_recipe(tmp_path / "none.yaml")
