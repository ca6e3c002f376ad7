"""Where recipes are: those that come with the package by name, all others by path."""

import difflib
from importlib.resources import files
from pathlib import Path

from hitgraph.errors import InputError

SUFFIX = ".yaml"


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package, "networks/gcn" for one in a folder."""
    paths = (path.relative_to(_folder()) for path in _folder().rglob(f"*{SUFFIX}"))
    return sorted(path.with_suffix("").as_posix() for path in paths)


def find_recipe(name: str) -> Path:
    """The file of a shipped recipe, or the file itself; InputError where there is neither."""
    shipped = shipped_recipes()
    if name in shipped:
        return _folder() / f"{name}{SUFFIX}"
    path = Path(name)
    if not path.exists():
        close = difflib.get_close_matches(path.stem, shipped, 1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(
            f"{name}: no such recipe{meant}; shipped ones: {', '.join(shipped) or 'none'}; "
            "anything else has to be a YAML file"
        )
    return path


def _folder() -> Path:
    """The recipes: in the package where it was installed, beside src where it was not."""
    package = Path(str(files("hitgraph")))
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parents[1] / "recipes"
