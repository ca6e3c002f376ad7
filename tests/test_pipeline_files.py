"""A pipeline's folder: what is damaged in it is one clear error, what is newer does no harm."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tests.trained import tiny_recipe, untrained
from torch import Tensor

import hitgraph
from hitgraph.errors import HitgraphError, InputError
from hitgraph.event.event import Event
from hitgraph.hits.columns import FEATURES, HIT_COLUMNS, HitColumn
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import find_pipeline, shipped_pipelines
from hitgraph.recipe import FROM_EVENT


@pytest.fixture
def folder(tiny_pipeline: Path, tmp_path: Path) -> Path:
    """A copy of the trained pipeline, to be damaged."""
    for path in tiny_pipeline.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path / path.name)
    return tmp_path


def edit(folder: Path, **changes: Any) -> None:
    """gnn__network__steps=0 is network.steps of the stage gnn; None leaves the key out."""
    path = folder / "pipeline.yaml"
    content = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        first, *keys = dotted.split("__")
        place: Any = content
        if keys:
            place = stage_of(content, first)
            *keys, last = keys
            for key in keys:
                place = place[key]
        else:
            last = first
        if value is None:
            del place[last]
        else:
            place[last] = value
    path.write_text(yaml.safe_dump(content))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """The lowest bit of the last byte, of some number."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change(folder: Path, key: str, new: Callable[[Tensor], Tensor] | None = None) -> None:
    """Another tensor of that name, or none."""
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    old = tensors.pop(key, torch.zeros(3))
    save_file(tensors if new is None else {**tensors, key: new(old).contiguous()}, path)


def stage_of(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in content["recipe"]["stages"] if s["name"] == name)
    return found


NAN = float("nan")


TENSORS = "weights.safetensors: "


DAMAGES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("format", lambda f: edit(f, format=99), r"pipeline.yaml: format is 99, this version reads 2"),
    ("no format", lambda f: edit(f, format=None), r"pipeline.yaml: format is None"),
    ("yaml", lambda f: (f / "pipeline.yaml").write_text("a: ["), r"pipeline.yaml: is not YAML"),
    ("empty", lambda f: (f / "pipeline.yaml").write_text(""), r"pipeline.yaml: expected keys"),
    ("no recipe", lambda f: edit(f, recipe=None), r"pipeline.yaml: recipe: expected keys"),
    (
        "setting",
        lambda f: edit(f, gnn__network__steps=0),
        r"pipeline.yaml: recipe.stages.gnn.network.steps: 0 is not allowed",
    ),
    (
        "unknown key",
        lambda f: edit(f, gnn__depth=3),
        r"pipeline.yaml: recipe.stages.gnn.depth: unknown key",
    ),
    (
        "a path to import",
        lambda f: edit(f, gnn__use="os:system"),
        r"recipe.stages.gnn.use: 'os:system' is not allowed; one of windows",
    ),
    (
        "another path to import",
        lambda f: edit(f, gnn__network__use="hitgraph.gnn.interaction:InteractionSettings"),
        r"recipe.stages.gnn.network.use: 'hitgraph.gnn.*' is not allowed; one of interaction",
    ),
    (
        "a column that is not known",
        lambda f: edit(f, filter__pair_inputs=["curvature", "z1"]),
        r"recipe.stages.filter.pair_inputs: 'z1' is not allowed",
    ),
    (
        "a column less",
        lambda f: edit(f, filter__pair_inputs=["curvature", "z0"]),
        TENSORS + r"filter.network.standardise_pairs.mean: is .* shape \(25,\), expected .* \(2\)",
    ),
    (
        "a size beyond all measure",
        lambda f: edit(f, filter__network__layers=10**8),
        r"pipeline.yaml: recipe.stages.filter.network.layers: 100000000 is not allowed, at most "
        r"16384: .*HITGRAPH_MAX_SIZE",
    ),
    ("cut", lambda f: change(f, "gnn.cut", lambda t: t * 0 + 1.5), "gnn.cut: holds 1.5, at most 1"),
    ("no cut", lambda f: change(f, "filter.cut"), TENSORS + r"filter.cut: is missing"),
    (
        "cut type",
        lambda f: change(f, "filter.cut", lambda t: t.float()),
        "filter.cut: is .*float32",
    ),
    (
        "stranger",
        lambda f: change(f, "filter.bias", lambda t: t),
        r"filter.bias: unknown tensor; known: cut, network",
    ),
    (
        "nobody's",
        lambda f: change(f, "join.cut", lambda t: t),
        r"join.cut: belongs to no stage of the recipe \(graph, filter, gnn, tracks\)",
    ),
    (
        "a name without end",
        lambda f: change(f, "gnn." + "x" * 10**5, lambda t: t),
        r"gnn.x{190,200}: unknown tensor",
    ),
    ("many missing", lambda f: change(f, "gnn.network.classify.0.bias"), r"\d+ more$"),
    (
        "number beyond 32 bits",
        lambda f: edit(f, tracks__max_hits=2**63),
        r"recipe.stages.tracks.max_hits: 9223372036854775808 is not allowed",
    ),
    (
        "flipped bit",
        lambda f: flip(f / "weights.safetensors"),
        TENSORS + r"is damaged: its check sum is",
    ),
    (
        "weight",
        lambda f: change(f, "gnn.network.classify.0.weight", lambda t: t * NAN),
        r"gnn.network.classify.0.weight: 64 of its 64 numbers are infinite or NaN",
    ),
    (
        "scale",
        lambda f: change(f, "gnn.network.standardise_edges.std", lambda t: t * 0),
        r"gnn.network.standardise_edges.std: holds 0, at least",
    ),
    (
        "windows upside down",
        lambda f: change(f, "graph.bounds", lambda t: t.flip(-1)),
        r"graph.bounds: the window of sin_dphi in row 0 begins at .* and ends at",
    ),
    ("windows", lambda f: change(f, "graph.bounds", lambda t: t / 0), r"graph.bounds: .* or NaN"),
    ("no windows", lambda f: change(f, "graph.bounds"), r"graph.bounds: is missing"),
    (
        "windows of another detector",
        lambda f: change(f, "graph.inner", lambda t: t + 1),
        TENSORS + r"graph.inner: row 0 is volume 9, layer \d+, which is not in the detectors table",
    ),
    ("weights", lambda f: (f / "weights.safetensors").unlink(), TENSORS + "cannot be"),
    ("half", lambda f: cut_short(f / "weights.safetensors"), TENSORS + "cannot be"),
    (
        "other sizes",
        lambda f: edit(f, filter__network__hidden=9),
        TENSORS + r"filter.network.pair.weight: is .*\(8, 25\), expected .*\(9, 25\)",
    ),
    ("detectors", lambda f: (f / "detectors.parquet").unlink(), r"detectors.parquet"),
    ("half detectors", lambda f: cut_short(f / "detectors.parquet"), r"detectors.parquet"),
]


