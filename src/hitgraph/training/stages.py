"""The stages of a training, taught one after another."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from hitgraph.files import atomic_write
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import (
    Sample,
    is_true_edge,
    load_sample,
    load_state,
    read_kept,
    save_state,
)
from hitgraph.lessons.seeds import generator
from hitgraph.pipeline import promised
from hitgraph.recipe import Step
from hitgraph.stage import Context, Stage, gives_of
from hitgraph.state import EDGES, LABELS, State
from hitgraph.tensor_files import write_tensors
from hitgraph.tracks.both_passes import all_tracks
from hitgraph.training.contract import check_state, contract_of, tensors_of
from hitgraph.training.place import DONE, TENSORS, TrainingFolder
from hitgraph.training.workshop import StageWorkshop


class StageTrainer:
    """Trains the stages one after another; what is done already is read back."""

    def __init__(
        self,
        place: TrainingFolder,
        context: Context,
        train: Sequence[str],
        validation: Sequence[str],
    ) -> None:
        self.place, self.context = place, context
        self.train_names, self.validation_names = train, validation
        self.stages: dict[str, Stage] = {}

    def train(self, step: Step) -> dict[str, Any]:
        """Teach one stage, unless that is done; returns its figures of merit."""
        place, folder = self.place, self.place.folder / step.name
        done = place.recall(step.name)
        if done is not None and (folder / TENSORS).is_file():
            self.stages[step.name] = step.settings.load(self.context, read_kept(folder / TENSORS))
            return done
        workshop = place.workshop(step.name)
        if step.name in place.taken:
            place.report(f"{step.name} is taken as it is")
            tensors = place.taken[step.name]
        else:
            tensors = self._learn(step, workshop)
        write_tensors(tensors, folder / TENSORS)
        # As the pipeline will have it, which reads it from a file.
        self.stages[step.name] = step.settings.load(self.context, read_kept(folder / TENSORS))
        for name in (*self.train_names, *self.validation_names):
            self._state(name, len(self.stages))
        facts = {**workshop.facts, **self._judged(step, workshop)}
        with atomic_write(folder / DONE) as temporary:
            temporary.write_text(json.dumps(facts, indent=1))
        return facts

    def _learn(self, step: Step, workshop: StageWorkshop) -> Mapping[str, Tensor]:
        # Of the stage and not of the training, so that an interruption makes no difference.
        L.seed_everything(_seed(self.place.recipe.seed, step.name), verbose=False)
        material = Material(
            *(self._reads(names) for names in (self.train_names, self.validation_names))
        )
        with contract_of(step):
            return tensors_of(step.settings.learn(self.context, material, workshop))

    def finished(self, name: str) -> State:
        """What the stages that are taught leave of an event."""
        return self._example(name, len(self.stages)).state

    def _reads(self, names: Sequence[str]) -> list[Read]:
        return [partial(self._example, name, len(self.stages)) for name in names]

    def _example(self, name: str, n_stages: int) -> Example:
        """The state of an event after the first `n_stages` stages."""
        sample = self._sample(name)
        if n_stages == 0:
            return Example(sample, State(sample.hits))
        return Example(sample, load_state(sample.hits, self._state(name, n_stages)))

    def _sample(self, name: str) -> Sample:
        return load_sample(self.place.sample(name), self.place.recipe.hit_columns)

    def _state(self, name: str, n_stages: int) -> Path:
        """Where the state after that many stages stands; it is made where it is missing."""
        last = list(self.stages)[n_stages - 1]
        path = self.place.state(last, name)
        if not path.is_file():
            step = self.place.recipe.step(last)
            before = self._example(name, n_stages - 1).state
            self.place.report(f"{last} of {name}")
            with torch.inference_mode():
                after = promised(step, self.stages[last])(before)
                with contract_of(step):
                    check_state(before, after)
                save_state(after, path)
        return path

    def _judged(self, step: Step, workshop: StageWorkshop) -> dict[str, float]:
        """How good the edges or tracks are that a stage leaves of the validation events."""
        gives, n = gives_of(step.settings), len(self.validation_names)
        facts: dict[str, float] = {}
        n_edges = n_true = n_found = 0
        scores: dict[str, list[float]] = {"trackml_score": [], "trackml_score_primaries": []}
        for name in self.validation_names:
            sample, state = example = self._example(name, len(self.stages))
            if state.edges is not None:
                n_edges += state.n_edges
                n_true += sample.true_edges.shape[1]
                n_found += int(is_true_edge(sample, state.edges).sum())
            if LABELS in gives and state.labels is not None:
                labels = all_tracks(state)
                scores["trackml_score"].append(workshop.score(example, labels))
                primaries = workshop.score(example, labels, sample.primary)
                scores["trackml_score_primaries"].append(primaries)
        if EDGES in gives:
            facts |= {"edges": n_edges / n, "efficiency": n_found / max(n_true, 1)}
        for kind, found in scores.items():
            if (score := mean_of_known(found)) is not None:
                facts[kind] = score
        return facts


def _seed(seed: int, name: str) -> int:
    return int(generator(seed, "stage", name).initial_seed() % 2**32)
