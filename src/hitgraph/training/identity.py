"""Which training a folder belongs to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hitgraph.errors import InputError, SettingsError
from hitgraph.files import read_json
from hitgraph.recipe import Recipe
from hitgraph.settings import parse

__all__ = ["identity_of", "recipe_begun", "recipe_in"]


def identity_of(out: Path) -> Path:
    """The file that tells the training which began in the pipeline's folder `out`."""
    return out / "training" / "identity.json"


def recipe_in(identity: Mapping[str, Any]) -> Recipe:
    """The recipe of what such a file holds.

    Parsed, so that a key which a later version added with a default makes no difference. Raises
    SettingsError where this version cannot read it.
    """
    return parse(Recipe, identity.get("recipe"))


def recipe_begun(out: Path) -> Recipe | None:
    """The recipe of the training that was begun in `out`, None where no readable one was."""
    try:
        return recipe_in(read_json(identity_of(out)))
    except (InputError, SettingsError):
        return None
