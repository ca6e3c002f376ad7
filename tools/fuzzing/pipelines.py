"""Campaigns on recipes and on pipeline folders: of all that come with the package."""

import dataclasses
from pathlib import Path

import hitgraph
from fuzzing.checks import Failure, Words
from fuzzing.damage import Rng, damaged_bytes
from fuzzing.forms import PACKAGE, small_event
from fuzzing.kind import Kind, write_files
from fuzzing.structures import damaged_columns, damaged_tensors, damaged_yaml
from hitgraph.recipe import Recipe, read_recipe
from hitgraph.recipe_files import find_recipe, shipped_recipes
from hitgraph.settings import parse, to_dict

PIPELINE_KINDS = ("recipe", "pipeline")

# What is read of a pipeline folder; its card and its metrics are for people.
STRUCTURES = {
    "pipeline.yaml": damaged_yaml,
    "weights.safetensors": damaged_tensors,
    "detectors.parquet": damaged_columns,
}


def pipeline_kind(name: str) -> Kind:
    """The kind of that name, one of PIPELINE_KINDS."""
    if name == "recipe":
        paths = [find_recipe(recipe) for recipe in shipped_recipes()]
        return Kind({path.name: path.read_bytes() for path in paths}, try_recipe)
    files = {
        f"{folder.name}/{path.name}": path.read_bytes()
        for folder in sorted((PACKAGE / "pretrained").iterdir())
        for path in map(folder.joinpath, STRUCTURES)
    }
    event = dataclasses.replace(small_event(), detector=None)
    return Kind(files, try_pipeline, (event,))


def try_recipe(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    """Reading: a message, or a recipe that can be written down and read back."""
    content = kind.files[str(rng.choice(sorted(kind.files)))]
    damage = damaged_bytes if rng.random() < 0.3 else damaged_yaml
    write_files({"recipe.yaml": damage(content, rng)}, folder)
    recipe = read_recipe(folder / "recipe.yaml")
    if parse(Recipe, to_dict(recipe)) != recipe:
        raise Failure("silent: a recipe read back is another")
    return "read"


def try_pipeline(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    """Loading and one event: a message, or labels of the right shape."""
    pipeline, name = str(rng.choice(sorted(kind.files))).split("/")
    files = {one: kind.files[f"{pipeline}/{one}"] for one in STRUCTURES}
    damage = damaged_bytes if rng.random() < 0.3 else STRUCTURES[name]
    write_files(files | {name: damage(files[name], rng)}, folder)
    (event,) = kind.expected
    labels = hitgraph.Pipeline.load(folder).run(event).labels
    if labels.shape != (event.n_hits,) or labels.min() < -1 or labels.max() >= event.n_hits:
        raise Failure(f"guarantee: labels of shape {labels.shape}")
    return "read"
