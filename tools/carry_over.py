"""Carry pipelines and recipes of hitgraph 0.1 over to the format of 0.2.

    python tools/carry_over.py recipe OLD.yaml NEW.yaml
    python tools/carry_over.py pipeline OLD_FOLDER NEW_FOLDER

Nothing is learnt anew: weights, tables and cuts move to the stages that they belong to, and the
tracks stay the same.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from hitgraph.event.modules import read_detectors
from hitgraph.graph.scored.values import SCORE_VARIABLES
from hitgraph.graph.windows.cpu import VARIABLES
from hitgraph.pipeline_files import Content, write_folder
from hitgraph.recipe import Recipe
from hitgraph.settings import parse
from hitgraph.stage import Context
from hitgraph.tensors import number

LAYERS = ("inner_volume", "inner_layer", "outer_volume", "outer_layer")


def new_recipe(old: dict[str, Any]) -> dict[str, Any]:
    """The mapping of a recipe of 0.2 that does what that of 0.1 did."""
    clusters = old.get("clusters", True)
    seen = {} if clusters else {"hit_inputs": ["position"]}
    graph = {**old["graph"]}
    use = graph.pop("builder")
    stages = [{"name": "graph", "use": use, **graph, **(seen if use == "radius" else {})}]
    if old.get("filter") is not None:
        pairs = {} if clusters else {"pair_inputs": ["geometry"]}
        stages.append({"name": "filter", "use": "filter", **old["filter"], **seen, **pairs})
    if old.get("triplets") is not None:
        stages.append({"name": "triplets", "use": "triplets", **old["triplets"]})
    gnn = {**old["gnn"]}
    gnn["network"] = {"use": "interaction", **gnn["network"]}
    if "edge_inputs" in gnn:
        renamed = {"filter_logit": "logit"}
        gnn["edge_inputs"] = [renamed.get(name, name) for name in gnn["edge_inputs"]]
    stages.append({"name": "gnn", "use": "network", **gnn})
    tracks = {**old["tracks"]}
    stages.append({"name": "tracks", "use": tracks.pop("builder"), **tracks})
    if old.get("join") is not None:
        stages.append({"name": "join", "use": "join", **old["join"]})
    head = {key: old[key] for key in ("name", "description", "seed", "data", "truth")}
    return {**head, "stages": stages}


def new_tensors(folder: Path, old: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    """What each stage has learnt, by the names of 0.2."""
    recipe, points = old["recipe"], old["working_points"]
    stages: dict[str, dict[str, Tensor]] = {"graph": {}}
    for key, value in load_file(folder / "weights.safetensors").items():
        stage, _, name = key.partition(".")
        stage = {"embedding": "graph"}.get(stage, stage)
        stages.setdefault(stage, {})[f"network.{name}"] = value
    if recipe["graph"]["builder"] == "radius":
        stages["graph"]["radius"] = number(points["radius"])
    else:
        stages["graph"] = windows(folder / "windows.parquet")
    for stage in ("filter", "triplets", "gnn"):
        if stage in stages:
            key = "triplet_cut" if stage == "triplets" else f"{stage}_cut"
            stages[stage]["cut"] = number(points[key])
    stages["tracks"] = {"score_cut": number(recipe["tracks"]["score_cut"])}
    if "join" in stages:
        stages["join"]["score_cut"] = number(recipe["join"]["network"]["score_cut"])
    return stages


def windows(path: Path) -> dict[str, Tensor]:
    """The tables of either window builder."""
    table = pq.read_table(path)
    lists = [name for name in table.column_names if name.endswith("_score")]
    column = {name: table[name].to_numpy() for name in table.column_names if name not in lists}
    layers = np.stack([column[name] for name in LAYERS], axis=1)
    bounds = [np.stack([column[f"{name}_lo"], column[f"{name}_hi"]], axis=1) for name in VARIABLES]
    arrays = {
        "inner": layers[:, :2].astype(np.int64),
        "outer": layers[:, 2:].astype(np.int64),
        "bounds": np.clip(np.stack(bounds, axis=1).astype(np.float32), -1e9, 1e9),
        "n_true": column["n_true"].astype(np.int64),
    }
    tensors = {}
    if lists:
        names = SCORE_VARIABLES[: len(lists)]
        facts = json.loads(table.schema.metadata[b"scored_windows"])
        arrays["base"] = column["base"].astype(np.float32)
        for key in ("low", "scale"):
            arrays[key] = np.stack([column[f"{name}_{key}"] for name in names], axis=1)
        scores = [table[f"{name}_score"].combine_chunks().flatten().to_numpy() for name in names]
        arrays["table"] = np.stack([s.reshape(len(table), -1) for s in scores], axis=1)
        tensors = {key: number(facts[key]) for key in ("cut", "density")}
    return tensors | {
        name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()
    }


def carry_pipeline(old: Path, new: Path) -> None:
    """Write the pipeline in `old` to `new`, with its card and metrics."""
    content = yaml.safe_load((old / "pipeline.yaml").read_text(encoding="utf-8"))
    if content["format"] != 1:
        raise SystemExit(f"{old}: format is {content['format']}, this carries over format 1")
    mapping = new_recipe(content["recipe"])
    tensors = new_tensors(old, content)
    mapping["stages"] = [stage for stage in mapping["stages"] if stage["name"] in tensors]
    recipe = parse(Recipe, mapping, "recipe")
    detector = read_detectors(old / "detectors.parquet")
    for step in recipe.stages:
        step.settings.load(Context(detector), tensors[step.name])  # refuses what does not fit
    write_folder(new, Content(recipe, detector, tensors))
    for name in ("CARD.md", "metrics.json"):
        if (old / name).is_file() and old != new:
            shutil.copy(old / name, new / name)
    if old == new:
        (old / "windows.parquet").unlink(missing_ok=True)


def carry_recipe(old: Path, new: Path) -> None:
    """Write the recipe in `old` to `new`; comments at its top are kept."""
    text = old.read_text(encoding="utf-8")
    comments = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    mapping = new_recipe(yaml.safe_load(text))
    parse(Recipe, mapping)
    lines = [f"{key}: {_flow(mapping[key])}" for key in mapping if key != "stages"]
    lines.append("stages:")
    for stage in mapping["stages"]:
        for number_, (key, value) in enumerate(stage.items()):
            lines.append(f"{'    ' if number_ else '  - '}{key}: {_flow(value)}")
    new.write_text("".join(comments) + "\n".join(lines) + "\n", encoding="utf-8")


def _flow(value: Any) -> str:
    """YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("...\n").strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("recipe", "pipeline"))
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    args = parser.parse_args()
    {"recipe": carry_recipe, "pipeline": carry_pipeline}[args.what](args.old, args.new)


if __name__ == "__main__":
    main()
