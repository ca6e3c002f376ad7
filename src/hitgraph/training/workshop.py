"""What a stage learns with: networks are fitted, figures noted and products kept, once each."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation.clustering import recognition_quality
from hitgraph.evaluation.matching import NOISE, match_tracks
from hitgraph.evaluation.trackml_score import trackml_score
from hitgraph.files import atomic_write, read_json
from hitgraph.lessons.lesson import Lesson
from hitgraph.lessons.material import Example
from hitgraph.lessons.samples import Sample, read_kept
from hitgraph.lessons.settings import TrainingSettings, TruthSettings
from hitgraph.lessons.teacher import Teacher
from hitgraph.tensor_files import write_tensors
from hitgraph.training.epochs import Epoch
from hitgraph.training.ranks import check_ranks, ranks_of, shares_graphs
from hitgraph.training.rounds import fit_in_rounds
from hitgraph.training.teachers import take_alike

Report = Callable[[str], None]
Watch = Callable[[str, Epoch], None]  # the name of a stage, an epoch of its training


@dataclass(frozen=True)
class StageWorkshop:
    """Of one stage; see hitgraph.lessons.workshop.Workshop."""

    name: str  # of the stage
    folder: Path  # its own
    seed: int
    truth: TruthSettings
    device: str
    resume: bool
    quiet: bool
    report: Report  # called with a line for people
    cpu_seconds: float | None = None  # of each training, instead of its number of epochs
    ranks: int = 1  # processes that share the steps of each training, as far as they can
    watch: Watch | None = None  # called with each epoch of a training
    teachers: Mapping[str, Path] = field(default_factory=dict)  # folders of scores, by pipeline
    beginnings: Mapping[str, Mapping[str, Tensor]] = field(  # tensors of the stage, by pipeline
        default_factory=dict
    )
    facts: dict[str, Any] = field(default_factory=dict)  # what was recorded

    def record(self, facts: Mapping[str, Any]) -> None:
        self.facts.update(facts)

    def fit(
        self,
        network: nn.Module,
        lesson: Lesson | None,
        settings: TrainingSettings,
        part: str = "",
    ) -> dict[str, float]:
        folder = self.folder / part
        if not self.is_fitted(part):
            assert lesson is not None
            title = f"{self.name} {part}".rstrip()
            if settings.begin_with:
                self._begin(network, settings.begin_with, part, title)
            ranks = ranks_of(self.ranks, settings)
            try:
                check_ranks(ranks, settings, lesson.n_batches)
            except SettingsError as error:
                raise SettingsError(f"stages.{self.name}.{error}") from None
            n_steps = lesson.n_batches // settings.batches_a_step
            shared = f", shared by {ranks} ranks" if ranks > 1 else ""
            shared += ", which split each graph" if shares_graphs(ranks, settings) else ""
            self.report(f"training {title}: {self._length(settings)} of {n_steps} steps{shared}")
            *_, merit = fit_in_rounds(
                network,
                lesson,
                settings,
                folder,
                device=self.device,
                resume=self.resume,
                quiet=self.quiet,
                cpu_seconds=self.cpu_seconds,
                ranks=ranks,
                report=partial(_say, self.report, title),
                watch=None if self.watch is None else partial(self.watch, self.name),
            )
            bad = [key for key, value in merit.items() if not math.isfinite(value)]
            if bad:
                raise SettingsError(
                    f"training {title}: {', '.join(bad)} became infinite or NaN: "
                    f"lower stages.{self.name}.training.learning_rate"
                )
            write_tensors(network.state_dict(), folder / "network.safetensors")
            with atomic_write(folder / "merit.json") as temporary:
                temporary.write_text(json.dumps(merit))
        network.load_state_dict(read_kept(folder / "network.safetensors"))
        network.eval()
        return read_figures(folder / "merit.json")

    def _begin(self, network: nn.Module, pipeline: str, part: str, title: str) -> None:
        taken = take_alike(network, self.beginnings[pipeline], part)
        if not taken:
            raise SettingsError(
                f"stages.{self.name}.training.begin_with: no weight of {pipeline} has the shape of "
                "one here: name another, or give the network its sizes"
            )
        self.report(f"{title} begins with {taken:,} weights of {pipeline}")

    def _length(self, settings: TrainingSettings) -> str:
        if self.cpu_seconds is None:
            return f"{settings.epochs} epochs"
        return f"{self.cpu_seconds:g} CPU seconds in epochs"

    def teacher(self, settings: TrainingSettings) -> Teacher:
        if not settings.teacher:
            return Teacher()
        return Teacher(self.teachers[settings.teacher], settings.teacher_weight)

    def is_fitted(self, part: str = "") -> bool:
        folder = self.folder / part
        return all((folder / name).is_file() for name in ("network.safetensors", "merit.json"))

    def cached(
        self, name: str, make: Callable[[], Mapping[str, Tensor]]
    ) -> Callable[[], dict[str, Tensor]]:
        path = self.folder / "cached" / f"{name}.safetensors"
        if not path.is_file():
            with torch.inference_mode():
                write_tensors(make(), path)
        return partial(read_kept, path)

    def score(self, example: Example, labels: Tensor, among: Tensor | None = None) -> float:
        sample = example.sample
        particle_id, weight = sample.particle_id.numpy(), sample.weight
        matches = match_tracks(particle_id, labels.numpy())
        weight = weight if among is None else torch.where(among, weight, 0.0)
        return trackml_score(particle_id, weight.numpy(), matches)

    def merit(self, example: Example, labels: Tensor) -> float:
        sample = example.sample
        if self.truth.tune_for == "score":
            return self.score(example, labels, sample.target)
        counts = sample.target | (sample.particle_id == NOISE)
        particle_id, found, weight = (
            one[counts].numpy() for one in (sample.particle_id, labels, sample.weight.double())
        )
        return recognition_quality(particle_id, found, weight, NOISE)

    def majority(self, sample: Sample, labels: Tensor) -> Tensor:
        particle_id = match_tracks(sample.particle_id.numpy(), labels.numpy()).particle_id
        return torch.from_numpy(np.asarray(particle_id, np.int64))


def _say(report: Report, title: str, line: str) -> None:
    report(f"{title}, {line}")


def read_figures(path: Path) -> dict[str, float]:
    """Figures that a training has kept. Raises InputError where one is no number."""
    figures = read_json(path)
    for key, value in figures.items():
        if not isinstance(value, int | float):
            raise InputError(
                f"{path}: is damaged, {key[:80]} is {str(value)[:80]!r} where a number is "
                "expected: remove it and go on with --resume"
            )
    return figures


def in_words(facts: Mapping[str, Any]) -> str:
    """Figures as a line for people."""
    return ", ".join(f"{key} {value:.5g}" for key, value in facts.items() if key != "train_loss")
