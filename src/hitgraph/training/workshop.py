"""Where a training keeps its things, and what its stages share."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, InputError
from hitgraph.files import atomic_write, read_json
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.training.fit import Lesson, fit
from hitgraph.training.samples import save_tensors
from hitgraph.training.settings import TrainingSettings

Report = Callable[[str], None]


@dataclass(frozen=True)
class Workshop:
    """Where a training keeps its things, and how it runs."""

    recipe: Recipe
    out: Path
    device: str
    resume: bool
    quiet: bool
    report: Report  # called with a line for people

    @property
    def folder(self) -> Path:
        return self.out / "training"

    def path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.safetensors"

    def paths(self, kind: str, names: Sequence[str]) -> list[Path]:
        return [self.path(kind, name) for name in names]

    def recall(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage recorded, None while it is unfinished."""
        path = self.folder / stage / "done.json"
        return read_json(path) if path.is_file() else None

    def record(self, stage: str, facts: dict[str, Any]) -> None:
        with atomic_write(self.folder / stage / "done.json") as temporary:
            temporary.write_text(json.dumps(facts, indent=1))


def teach(
    shop: Workshop, name: str, network: nn.Module, lesson: Lesson, settings: TrainingSettings
) -> dict[str, Any]:
    """Train a network, or read it back where a run before this one has."""
    if not is_taught(shop, name):
        shop.report(f"training {name}: {settings.epochs} epochs of {lesson.n_batches} steps")
        merit = fit(
            network,
            lesson,
            settings,
            shop.folder / name,
            device=shop.device,
            resume=shop.resume,
            quiet=shop.quiet,
        )
        bad = [key for key, value in merit.items() if not math.isfinite(value)]
        if bad:
            section = {"embedding": "graph"}.get(name, name.partition("/")[0])
            raise HitgraphError(
                f"training {name}: {', '.join(bad)} became infinite or NaN: "
                f"lower {section}.training.learning_rate"
            )
        save_tensors(network.state_dict(), shop.path(name, "network"))
        with atomic_write(shop.folder / name / "merit.json") as temporary:
            temporary.write_text(json.dumps(merit))
    return read_back(shop, name, network)


def is_taught(shop: Workshop, name: str) -> bool:
    return shop.path(name, "network").is_file() and (shop.folder / name / "merit.json").is_file()


def read_back(shop: Workshop, name: str, network: nn.Module) -> dict[str, Any]:
    """Give a network the weights of its finished training; returns its figures of merit."""
    network.load_state_dict(load_file(shop.path(name, "network")))
    network.eval()
    return read_json(shop.folder / name / "merit.json")


def cut_at_efficiency(scores: Tensor, efficiency: float) -> float:
    """The score that a fraction `efficiency` of the true edges reaches or passes."""
    if len(scores) == 0:
        raise InputError("the validation events have no true edge of a target particle")
    rank = min(int((1 - efficiency) * len(scores)), len(scores) - 1)
    value = float(torch.sort(scores).values[rank])
    return min(max(value, 1e-9), 1 - 1e-9)


def with_points(pipeline: Pipeline, **points: float) -> Pipeline:
    return replace(pipeline, working_points=replace(pipeline.working_points, **points))


def in_words(facts: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value:.5g}" for key, value in facts.items() if key != "train_loss")
