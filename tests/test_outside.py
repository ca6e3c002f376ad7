"""A package from outside: its stages are used from a recipe without an edit in hitgraph."""

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from hitgraph import stage
from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe, read_recipe
from hitgraph.settings import parse

EXAMPLE = Path(__file__).parents[1] / "examples" / "rings"


def install(folder: Path, name: str, entries: dict[str, str], code: Path) -> None:
    """As pip does: the folder's metadata names the entry points, its code can be imported."""
    information = folder / f"{name}-0.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = [f"{key} = {value}" for key, value in entries.items()]
    (information / "entry_points.txt").write_text("\n".join([f"[{stage.GROUP}]", *lines, ""]))
    sys.path[:0] = [str(folder), str(code)]
    importlib.invalidate_caches()
    stage._entry_points.cache_clear()


@pytest.fixture
def _path() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rings", "strange")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    stage._entry_points.cache_clear()


@pytest.fixture
def rings(_path: None, tmp_path: Path) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(tmp_path / "site", "rings", project["entry-points"][stage.GROUP], EXAMPLE)


@pytest.mark.usefixtures("rings")
def test_it_is_trained_saved_loaded_run_and_reported(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, tracks = tmp_path / "pipeline", tmp_path / "tracks"
    recipe = str(EXAMPLE / "recipe.yaml")
    assert main(["train", recipe, "--data", str(tiny_store), "--out", str(out), "--quiet"]) == OK
    card = (out / "CARD.md").read_text()
    for name in ("graph", "gnn", "tracks"):
        assert f"| {name} | " in card
    assert "| graph | dphi |" in card
    arguments = [str(tiny_store), "--pipeline", str(out), "--out", str(tracks), "--quiet"]
    assert main(["reconstruct", *arguments]) == OK
    assert main(["evaluate", str(tracks), "--truth", str(tiny_store), "--quiet"]) == OK
    report = tmp_path / "report.html"
    pytest.importorskip("mplhep", reason="the report needs the extra plot")
    words = ["report", str(tracks), "--truth", str(tiny_store), "--out", str(report), "--quiet"]
    assert main(words) == OK
    text = report.read_text()
    assert "graph" in text
    capsys.readouterr()

    pipeline = Pipeline.load(out)
    event = list_events([tiny_store])[-1].read(cells=False)  # no stage wants cells
    result = pipeline.run(event)
    assert result.n_tracks > 5
    assert result.state.names >= {"edge.dphi", "edge.logit", "labels"}
    plain = pipeline.rebuilt(backend="plain").run(event)
    np.testing.assert_array_equal(plain.labels, result.labels)


@pytest.mark.usefixtures("rings")
def test_it_stands_in_the_list_of_stages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages"]) == OK
    text = capsys.readouterr().out
    assert "neighbouring_layers (builder)\n" in text
    assert "edge_mlp (network)\n" in text
    assert "best_onward (labeller)\n" in text
    assert "coverage: 0.99  share of the true edges within the azimuth difference" in text
    mapping = yaml.safe_load((EXAMPLE / "recipe.yaml").read_text())
    headless = {**mapping, "stages": mapping["stages"][1:]}
    with pytest.raises(SettingsError, match=r"put one of these before it:.*neighbouring_layers"):
        parse(Recipe, headless)


def test_without_it_the_recipe_and_the_pipeline_name_what_is_missing(
    tiny_pipeline: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingsError, match=r"stages.graph.use: 'neighbouring_layers' is not allowed; one of"
    ):
        read_recipe(EXAMPLE / "recipe.yaml")
    content = yaml.safe_load((tiny_pipeline / "pipeline.yaml").read_text())
    content["recipe"]["stages"][0] = {"name": "graph", "use": "rings.builder"}
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"stages.graph.use: 'rings.builder' is not allowed"):
        Pipeline.load(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("strange:Nothing", "entry point odd = strange:Nothing .* cannot be loaded: Attribute"),
        ("stranger:Nothing", "entry point odd = stranger:Nothing .* cannot be loaded: Module"),
        ("strange:Plain", "odd = strange:Plain .* is no subclass of StageSettings or Network"),
    ],
)
@pytest.mark.usefixtures("_path")
def test_an_entry_point_that_is_none_is_named(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "strange.py").write_text("class Plain: ...\n")
    install(tmp_path / "site", "strange", {"odd": entry}, tmp_path)
    with pytest.raises(SettingsError, match=message):
        stage.STAGES["odd"]


BEGIN = """
from dataclasses import dataclass
from hitgraph.stage import StageSettings
from hitgraph.tracks.stage import TrackSettings
"""
METHODS = """
    def load(self, context, tensors): ...
    def learn(self, context, material, workshop): ...
"""
FROZEN = "@dataclass(frozen=True)\n"
NAMES = """
    needs = frozenset({"hits"})
    gives = frozenset({"edges"})
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (f"class Odd(StageSettings):{NAMES}{METHODS}", r"is no frozen dataclass: put @dataclass\("),
        (f"@dataclass\nclass Odd(StageSettings):{NAMES}{METHODS}", "is no frozen dataclass"),
        (
            f"{FROZEN}class Odd(StageSettings):{NAMES}",
            "lacks the method learn, load",
        ),
        (
            f"{FROZEN}class Odd(StageSettings):{METHODS}",
            "lacks needs, a frozenset",
        ),
        (
            f"{FROZEN}class Odd(StageSettings):\n    k: int{NAMES}{METHODS}",
            "give the key k a default",
        ),
        (
            "class Odd(TrackSettings):\n    score_cut: float = 0.5",
            "cannot be loaded: TypeError: Odd needs the key min_hits, with a default",
        ),
    ],
)
@pytest.mark.usefixtures("_path")
def test_settings_that_lack_something_are_told_what(
    tmp_path: Path, code: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strange.py").write_text(BEGIN + code + "\n")
    install(tmp_path / "site", "strange", {"odd": "strange:Odd"}, tmp_path)
    assert main(["stages"]) == CANNOT_START
    error = capsys.readouterr().err
    assert re.search(rf"hitgraph stages: the entry point odd = strange:Odd .*{message}", error)


@pytest.mark.usefixtures("_path")
def test_an_entry_point_cannot_take_the_name_of_another_stage(tmp_path: Path) -> None:
    install(tmp_path / "site", "strange", {"merge": "strange:Plain"}, tmp_path)
    with pytest.raises(
        SettingsError, match=r"strange:Plain .* the name is taken by hitgraph itself"
    ):
        list(stage.STAGES)


@pytest.mark.usefixtures("rings")
def test_the_example_holds_what_it_promises() -> None:
    """The tests of every network of this package, on one from outside."""
    settings = stage.NETWORKS["edge_mlp"]()
    torch.manual_seed(0)
    network = settings.build(2, 3)
    x, edges = torch.randn(5, 2), torch.tensor([[0, 1, 2], [1, 2, 3]])
    logits = network(x, edges, torch.randn(3, 3))
    assert logits.shape == (3,)
    assert network.all_logits(x, edges, torch.randn(3, 3)).shape == (1, 3)
