"""Vertices of many events: a folder of fitted tracks in, a folder of vertices out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation.comparison import find_tracks
from hitgraph.event.event import number_of
from hitgraph.event.fits import fits_path, read_fits
from hitgraph.event.vertices import SUFFIX, read_vertices, vertex_method, write_vertices
from hitgraph.tracks.vertices.beam import TrackCuts
from hitgraph.vertices.finders import Finder


@dataclass(frozen=True)
class FittedEvent:
    """One event of a folder of tracks."""

    name: str
    tracks: Path
    fits: Path


def fitted_events(folder: Path, numbers: tuple[int, int] | None = None) -> list[FittedEvent]:
    """The events whose tracks are in a folder, of these `numbers` (first, end).

    Raises InputError where tracks have no parameters, or older ones, or no event is left.
    """
    found = []
    for name, tracks in find_tracks(folder).items():
        if numbers is not None and not numbers[0] <= number_of(name) < numbers[1]:
            continue
        fits = fits_path(folder, name)
        if not fits.is_file():
            raise InputError(
                f"{tracks}: its tracks have no parameters ({fits.name} is not there): fit them "
                "with `hitgraph fit`, or find tracks with a pipeline that has the stage helix_fit"
            )
        if fits.stat().st_mtime < tracks.stat().st_mtime:
            raise InputError(
                f"{fits}: is older than {tracks.name}, so it is of other tracks: fit them again "
                "with `hitgraph fit`"
            )
        found.append(FittedEvent(name, tracks, fits))
    if not found:
        raise InputError(f"{folder}: has no tracks of events with these numbers")
    return found


def find_event(event: FittedEvent, finder: Finder, cuts: TrackCuts, out: Path) -> int:
    """Find the vertices of one event and write them; how many there are."""
    vertices = finder(read_fits(event.fits), cuts)
    write_vertices(vertices, out, event.name, finder.method, event.tracks)
    return len(vertices)


def left_to_do(
    events: Sequence[FittedEvent], out: Path, method: str, resume: bool, force: bool
) -> list[FittedEvent]:
    """The events whose vertices are still to be found.

    Raises SettingsError where `out` holds some already and nothing is said of them, or with
    `resume` those of another method, InputError where these cannot be read.
    """
    there = [event for event in events if (out / (event.name + SUFFIX)).is_file()]
    if force or not there:
        return list(events)
    if not resume:
        raise SettingsError(
            f"{out}: holds vertices of {there[0].name} already: --resume keeps them and goes on, "
            "--force finds them again"
        )
    for event in there:
        path = out / (event.name + SUFFIX)
        read_vertices(path)
        if (theirs := vertex_method(path)) != method:
            raise SettingsError(
                f"{path}: was found by {theirs}, now it is {method}: take another folder, or "
                "--force"
            )
    return [event for event in events if event not in there]
