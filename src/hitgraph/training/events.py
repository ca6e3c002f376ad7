"""The events of a training: which train and which validate, and samples of them."""

from collections.abc import Sequence

import torch

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.source import EventSource, require_different_names
from hitgraph.event.truth import require_truth
from hitgraph.lessons.samples import make_sample, read_kept, save_sample
from hitgraph.lessons.teacher import save_scores
from hitgraph.pipeline import check_detector
from hitgraph.recipe import Recipe
from hitgraph.text import listed
from hitgraph.training.place import TrainingFolder
from hitgraph.training.teachers import edge_scores
from hitgraph.training.workshop import Report


def split_events(
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


def settled(recipe: Recipe, sources: Sequence[EventSource], report: Report) -> Recipe:
    """The recipe for these events: what it leaves to them is decided by whether they have cells.

    Raises InputError where a stage asks for clusters of events that have none.
    """
    if not recipe.clusters:
        return recipe
    cells = any(source.has_cells for source in sources)
    decided = recipe.settled(cells)
    if not cells and decided.clusters:
        raise InputError(
            f"{sources[0].path}: the {len(sources)} events have no cells, but the recipe's stages "
            f"{listed(decided.seeing_clusters)} ask for clusters: give events with cells, or leave "
            "out cluster_shape: true, clusters: true and the columns of clusters"
        )
    if not cells:
        without = [name for name in recipe.seeing_clusters if name not in decided.seeing_clusters]
        report(f"the events have no cells, so without clusters: {listed(without)}")
    return decided


def detector_of(source: EventSource) -> Detector:
    event = source.read(cells=False)
    require_truth(event)
    if event.detector is None:
        raise InputError(
            f"{source.path}: no detectors table beside the events: name it with --detectors"
        )
    return event.detector.in_field(event.field, source.path)


def prepare_sample(
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
    own, first = event.field, detector.field
    if own is not None and first is not None and own != first:
        raise InputError(
            f"{source.path}: was taken in the field {own.name}, the first event in {first.name}: "
            "teach a pipeline on events in one field"
        )
    recipe = place.recipe
    sample = make_sample(event, detector, recipe.clusters, recipe.truth, jitter, recipe.hit_columns)
    save_sample(sample, path)


def ask_teachers(place: TrainingFolder, source: EventSource) -> None:
    """Keep what each of them says of the edges of a training event, as it is."""
    for name, teacher in place.teachers.items():
        path = place.scores(name) / f"{source.name}.safetensors"
        if not path.is_file():
            place.report(f"{name} scores {source.name}")
            event = source.read(cells=teacher.recipe.clusters)
            save_scores(*edge_scores(teacher, event), event.n_hits, path)


def require_true_edges(place: TrainingFolder, kind: str, names: Sequence[str]) -> None:
    """Refuse events that cannot teach anything, before any network is trained on them."""
    paths = (place.sample(name) for name in names)
    if not any(read_kept(path)["true_edges"].shape[1] for path in paths):
        truth = place.recipe.truth
        raise InputError(
            f"the {len(names)} {kind} events have no true edge of a target particle (truth: "
            f"{truth}): take other events, or a wider truth"
        )
