"""The pages say what the code says: recipe keys with their defaults, links that lead somewhere."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from hitgraph.recipe import Recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def recipe_classes(cls: type[Any] = Recipe) -> Iterator[type[Any]]:
    """`cls` and every settings class that can stand in a recipe below it."""
    yield cls
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        below = [hints[field.name], *get_args(hints[field.name])]
        if "choices" in field.metadata:
            below = list(field.metadata["choices"].values())
        for one in below:
            if dataclasses.is_dataclass(one) and isinstance(one, type):
                yield from recipe_classes(one)


def default_text(field: "dataclasses.Field[Any]") -> str:
    """The default as the tables of docs/stages.md write it."""
    if field.default is dataclasses.MISSING:
        return "required"
    if isinstance(field.default, tuple):
        return f"`[{', '.join(field.default)}]`"
    if isinstance(field.default, str) and field.default in ("true", "32"):
        return f'`"{field.default}"`'  # YAML would read something else without the quotes
    return f"`{field.default if isinstance(field.default, str) else json.dumps(field.default)}`"


@pytest.mark.parametrize("cls", list(dict.fromkeys(recipe_classes())), ids=lambda cls: cls.__name__)
def test_every_recipe_key_is_explained_with_its_default(cls: type[Any]) -> None:
    page = (ROOT / "docs" / "stages.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(cls):
        row = f"| `{field.name}` | {default_text(field)} |"
        assert row in page, f"{cls.__name__}.{field.name}: docs/stages.md lacks the row {row}"


def test_the_page_names_no_key_that_a_recipe_lacks() -> None:
    page = (ROOT / "docs" / "stages.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)` \| (?:required|`[^|]*`) \|", page, re.MULTILINE))
    fields = {field.name for cls in recipe_classes() for field in dataclasses.fields(cls)}
    assert named == fields | {"builder"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_its_heading(page: Path) -> None:
    text = CODE.sub("", COMMENT.sub("", page.read_text(encoding="utf-8")))
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}: {target} is not there"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}: no such heading"


def anchors(page: Path) -> set[str]:
    """The headings of a page as the ends of links to them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in words}
