"""Fitting what stands in a folder of tracks, event by event, in one of several ways."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation.comparison import TracksFiles, read_labels
from hitgraph.evaluation.fit_quality import FitQuality, fit_quality
from hitgraph.event.event import Event
from hitgraph.event.field import MagneticField
from hitgraph.event.fits import (
    FittedTracks,
    field_at_beam_line,
    fits_path,
    method_of,
    read_fits,
    write_fits,
)
from hitgraph.event.source import EventSource
from hitgraph.hits import hits_from_event
from hitgraph.pipeline import Pipeline
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tracks.parameters.stage import PARAMETERS, HelixFitSettings, fitted_tracks

SAME_FIELD = 1e-6  # Tesla

# Fits the tracks of an event, the label of each hit or one below 0, in a field or its own.
Fit = Callable[[Event, NDArray[np.int64], MagneticField | None], FittedTracks]


@dataclass(frozen=True)
class Fitter:
    """A way to fit tracks."""

    method: str  # for people, and in the files
    fit: Fit


def fit_event(
    source: EventSource,
    fitter: Fitter,
    files: TracksFiles,
    folder: Path,
    field: MagneticField | None,
    resume: bool,
) -> FitQuality | None:
    """Fit the tracks of one event and write them; how good they are, where the event has truth.

    The field is the event's own where none is given. With `resume` fits that are there already are
    only judged. Raises InputError where tracks or event cannot be used.
    """
    if source.name not in files:
        raise InputError(f"{source.name}: has no tracks in {folder}: find them first")
    event = source.read()
    labels = read_labels(event, files[source.name])
    path = fits_path(folder, source.name)
    if resume and is_fitted(source.name, files):
        fits = _kept(path, fitter.method, event.likely_field if field is None else field)
    else:
        fits = fitter.fit(event, labels, field)
        write_fits(fits, path, fitter.method)
    if event.truth is None or event.particles is None:
        return None
    return replace(fit_quality(event, labels, fits), method=fitter.method)


def is_fitted(event: str, files: TracksFiles) -> bool:
    """Whether fits of these tracks are there: those of older tracks, made before them, are not."""
    tracks = files.get(event)
    if tracks is None:
        return False
    fits = fits_path(tracks.parent, event)
    return fits.is_file() and fits.stat().st_mtime >= tracks.stat().st_mtime


def _kept(path: Path, method: str, field: MagneticField) -> FittedTracks:
    """Fits that are there. Raises InputError where they were made in another way or field."""
    fits, theirs = read_fits(path), method_of(path)
    if theirs != method:
        raise InputError(
            f"{path}: was fitted by the method {theirs}, now it is {method}: give that --method, "
            "or fit again with --force"
        )
    here = field_at_beam_line(field, fits.parameters)
    if not np.allclose(fits.field, here, rtol=0, atol=SAME_FIELD):
        k = int(np.argmax(np.abs(fits.field - here)))
        raise InputError(
            f"{path}: was fitted in another field, {fits.field[k]:.4g} T at track "
            f"{fits.track_id[k]} where {field.name} has {here[k]:.4g} T: give that --field, "
            "or fit again with --force"
        )
    return fits


# ---------------------------------------------------------------- ways that need no ACTS


def helix_fit(
    event: Event, labels: NDArray[np.int64], field: MagneticField | None = None
) -> FittedTracks:
    """As the stage helix_fit does; a hit without cells is known to its pitch / sqrt(12).

    labels (n_hits,) are any numbers, below 0 for none, and become track_id. Raises InputError for
    an event without a table of its detector.
    """
    if event.detector is None:
        raise InputError(
            f"{event.name}: no detectors table beside the events: name it with --detectors"
        )
    field = event.likely_field if field is None else field
    context = Context(event.detector.in_field(field, event.name))
    track_id, state = _labelled(event, labels, context, event.cells is not None)
    settings = HelixFitSettings(clusters=event.cells is not None)
    with torch.inference_mode():
        return fitted_tracks(settings.load(context, {})(state), track_id)


@dataclass(frozen=True)
class LearntFit:
    """As a pipeline does whose last stages find parameters of tracks."""

    pipeline: str  # a shipped name or a folder

    def __call__(
        self, event: Event, labels: NDArray[np.int64], field: MagneticField | None = None
    ) -> FittedTracks:
        """As `helix_fit`. Raises InputError for an event of another detector or without cells."""
        field = event.likely_field if field is None else field
        pipeline = _opened(self.pipeline, field)
        track_id, state = _labelled(event, labels, pipeline.context, pipeline.recipe.clusters)
        with torch.inference_mode():
            for name in parameter_stages(pipeline):
                state = pipeline.stages[name](state)
        return fitted_tracks(state, track_id)


def parameter_stages(pipeline: Pipeline) -> list[str]:
    """The stages that find parameters of tracks. Raises SettingsError where there is none."""
    steps = pipeline.recipe.stages
    found = [step.name for step in steps if PARAMETERS in step.settings.gives]
    if not found:
        raise SettingsError(
            f"the pipeline {pipeline.recipe.name} has no stage that finds parameters of tracks "
            "(helix_fit, regression): train one with the recipe `parameters`"
        )
    return found


@cache
def _opened(name: str, field: MagneticField) -> Pipeline:
    pipeline = Pipeline.load(name)
    return pipeline.rebuilt(detector=pipeline.detector.in_field(field, name))


def _labelled(
    event: Event, labels: NDArray[np.int64], context: Context, clusters: bool
) -> tuple[NDArray[np.int64], State]:
    """The numbers of the tracks, and the state of the event with them, from 0 without gaps."""
    track_id, place = np.unique(labels, return_inverse=True)
    n_none = int((track_id < 0).sum())
    dense = torch.from_numpy(np.maximum(place.reshape(-1) - n_none, -1).astype(np.int64))
    hits = hits_from_event(event, context.detector, clusters, context.device)
    return track_id[n_none:], State(hits).with_labels(dense)
