"""Recipes and pipelines of the format before this one, carried over."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import save_file
from tests.trained import tiny_recipe, untrained

from hitgraph.event.source import list_events
from hitgraph.event.store import write_detectors
from hitgraph.graph.windows.cpu import VARIABLES
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.settings import parse

TOOL = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "carry_over.py"))

OLD: dict[str, Any] = {
    "name": "old",
    "description": "A recipe of 0.1",
    "seed": 3,
    "data": {"train_events": 3, "validation_events": 2},
    "truth": {},
    "graph": {"builder": "windows", "pair_coverage": 1.0, "tail": 0.0, "shape_tail": 0.0},
    "filter": {"network": {"hidden": 8, "layers": 1}, "training": {}},
    "gnn": {
        "network": {"hidden": 8, "mlp_hidden": 8, "steps": 2},
        "training": {},
        "edge_inputs": ["filter_logit", "curvature", "z0", "slope"],
    },
    "tracks": {"builder": "merge", "score_cut": 0.3},
    "triplets": None,
    "clusters": True,
}


def test_a_recipe_becomes_a_list_of_stages() -> None:
    recipe = parse(Recipe, TOOL["new_recipe"](OLD))
    assert [step.name for step in recipe.stages] == ["graph", "filter", "gnn", "tracks"]
    settings: Any = recipe.step("gnn").settings
    assert settings.edge_inputs == ("logit", "curvature", "z0", "slope")
    assert settings.network == tiny_recipe().step("gnn").settings.network  # type: ignore[attr-defined]
    assert recipe.clusters


@pytest.mark.parametrize("builder", ["windows", "radius"])
def test_without_clusters_no_stage_asks_for_cells(builder: str) -> None:
    graph = {"builder": "windows", "cluster_shape": False}
    if builder == "radius":
        graph = {"builder": "radius", "network": {}, "training": {}}
    old = {**OLD, "clusters": False, "graph": graph}
    assert not parse(Recipe, TOOL["new_recipe"](old)).clusters


def test_a_pipeline_finds_the_same_tracks(tiny_store: Path, tmp_path: Path) -> None:
    """Written as 0.1 did, from a pipeline of today."""
    event = list_events([tiny_store])[-1].read()
    today = untrained(parse(Recipe, TOOL["new_recipe"](OLD)), event)
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    tensors = {name: stage.tensors() for name, stage in today.stages.items()}
    save_file(
        {
            f"{stage}.{name.removeprefix('network.')}": value.contiguous()
            for stage in ("filter", "gnn")
            for name, value in tensors[stage].items()
            if name.startswith("network.")
        },
        old / "weights.safetensors",
    )
    windows = tensors["graph"]
    layers = torch.cat([windows["inner"], windows["outer"]], dim=1).numpy()
    names = ("inner_volume", "inner_layer", "outer_volume", "outer_layer")
    columns: dict[str, Any] = dict(zip(names, layers.T, strict=True))
    columns["n_true"] = windows["n_true"].numpy()
    for k, name in enumerate(VARIABLES):
        columns[f"{name}_lo"], columns[f"{name}_hi"] = windows["bounds"][:, k].T.numpy()
    table = pa.table(columns).replace_schema_metadata({"cluster_shape": "true"})
    pq.write_table(table, old / "windows.parquet")
    write_detectors(today.detector, old / "detectors.parquet")
    points = {"filter_cut": 0.1, "gnn_cut": 0.2, "triplet_cut": 0.0, "radius": None}
    content = {"format": 1, "recipe": OLD, "working_points": points}
    (old / "pipeline.yaml").write_text(yaml.safe_dump(content))
    (old / "CARD.md").write_text("# old\n")

    TOOL["carry_pipeline"](old, new)
    assert (new / "CARD.md").is_file()
    found, expected = Pipeline.load(new).run(event), today.run(event)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert torch.equal(found.scores, expected.scores)
