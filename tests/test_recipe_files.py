"""Recipes by name and by path."""

from pathlib import Path

import pytest

from hitgraph.errors import InputError
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import shipped_pipelines
from hitgraph.recipe import read_recipe
from hitgraph.recipe_files import find_recipe, shipped_recipes


def test_every_shipped_recipe_can_be_read_by_its_name() -> None:
    assert {"tiny", *shipped_pipelines()} <= set(shipped_recipes())
    for name in shipped_recipes():
        assert Path(name).name.startswith(read_recipe(find_recipe(name)).name)


def test_a_file_is_itself_and_what_is_neither_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.touch()
    assert find_recipe(str(path)) == path
    with pytest.raises(InputError, match=r"quikstart: .*did you mean quickstart\?.*tiny"):
        find_recipe("quikstart")
    with pytest.raises(InputError, match=r"other.yaml: no such recipe; shipped ones: "):
        find_recipe(str(tmp_path / "other.yaml"))


@pytest.mark.parametrize("name", ["accurate", "parameters", "vertices"])
def test_what_stands_behind_compact_can_be_taught_there(name: str) -> None:
    recipes = (read_recipe(find_recipe(one)) for one in ("compact", name))
    compact, longer = (recipe.settled(cells=True).stages for recipe in recipes)
    assert longer[: len(compact)] == compact
    assert longer[: len(compact)] == Pipeline.load("compact").recipe.stages
