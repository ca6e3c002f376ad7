"""Fitting what stands in a folder of tracks, event by event."""

from pathlib import Path

import numpy as np

from hitgraph.acts.fit import fit_tracks
from hitgraph.errors import InputError
from hitgraph.evaluation.comparison import TracksFiles, read_labels
from hitgraph.evaluation.fit_quality import FitQuality, fit_quality
from hitgraph.event.field import MagneticField
from hitgraph.event.fits import field_at_beam_line, fits_path, read_fits, write_fits
from hitgraph.event.source import EventSource

SAME_FIELD = 1e-6  # Tesla


def is_fitted(event: str, files: TracksFiles) -> bool:
    """Whether fits of these tracks are there: those of older tracks, made before them, are not."""
    tracks = files.get(event)
    if tracks is None:
        return False
    fits = fits_path(tracks.parent, event)
    return fits.is_file() and fits.stat().st_mtime >= tracks.stat().st_mtime


def fit_event(
    source: EventSource, files: TracksFiles, folder: Path, field: MagneticField | None, resume: bool
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
        fits = read_fits(path)
        assumed = event.likely_field if field is None else field
        here = field_at_beam_line(assumed, fits.parameters)
        if not np.allclose(fits.field, here, rtol=0, atol=SAME_FIELD):
            k = int(np.argmax(np.abs(fits.field - here)))
            raise InputError(
                f"{path}: was fitted in another field, {fits.field[k]:.4g} T at track "
                f"{fits.track_id[k]} where {assumed.name} has {here[k]:.4g} T: give that --field, "
                "or fit again with --force"
            )
    else:
        fits = fit_tracks(event, labels, field)
        write_fits(fits, path)
    if event.truth is None or event.particles is None:
        return None
    return fit_quality(event, labels, fits)
