"""Pipelines as folders: where they are, how they are written and read."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import safetensors
import torch
import yaml
from safetensors.torch import load_file, save
from torch import nn

from hitgraph._version import __version__
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.modules import read_detectors
from hitgraph.event.store import write_detectors
from hitgraph.files import atomic_write
from hitgraph.graph.scored.tables import ScoredSettings, ScoredWindows
from hitgraph.graph.windows import LayerWindows
from hitgraph.pipeline import Pipeline, WorkingPoints, new_networks
from hitgraph.recipe import RadiusStage, Recipe
from hitgraph.settings import parse, read_yaml, to_dict

FORMAT = 1  # of the pipeline folder
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


def save_pipeline(pipeline: Pipeline, folder: Path) -> None:
    """See Pipeline.save."""
    folder.mkdir(parents=True, exist_ok=True)
    if pipeline.windows is not None:
        pipeline.windows.save(folder / "windows.parquet")
    write_detectors(pipeline.detector, folder / "detectors.parquet")
    weights = {
        f"{stage}.{key}": value.contiguous()
        for stage in ("filter", "triplets", "gnn", "embedding", "join")
        if (network := getattr(pipeline, stage)) is not None
        for key, value in network.state_dict().items()
    }
    with atomic_write(folder / "weights.safetensors") as temporary:
        temporary.write_bytes(save(weights))
    content = {
        "format": FORMAT,
        "hitgraph": __version__,
        "recipe": to_dict(pipeline.recipe),
        "working_points": asdict(pipeline.working_points),
        "hit_features": list(pipeline.recipe.hit_features),
        "pair_features": list(pipeline.recipe.pair_features),
    }
    with atomic_write(folder / PIPELINE_FILE) as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def load_pipeline(folder: Path, device: torch.device, precision: torch.dtype) -> Pipeline:
    """The pipeline in a folder. Raises InputError where it is damaged or of another version."""
    path = folder / PIPELINE_FILE
    content = read_yaml(path)
    if content.get("format") != FORMAT:
        raise InputError(
            f"{path}: format is {content.get('format')!r}, this version reads {FORMAT}: "
            f"it was written by hitgraph {content.get('hitgraph', '?')}, use that version"
        )
    try:
        recipe = parse(Recipe, content.get("recipe"), "recipe")
        working_points = parse(WorkingPoints, content.get("working_points"), "working_points")
    except SettingsError as error:
        raise InputError(f"{path}: {error}") from error
    for key in ("hit_features", "pair_features"):
        known = getattr(recipe, key)
        if content.get(key) != list(known):
            raise InputError(
                f"{path}: {key} is {content.get(key)}, but this version computes {list(known)}: "
                "the pipeline was trained with other features, train it again"
            )
    by_radius = isinstance(recipe.graph, RadiusStage)
    if by_radius and working_points.radius is None:
        raise InputError(f"{path}: working_points.radius: is missing, the builder radius needs it")
    networks = new_networks(recipe)
    _load_weights(networks, folder / "weights.safetensors")
    windows: LayerWindows | ScoredWindows | None = None
    if not by_radius:
        scored = isinstance(recipe.graph, ScoredSettings)
        windows = (ScoredWindows if scored else LayerWindows).load(folder / "windows.parquet")
    pipeline = Pipeline(
        recipe=recipe,
        detector=read_detectors(folder / "detectors.parquet"),
        working_points=working_points,
        windows=windows,
        device=device,
        precision=precision,
        **networks,  # type: ignore[arg-type]
    )
    for network in networks.values():
        network.eval().to(device)
    return pipeline


def _load_weights(networks: Mapping[str, nn.Module], path: Path) -> None:
    try:
        weights = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors ({error})") from error
    for stage, network in networks.items():
        prefix = f"{stage}."
        state = {key[len(prefix) :]: v for key, v in weights.items() if key.startswith(prefix)}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{path}: {stage} weights do not fit the recipe: {error}") from error
