"""What varies in a search."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.trained import tiny_recipe

from hitgraph.errors import SettingsError
from hitgraph.search.space import Given, OneOf, Range, Space, read_space

NETWORK = {
    "one_of": [
        {"use": "interaction", "hidden": {"low": 4, "high": 8}, "mlp_hidden": 8, "steps": 2},
        {"use": "gcn", "hidden": {"one_of": [4, 16]}},
    ]
}


def space_of(path: Path, content: dict[str, Any], **recipe: Any) -> Space:
    path.write_text(yaml.safe_dump(content))
    return read_space(path, tiny_recipe(**recipe))


def settings_of(space: Space, stage: str, values: dict[str, Any]) -> Any:
    return space.make(Given(values)).step(stage).settings


def test_only_what_is_named_varies(tmp_path: Path) -> None:
    space = space_of(
        tmp_path / "s", {"stages.gnn.training.learning_rate": {"low": 0.1, "high": 0.2}}
    )
    made = space.make(Given({"stages.gnn.training.learning_rate": 0.15}))
    assert made == tiny_recipe(gnn__training__learning_rate=0.15)


def test_an_alternative_asks_for_its_own_keys_only(tmp_path: Path) -> None:
    space = space_of(tmp_path / "s", {"stages.gnn.network": NETWORK})
    asked = {}
    for use in ("interaction", "gcn"):
        space.make(choose := Given({"stages.gnn.network": use}))
        asked[use] = list(choose.asked)
    assert asked == {
        "interaction": ["stages.gnn.network", "stages.gnn.network.interaction.hidden"],
        "gcn": ["stages.gnn.network", "stages.gnn.network.gcn.hidden"],
    }


def test_every_end_and_alternative_is_a_corner(tmp_path: Path) -> None:
    space = space_of(tmp_path / "s", {"stages.gnn.network": NETWORK})
    networks: list[Any] = [made.step("gnn").settings.network for _, made in space.corners()]  # type: ignore[attr-defined]
    assert {(type(one).__name__, one.hidden) for one in networks} == {
        ("InteractionSettings", 4),
        ("InteractionSettings", 8),
        ("GcnSettings", 4),
        ("GcnSettings", 16),
    }


def test_the_recipe_is_found_in_its_space(tmp_path: Path) -> None:
    space = space_of(tmp_path / "s", {"stages.gnn.network": NETWORK})
    found = space.values_of_recipe()
    assert found == {
        "stages.gnn.network": "interaction",
        "stages.gnn.network.interaction.hidden": 8,
    }
    assert space.make(Given(found)) == space.recipe
    outside = space_of(tmp_path / "s", {"stages.gnn.network": NETWORK}, gnn__network__steps=3)
    assert outside.values_of_recipe() is None
    network = {**NETWORK["one_of"][0], "hidden": {"low": 4, "high": 10, "step": 3}}
    between = space_of(tmp_path / "s", {"stages.gnn.network": {"one_of": [network]}})
    assert between.values_of_recipe() is None  # 8, between the steps 7 and 10


def test_lists_and_whole_stages_are_alternatives_and_a_stage_can_be_left_out(
    tmp_path: Path,
) -> None:
    content = {
        "stages.gnn.edge_inputs": {"one_of": [["curvature"], ["curvature", "z0"]]},
        "stages.tracks": {"one_of": [{"use": "components"}, {"use": "merge", "min_hits": 3}]},
        "stages.filter": {"one_of": [None, {"use": "layer_mlps"}]},
    }
    space = space_of(tmp_path / "s", content)
    made = space.make(
        Given(
            {
                "stages.gnn.edge_inputs": '["curvature", "z0"]',
                "stages.tracks": "merge",
                "stages.filter": None,
            }
        )
    )
    assert [step.name for step in made.stages] == ["graph", "gnn", "tracks"]
    gnn, tracks = made.step("gnn").settings, made.step("tracks").settings
    assert gnn.edge_inputs == ("curvature", "z0")  # type: ignore[attr-defined]
    assert tracks.min_hits == 3  # type: ignore[attr-defined]


def test_alternatives_that_use_the_same_are_told_apart(tmp_path: Path) -> None:
    content = {"one_of": [{"use": "gcn", "hidden": 4}, {"use": "gcn", "hidden": 8}]}
    space = space_of(tmp_path / "s", {"stages.gnn.network": content})
    found = {
        label: settings_of(space, "gnn", {"stages.gnn.network": label}).network.hidden
        for label in ("gcn", "gcn#2")
    }
    assert found == {"gcn": 4, "gcn#2": 8}


def test_alternatives_that_do_not_fit_the_stages_around_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"its first values: stages.gnn: needs edge.logit"):
        space_of(tmp_path / "s", {"stages.filter": {"one_of": [None, {"use": "layer_mlps"}]}})


@pytest.mark.parametrize(
    ("low", "high", "more", "message"),
    [
        (2, 1, {}, "low: 2 is not below high, 1"),
        (0.0, 1.0, {"log": True}, "log: true is for a range above 0"),
        (1, 4, {"step": 5}, "step: 5 is not between 0 and high - low"),
        (1, 4, {"step": 0.5}, "step: 0.5 is no whole number"),
        (16, 50, {"step": 16}, "step: 16 does not lead from 16 to 50"),
    ],
)
def test_a_range_that_is_none_is_refused(
    low: float, high: float, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        Range(low, high, **more)


def test_alternatives_stand_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="one_of stands alone, with a list"):
        space_of(tmp_path / "s", {"stages.gnn.sectors": {"one_of": [1, 2], "log": True}})
    assert OneOf({1: 1}).options == {1: 1}
