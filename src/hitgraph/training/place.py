"""The folder of a training: where its things stand, and whose it is."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.files import atomic_write, read_json
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import PIPELINE_FILE
from hitgraph.recipe import Recipe
from hitgraph.settings import to_dict
from hitgraph.training.identity import identity_of, recipe_in
from hitgraph.training.start import fingerprint_of
from hitgraph.training.workshop import Report, StageWorkshop, Watch, read_figures

DONE, TENSORS = "done.json", "stage.safetensors"  # what a finished stage leaves in its folder
STATES, CACHED = "states", "cached"  # folders that `clean` removes


@dataclass(frozen=True)
class TrainingFolder:
    """Where a training keeps its things, and how it runs."""

    recipe: Recipe
    out: Path
    device: str
    resume: bool
    quiet: bool
    report: Report
    # tensors of stages that are not taught, by name
    taken: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)  # by stage, see train()
    ranks: int = 1
    watch: Watch | None = None
    # those that the recipe names, by these names
    teachers: Mapping[str, Pipeline] = field(default_factory=dict)
    beginnings: Mapping[str, Pipeline] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.out / "training"

    def sample(self, name: str) -> Path:
        return self.folder / "samples" / f"{name}.safetensors"

    def scores(self, teacher: str) -> Path:
        """The folder of what a teacher says of the training events."""
        return self.folder / "teachers" / str(list(self.teachers).index(teacher))

    def state(self, stage: str, name: str) -> Path:
        return self.folder / stage / STATES / f"{name}.safetensors"

    def recall(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage recorded, None while it is unfinished."""
        path = self.folder / stage / DONE
        return read_figures(path) if path.is_file() else None

    def workshop(self, stage: str) -> StageWorkshop:
        return StageWorkshop(
            stage,
            self.folder / stage,
            self.recipe.seed,
            self.recipe.truth,
            self.device,
            self.resume,
            self.quiet,
            self.report,
            self.cpu_seconds.get(stage),
            self.ranks,
            self.watch,
            {name: self.scores(name) for name in self.teachers},
            {
                name: pipeline.stages[stage].tensors()
                for name, pipeline in self.beginnings.items()
                if stage in pipeline.stages
            },
        )


def clean(out: Path) -> None:
    """Remove what a finished training no longer needs; logs and checkpoints stay."""
    for name in ("samples", "teachers"):
        shutil.rmtree(out / "training" / name, ignore_errors=True)
    for kind in (STATES, CACHED):
        for folder in (out / "training").glob(f"*/{kind}"):
            shutil.rmtree(folder, ignore_errors=True)


def open_folder(place: TrainingFolder, event_names: list[str]) -> bool:
    """Refuse a folder with a pipeline, or one that another training has begun, or this one
    without --resume; whether the training begins now."""
    taken = {stage: fingerprint_of(tensors) for stage, tensors in place.taken.items()}
    identity = {"recipe": to_dict(place.recipe), "events": event_names, "taken": taken}
    path = identity_of(place.out)
    if not path.is_file():
        if (place.out / PIPELINE_FILE).is_file():
            raise SettingsError(
                f"{place.out}: holds a pipeline that was not trained here: name another --out"
            )
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(identity))
        with atomic_write(place.folder / "recipe.yaml") as temporary:
            temporary.write_text(yaml.safe_dump(identity["recipe"], sort_keys=False))
        return True
    if not place.resume:
        raise SettingsError(
            f"{place.out}: a training was begun here: go on with --resume, or name another --out"
        )
    begun = read_json(path)
    same = begun.get("events") == event_names and (begun.get("taken") or {}) == taken
    if not same or recipe_in(begun) != place.recipe:
        raise SettingsError(
            f"{place.out}: was begun with another recipe, other events or another --from "
            f"(see {place.folder / 'recipe.yaml'}): resume with those, or name another --out"
        )
    return False
