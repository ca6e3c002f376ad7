"""Training a whole pipeline from a recipe, stage after stage, resumable at any point.

The output folder becomes a pipeline; its subfolder `training` holds logs, checkpoints and the
products of the stages (samples, states), which are removed once all is done.
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from torch import Tensor

from hitgraph.devices import find_device
from hitgraph.domain import learn_domain, observe
from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.source import EventSource, require_different_names
from hitgraph.event.truth import require_truth
from hitgraph.files import atomic_write, read_json
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import (
    Sample,
    is_true_edge,
    load_sample,
    load_state,
    make_sample,
    read_kept,
    save_sample,
    save_state,
)
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.lessons.teacher import save_scores
from hitgraph.nn.quantise import FLOAT, has_input_grids
from hitgraph.pipeline import Pipeline, check_detector, promised
from hitgraph.pipeline_files import PIPELINE_FILE
from hitgraph.recipe import Recipe, Step
from hitgraph.settings import to_dict
from hitgraph.stage import Context, Stage, gives_of
from hitgraph.state import EDGES, LABELS, State
from hitgraph.tensor_files import write_tensors
from hitgraph.tensors import check_network
from hitgraph.tracks.both_passes import all_tracks
from hitgraph.training.contract import check_state, contract_of, tensors_of
from hitgraph.training.identity import identity_of, recipe_in
from hitgraph.training.ranks import ranks_of
from hitgraph.training.start import fingerprint_of, stages_taken
from hitgraph.training.teachers import edge_scores, load_named
from hitgraph.training.trackers import check_trackers
from hitgraph.training.workshop import Report, StageWorkshop, Watch, in_words, read_figures

_log = logging.getLogger(__name__)
_DONE, _TENSORS = "done.json", "stage.safetensors"  # what a finished stage leaves in its folder
_STATES, _CACHED = "states", "cached"  # folders that `clean` removes


@dataclass(frozen=True)
class Training:
    """What came out."""

    pipeline: Pipeline
    train_events: tuple[str, ...]
    validation_events: tuple[str, ...]
    stages: dict[str, dict[str, Any]]  # figures of merit by stage


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
        return self.folder / stage / _STATES / f"{name}.safetensors"

    def recall(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage recorded, None while it is unfinished."""
        path = self.folder / stage / _DONE
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


def train(
    recipe: Recipe,
    sources: Sequence[EventSource],
    out: Path,
    *,
    device: str = "cpu",
    start: Pipeline | None = None,
    start_stages: int | None = None,
    resume: bool = False,
    quiet: bool = False,
    report: Report = _log.info,
    cpu_seconds: Mapping[str, float] | None = None,
    ranks: int = 1,
    watch: Watch | None = None,
) -> Training:
    """Train the stages of `recipe` one after another and write the pipeline to `out`.

    The first events train, the following ones validate, as the recipe says; others are not
    touched. The first stages that `start` has with the same names and settings are taken from it,
    `start_stages` at most.
    `cpu_seconds` bounds each network of the stages that it names by CPU time instead of epochs.
    `ranks` processes share the steps of a network (hitgraph.training.ranks), where its
    `batches_a_step` can be shared, or its graphs, where `split` says so. `watch` is called with the
    stage and each epoch of its networks, and may end all with an exception.
    Resuming a training that is complete reads back what it made. Raises InputError for events
    without truth or too few of them, SettingsError for an `out` that belongs to another training
    and for a `start` of which nothing can be taken.
    """
    _check_networks(recipe)
    _check_ranks(recipe, ranks)
    _check_trackers(recipe)
    teachers, beginnings = load_named(recipe, "teacher"), load_named(recipe, "begin_with")
    train_sources, validation_sources = _split(recipe, sources)
    train_names = tuple(source.name for source in train_sources)
    validation_names = tuple(source.name for source in validation_sources)
    detector = _detector(train_sources[0])
    taken = {} if start is None else stages_taken(start, recipe, detector, start_stages)
    place = TrainingFolder(
        recipe,
        out,
        str(find_device(device)),
        resume,
        quiet,
        report,
        taken,
        cpu_seconds or {},
        ranks,
        watch,
        teachers,
        beginnings,
    )
    begun_here = _open(place, [source.name for source in sources])
    if (out / PIPELINE_FILE).is_file():
        report("this training is complete")
        recalled = {step.name: place.recall(step.name) for step in recipe.stages}
        facts = {name: found for name, found in recalled.items() if found is not None}
        return Training(Pipeline.load(out), train_names, validation_names, facts)

    try:
        for source in train_sources:
            # Simulated clusters are more regular than real ones.
            _prepare_sample(place, source, detector, generator(recipe.seed, "jitter", source.name))
            _ask_teachers(place, source)
        for source in validation_sources:
            _prepare_sample(place, source, detector)
        for kind, names in (("training", train_names), ("validation", validation_names)):
            _require_true_edges(place, kind, names)
    except InputError:
        if begun_here:  # so that other events or another recipe can begin in the same folder
            shutil.rmtree(place.folder)
        raise

    trainer = _Trainer(place, Context(detector), train_names, validation_names)
    stages: dict[str, dict[str, Any]] = {}
    for step in recipe.stages:
        stages[step.name] = trainer.train(step)
        report(f"{step.name}: {in_words(stages[step.name])}")
    names = (*train_names, *validation_names)
    domain = learn_domain([observe(trainer.finished(name), detector) for name in names])
    pipeline = Pipeline(recipe, trainer.context, trainer.stages, domain)
    pipeline.save(out)
    return Training(pipeline, train_names, validation_names, stages)


