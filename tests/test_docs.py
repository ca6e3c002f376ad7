"""The pages say what the code says: recipe keys with their defaults, links that lead somewhere."""

import dataclasses
import importlib
import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch

from hitgraph.catalogue import keys_of, section_of
from hitgraph.cli import COMMANDS, main
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe, read_recipe
from hitgraph.recipe_files import find_recipe, shipped_recipes
from hitgraph.stage import NETWORKS, STAGES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
WITH_COMMANDS_BELOW = ("baseline", "study")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def test_the_tables_of_stages_and_keys_are_those_of_the_code() -> None:
    """`python tools/write_tables.py` writes them anew."""
    tool = runpy.run_path(str(ROOT / "tools" / "write_tables.py"))
    for page in tool["PAGES"]:
        text = page.read_text(encoding="utf-8")
        assert tool["rewritten"](text) == text


def settings_classes(cls: type[Any]) -> Iterator[type[Any]]:
    """`cls` and every settings class of the sections below it."""
    yield cls
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        below = section_of(cls, field.name, hints)
        if below is not None:
            yield from settings_classes(below)


def test_every_key_of_a_recipe_has_a_table_and_a_meaning() -> None:
    page = (ROOT / "docs" / "stages.md").read_text(encoding="utf-8")
    roots = [Recipe, *(registry[name] for registry in (STAGES, NETWORKS) for name in registry.own)]
    for cls in dict.fromkeys(one for root in roots for one in settings_classes(root)):
        assert f"<!-- keys {cls.__module__}:{cls.__qualname__} -->" in page
        for key in keys_of(cls):
            assert key.meaning, f"{cls.__name__}.{key.name} has no comment that says what it means"


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


def test_the_page_shows_the_script_of_the_example() -> None:
    script = (ROOT / "examples" / "slurm" / "array.sh").read_text(encoding="utf-8")
    assert f"```bash\n{script}```" in (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


COMMAND = re.compile(r"^\s*(?:\$ )?(?:\w+=\S+ )*hitgraph (\w+)(?: (\w+))?(.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_are_there_and_have_these_options(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for command, below, rest in COMMAND.findall(block):
            assert command in COMMANDS, f"{page.name}: hitgraph {command}"
            words = [command, *([below] if command in WITH_COMMANDS_BELOW else [])]
            with pytest.raises(SystemExit):
                main([*words, "--help"])
            told = capsys.readouterr().out
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest.partition("#")[0]):
                assert re.search(rf"{option}(?![a-z-])", told), f"{page.name}: {words} {option}"


API = re.findall(
    r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
)


@pytest.mark.parametrize("name", API)
def test_what_the_api_page_names_is_there_and_says_what_it_is(name: str) -> None:
    if name.startswith("hitgraph.acts"):
        pytest.importorskip("acts", reason="needs the extra sim")
    module = importlib.import_module(name)
    assert module.__doc__
    assert module.__all__, f"{name} does not say what is public"
    for public in module.__all__:
        found = getattr(module, public)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert inspect.getdoc(found), f"{name}.{public} has no docstring"
    assert set(module.__all__) <= set(dir(module))


def test_the_code_of_the_page_for_other_packages_makes_stages() -> None:
    """Its blocks, one after the other, are a module whose settings hold the contract."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    made: dict[str, Any] = {"__name__": "page"}
    exec("\n".join(blocks), made)
    assert not made["NeighbouringLayersSettings"].__abstractmethods__
    network = made["EdgeMlpSettings"]().build(2, 3)
    edges = torch.tensor([[0, 1], [1, 2]])
    assert network(torch.zeros(3, 2), edges, torch.zeros(2, 3)).shape == (2,)
    labels = made["PairsSettings"]().build(torch.zeros(3), edges, torch.tensor([0.6, 0.9]))
    assert labels.tolist() == [-1, 0, 0]  # the better edge takes the hit that both want


FROM = re.compile(
    r"hitgraph (?:compare|search|train) [^\n`]*?(?:\\\n[^\n`]*?)*--from ([a-z]+)\b(?!/)"
)


def test_commands_begin_with_pipelines_that_have_the_first_stage_of_their_recipes() -> None:
    """Without one stage alike `--from` is refused."""
    recipes, found = shipped_recipes(), 0
    for page in PAGES:
        for command in FROM.finditer(page.read_text(encoding="utf-8")):
            ships = Pipeline.load(command[1]).recipe.stages[0]
            words = command[0].split(" --")[0].split()[2:]
            for word in (one for one in words if one in recipes):
                found += 1
                recipe = read_recipe(find_recipe(word)).settled(cells=True)
                assert recipe.stages[0] == ships, f"{page.name}: {word}"
    assert found