@pytest.mark.parametrize(
    ("damage", "message"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES]
)
def test_a_damaged_folder_is_one_clear_error(
    folder: Path, damage: Callable[[Path], Any], message: str
) -> None:
    Pipeline.load(folder)
    damage(folder)
    with pytest.raises(InputError, match=r"(?s)" + message):
        Pipeline.load(folder)


def test_the_limit_of_sizes_can_be_raised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITGRAPH_MAX_SIZE", "7")
    key = r"pipeline.yaml: recipe.stages.filter.network.hidden"
    with pytest.raises(InputError, match=rf"{key}: 8 is not allowed, at most 7: raise it with"):
        Pipeline.load(folder)
    monkeypatch.setenv("HITGRAPH_MAX_SIZE", "many")
    with pytest.raises(HitgraphError, match=r"^environment variable HITGRAPH_MAX_SIZE: 'many' is"):
        Pipeline.load(folder)
    monkeypatch.setenv("HITGRAPH_MAX_SIZE", "8")
    Pipeline.load(folder)


def test_a_column_added_to_the_code_leaves_saved_pipelines_as_they_are(
    folder: Path, unseen: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name the columns they use."""
    before = Pipeline.load(folder).run(unseen)
    added = HitColumn("depth", "mm", derive=lambda hits: hits.position[:, 2] * 0)
    monkeypatch.setitem(HIT_COLUMNS, "depth", added)
    monkeypatch.setattr("hitgraph.recipe.FROM_EVENT", FROM_EVENT | {"hit.depth"})
    after = Pipeline.load(folder).run(unseen)
    np.testing.assert_array_equal(after.labels, before.labels)
    recipe = tiny_recipe(gnn__hit_inputs=["r", "depth"], filter__pair_inputs=["curvature"])
    result = untrained(recipe, unseen).run(unseen)
    assert result.hits.columns == (*FEATURES, "depth")


def test_a_pipeline_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    for name in ("nonesuch", tmp_path):
        with pytest.raises(InputError, match=f"{name}: no such pipeline; shipped ones"):
            find_pipeline(name)


def test_shipped_pipelines_load() -> None:
    for name in shipped_pipelines():
        pipeline = Pipeline.load(name)
        assert pipeline.recipe.name
        assert (find_pipeline(name) / "CARD.md").is_file()


def test_the_package_offers_the_pipeline_by_name() -> None:
    assert hitgraph.Pipeline is Pipeline
