"""Fitting what stands in a folder of tracks, event by event."""

from pathlib import Path

from hitgraph.acts.fit import fit_tracks
from hitgraph.errors import InputError
from hitgraph.evaluation.comparison import TracksFiles, read_labels
from hitgraph.evaluation.fit_quality import FitQuality, fit_quality
from hitgraph.evaluation.fits import fits_path, read_fits, write_fits
from hitgraph.event.source import EventSource


def fit_event(
    source: EventSource, files: TracksFiles, folder: Path, field: float, resume: bool
) -> FitQuality | None:
    """Fit the tracks of one event and write them; how good they are, where the event has truth.

    With `resume` fits that are there already are only judged. Raises InputError where tracks or
    event cannot be used.
    """
    if source.name not in files:
        raise InputError(f"{source.name}: has no tracks in {folder}: find them first")
    event = source.read()
    labels = read_labels(event, files[source.name])
    path = fits_path(folder, source.name)
    if resume and path.is_file():
        fits = read_fits(path)
        if (fits.field != field).any():
            raise InputError(
                f"{path}: was fitted in a field of {fits.field[0]:g} T, not {field:g} T: give that "
                "--field, or leave --resume out to fit again"
            )
    else:
        fits = fit_tracks(event, labels, field)
        write_fits(fits, path)
    if event.truth is None or event.particles is None:
        return None
    return fit_quality(event, labels, fits)