def clean(out: Path) -> None:
    """Remove what a finished training no longer needs; logs and checkpoints stay."""
    for name in ("samples", "teachers"):
        shutil.rmtree(out / "training" / name, ignore_errors=True)
    for kind in (_STATES, _CACHED):
        for folder in (out / "training").glob(f"*/{kind}"):
            shutil.rmtree(folder, ignore_errors=True)


class _Trainer:
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
        if done is not None and (folder / _TENSORS).is_file():
            self.stages[step.name] = step.settings.load(self.context, read_kept(folder / _TENSORS))
            return done
        workshop = place.workshop(step.name)
        if step.name in place.taken:
            place.report(f"{step.name} is taken as it is")
            tensors = place.taken[step.name]
        else:
            tensors = self._learn(step, workshop)
        write_tensors(tensors, folder / _TENSORS)
        # As the pipeline will have it, which reads it from a file.
        self.stages[step.name] = step.settings.load(self.context, read_kept(folder / _TENSORS))
        for name in (*self.train_names, *self.validation_names):
            self._state(name, len(self.stages))
        facts = {**workshop.facts, **self._judged(step, workshop)}
        with atomic_write(folder / _DONE) as temporary:
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


def _check_networks(recipe: Recipe) -> None:
    """Refuse a network that is too large, or cannot be quantised so, before any is taught."""
    for step in recipe.stages:
        settings: Any = step.settings
        if hasattr(settings, "network"):
            try:
                check_network(settings.build, settings.network)
                _check_input_grids(settings)
            except SettingsError as error:
                raise SettingsError(f"stages.{step.name}.{error}") from None


def _check_input_grids(settings: Any) -> None:
    training = getattr(settings, "training", None)
    if isinstance(training, TrainingSettings) and training.constrains_inputs:
        with torch.device("meta"):
            quantised = has_input_grids(settings.build())
        if not quantised:
            raise SettingsError(
                "training.quantise.activations: is for the stages radius and filter only; the "
                f"others take {FLOAT}"
            )


def _check_ranks(recipe: Recipe, ranks: int) -> None:
    """Refuse ranks that would have nothing to do in any stage."""
    trainings = [getattr(step.settings, "training", None) for step in recipe.stages]
    known = [one for one in trainings if isinstance(one, TrainingSettings)]
    most = max((ranks_of(ranks, one) for one in known), default=1)
    if ranks > most:
        can = (
            f"only {most} of {ranks} have a share" if most > 1 else f"{ranks} have nothing to share"
        )
        raise SettingsError(
            f"--ranks: {can}, as no stage has a training.batches_a_step that all could share: "
            f"set it to {ranks}, where the time of a step matters, or training.split to phi, where "
            "its memory does"
        )


def _check_trackers(recipe: Recipe) -> None:
    """Refuse a tracker of experiments that is not installed."""
    for step in recipe.stages:
        training = getattr(step.settings, "training", None)
        if isinstance(training, TrainingSettings):
            try:
                check_trackers(training.trackers)
            except SettingsError as error:
                raise SettingsError(f"stages.{step.name}.{error}") from None


def _split(
    recipe: Recipe, sources: Sequence[EventSource]
) -> tuple[list[EventSource], list[EventSource]]:
    n_train, n_validation = recipe.data.train_events, recipe.data.validation_events
    if len(sources) < n_train + n_validation:
        raise InputError(
            f"the recipe wants {n_train} events to train and {n_validation} to validate on, "
            f"the data has {len(sources)}: simulate more, or lower data.train_events"
        )
    require_different_names(sources)
    return list(sources[:n_train]), list(sources[n_train : n_train + n_validation])


def _open(place: TrainingFolder, event_names: list[str]) -> bool:
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


def _detector(source: EventSource) -> Detector:
    event = source.read(cells=False)
    require_truth(event)
    if event.detector is None:
        raise InputError(
            f"{source.path}: no detectors table beside the events: name it with --detectors"
        )
    return replace(event.detector, field=event.field)


def _prepare_sample(
    place: TrainingFolder,
    source: EventSource,
    detector: Detector,
    jitter: torch.Generator | None = None,
) -> None:
    path = place.sample(source.name)
    if path.is_file():
        return
    place.report(f"reading {source.name}")
    event = source.read(cells=place.recipe.clusters)
    check_detector(event, detector)
    recipe = place.recipe
    sample = make_sample(event, detector, recipe.clusters, recipe.truth, jitter, recipe.hit_columns)
    save_sample(sample, path)


def _ask_teachers(place: TrainingFolder, source: EventSource) -> None:
    """Keep what each of them says of the edges of a training event, as it is."""
    for name, teacher in place.teachers.items():
        path = place.scores(name) / f"{source.name}.safetensors"
        if not path.is_file():
            place.report(f"{name} scores {source.name}")
            event = source.read(cells=teacher.recipe.clusters)
            save_scores(*edge_scores(teacher, event), event.n_hits, path)


def _require_true_edges(place: TrainingFolder, kind: str, names: Sequence[str]) -> None:
    """Refuse events that cannot teach anything, before any network is trained on them."""
    paths = (place.sample(name) for name in names)
    if not any(read_kept(path)["true_edges"].shape[1] for path in paths):
        truth = place.recipe.truth
        raise InputError(
            f"the {len(names)} {kind} events have no true edge of a target particle (truth: "
            f"{truth}): take other events, or a wider truth"
        )
