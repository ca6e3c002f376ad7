"""Pipelines as folders: where they are, how they are written and read."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import yaml
from torch import Tensor

from hitgraph._version import __version__
from hitgraph.domain import Domain
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.modules import read_detectors
from hitgraph.event.store import write_detectors
from hitgraph.files import atomic_write
from hitgraph.recipe import Recipe
from hitgraph.settings import parse, read_yaml, to_dict
from hitgraph.tensor_files import read_tensors, write_tensors
from hitgraph.text import listed

FORMAT = 2  # of the pipeline folder
TENSORS_FILE = "weights.safetensors"  # weights, tables and cuts of every stage
PIPELINE_FILE = "pipeline.yaml"  # written last: where it stands, the folder is complete


def shipped_pipelines() -> list[str]:
    """Names of the pipelines that come with the package."""
    root = files("hitgraph") / "pretrained"
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / PIPELINE_FILE).is_file())


def find_pipeline(name: str | Path) -> Path:
    """The folder of a shipped pipeline, or the folder itself."""
    folder = Path(str(files("hitgraph") / "pretrained" / str(name)))
    if not (folder / PIPELINE_FILE).is_file():
        folder = Path(name)
    if not (folder / PIPELINE_FILE).is_file():
        raise InputError(
            f"{name}: no such pipeline; shipped ones: {', '.join(shipped_pipelines()) or 'none'}; "
            "anything else has to be a folder with a pipeline.yaml as `hitgraph train` writes it"
        )
    return folder


class Content(NamedTuple):
    """What is in a pipeline folder."""

    recipe: Recipe
    detector: Detector
    tensors: Mapping[str, Mapping[str, Tensor]]  # by stage, then by name
    domain: Domain | None = None  # what the training events were like; older pipelines tell nothing


def write_folder(folder: Path, content: Content) -> None:
    """Write the content of a pipeline into a folder, pipeline.yaml last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_detectors(content.detector, folder / "detectors.parquet")
    tensors = {
        f"{stage}.{name}": tensor
        for stage, own in content.tensors.items()
        for name, tensor in own.items()
    }
    write_tensors(tensors, folder / TENSORS_FILE)
    head = {"format": FORMAT, "hitgraph": __version__, "recipe": to_dict(content.recipe)}
    if content.domain is not None:
        head["domain"] = to_dict(content.domain)
    with atomic_write(folder / PIPELINE_FILE) as temporary:
        temporary.write_text(yaml.safe_dump(head, sort_keys=False), encoding="utf-8")


def read_folder(folder: Path) -> Content:
    """What `write_folder` wrote. Raises InputError where it is damaged or of another version.

    It names registered stages only: nothing is imported because a file says so.
    """
    path = folder / PIPELINE_FILE
    head = read_yaml(path)
    if head.get("format") != FORMAT:
        raise InputError(
            f"{path}: format is {head.get('format')!r}, this version reads {FORMAT}: "
            f"it was written by hitgraph {head.get('hitgraph', '?')}, use that version"
        )
    try:
        recipe = parse(Recipe, head.get("recipe"), "recipe")
        known = head.get("domain")
        domain = None if known is None else parse(Domain, known, "domain")
    except SettingsError as error:
        raise InputError(f"{path}: {error}") from error
    tensors = _read_tensors(folder / TENSORS_FILE, recipe)
    return Content(recipe, read_detectors(folder / "detectors.parquet"), tensors, domain)


def _read_tensors(path: Path, recipe: Recipe) -> dict[str, dict[str, Tensor]]:
    """The tensors of each stage by name."""
    tensors: dict[str, dict[str, Tensor]] = {step.name: {} for step in recipe.stages}
    for key, value in read_tensors(path).items():
        stage, _, name = key.partition(".")
        if stage not in tensors:
            raise InputError(
                f"{path}: {key[:200]}: belongs to no stage of the recipe ({listed(tensors)})"
            )
        tensors[stage][name] = value
    return tensors
