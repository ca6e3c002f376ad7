"""Training a whole pipeline from a recipe, stage after stage, resumable at any point.

The output folder becomes a pipeline; its subfolder `training` holds logs, checkpoints and the
products of the stages (samples, states), which are removed once all is done.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitgraph.devices import find_device
from hitgraph.domain import learn_domain, observe
from hitgraph.errors import InputError
from hitgraph.event.source import EventSource
from hitgraph.lessons.seeds import generator
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import PIPELINE_FILE
from hitgraph.recipe import Recipe
from hitgraph.stage import Context
from hitgraph.training.events import (
    ask_teachers,
    detector_of,
    prepare_sample,
    require_true_edges,
    settled,
    split_events,
)
from hitgraph.training.place import TrainingFolder, open_folder
from hitgraph.training.refusals import check_recipe
from hitgraph.training.stages import StageTrainer
from hitgraph.training.start import stages_taken
from hitgraph.training.teachers import load_named
from hitgraph.training.workshop import Report, Watch, in_words

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What came out."""

    pipeline: Pipeline
    train_events: tuple[str, ...]
    validation_events: tuple[str, ...]
    stages: dict[str, dict[str, Any]]  # figures of merit by stage


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
    check_recipe(recipe, ranks)
    teachers, beginnings = load_named(recipe, "teacher"), load_named(recipe, "begin_with")
    train_sources, validation_sources = split_events(recipe, sources)
    recipe = settled(recipe, [*train_sources, *validation_sources], report)
    train_names = tuple(source.name for source in train_sources)
    validation_names = tuple(source.name for source in validation_sources)
    detector = detector_of(train_sources[0])
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
    begun_here = open_folder(place, [source.name for source in sources])
    if (out / PIPELINE_FILE).is_file():
        report("this training is complete")
        recalled = {step.name: place.recall(step.name) for step in recipe.stages}
        facts = {name: found for name, found in recalled.items() if found is not None}
        return Training(Pipeline.load(out), train_names, validation_names, facts)

    try:
        for source in train_sources:
            # Simulated clusters are more regular than real ones.
            prepare_sample(place, source, detector, generator(recipe.seed, "jitter", source.name))
            ask_teachers(place, source)
        for source in validation_sources:
            prepare_sample(place, source, detector)
        for kind, names in (("training", train_names), ("validation", validation_names)):
            require_true_edges(place, kind, names)
    except InputError:
        if begun_here:  # so that other events or another recipe can begin in the same folder
            shutil.rmtree(place.folder)
        raise

    trainer = StageTrainer(place, Context(detector), train_names, validation_names)
    stages: dict[str, dict[str, Any]] = {}
    for step in recipe.stages:
        stages[step.name] = trainer.train(step)
        report(f"{step.name}: {in_words(stages[step.name])}")
    names = (*train_names, *validation_names)
    domain = learn_domain([observe(trainer.finished(name), detector) for name in names])
    pipeline = Pipeline(recipe, trainer.context, trainer.stages, domain)
    pipeline.save(out)
    return Training(pipeline, train_names, validation_names, stages)
