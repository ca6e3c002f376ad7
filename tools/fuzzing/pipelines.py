"""Campaigns on recipes and on pipeline folders: of all that come with the package."""

import dataclasses
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

import hitgraph
from fuzzing.checks import Failure, Words
from fuzzing.damage import Rng, damaged_bytes
from fuzzing.forms import Files, small_event
from fuzzing.kind import Kind, write_files
from fuzzing.structures import damaged_columns, damaged_tensors, damaged_yaml
from hitgraph.pipeline_files import shipped_pipelines
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
    event = dataclasses.replace(small_event(), detector=None)
    files: Files = {}
    labels = {}
    for shipped in shipped_pipelines():
        pipeline = hitgraph.Pipeline.load(shipped)
        labels[shipped] = pipeline.run(event).labels
        with tempfile.TemporaryDirectory() as folder:
            pipeline.save(folder)  # with check sums, which those of earlier versions lack
            for path in map(Path(folder).joinpath, STRUCTURES):
                files[f"{shipped}/{path.name}"] = path.read_bytes()
    return Kind(files, partial(try_pipeline, labels), (event,))


def try_recipe(kind: Kind, folder: Path, rng: Rng, _words: Words) -> str:
    """Reading: a message, or a recipe that can be written down and read back."""
    content = kind.files[str(rng.choice(sorted(kind.files)))]
    damage = damaged_bytes if rng.random() < 0.3 else damaged_yaml
    write_files({"recipe.yaml": damage(content, rng)}, folder)
    recipe = read_recipe(folder / "recipe.yaml")
    if parse(Recipe, to_dict(recipe)) != recipe:
        raise Failure("silent: a recipe read back is another")
    return "read"


def try_pipeline(
    expected: Mapping[str, np.ndarray], kind: Kind, folder: Path, rng: Rng, _words: Words
) -> str:
    """Loading and one event: a message, or labels that fit the event.

    Those of the undamaged pipeline, in `expected`, where bytes under a check sum are changed.
    """
    pipeline, name = str(rng.choice(sorted(kind.files))).split("/")
    files = {one: kind.files[f"{pipeline}/{one}"] for one in STRUCTURES}
    bytes_alone = rng.random() < 0.3
    damage = damaged_bytes if bytes_alone else STRUCTURES[name]
    write_files(files | {name: damage(files[name], rng)}, folder)
    (event,) = kind.expected
    labels = hitgraph.Pipeline.load(folder).run(event).labels
    if labels.shape != (event.n_hits,) or labels.min() < -1 or labels.max() >= event.n_hits:
        raise Failure(f"guarantee: labels of shape {labels.shape}")
    same = np.array_equal(labels, expected[pipeline])
    if bytes_alone and name != "pipeline.yaml" and not same:
        raise Failure(f"silent: {name} was read as another")
    return "same" if same else "read"
