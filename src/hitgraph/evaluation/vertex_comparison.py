"""Folders of vertices beside the truth: the same events, from the same tracks, in several ways."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hitgraph.errors import InputError
from hitgraph.evaluation.comparison import find_tracks, name_columns, read_labels
from hitgraph.evaluation.vertex_quality import VertexQuality, combine_vertices, vertex_quality
from hitgraph.event.fits import fits_path, read_fits
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.source import EventSource
from hitgraph.event.vertices import find_vertices, read_vertices
from hitgraph.workers import HERE, Workers


def compare_vertices(
    tracks: Path,
    folders: Sequence[Path],
    sources: Sequence[EventSource],
    selection: Selection = SELECTED,
    workers: Workers = HERE,
) -> dict[str, VertexQuality]:
    """How good the vertices in each folder are, by its name; `tracks` is what they were found from.

    The events of `sources` that have vertices in every folder count. Raises InputError where there
    is none, and for what cannot be read or is of other tracks.
    """
    columns = name_columns(folders)
    files = {name: find_vertices(folder) for name, folder in columns.items()}
    some = [source for source in sources if all(source.name in found for found in files.values())]
    if not some:
        raise InputError(f"no event of the truth has vertices in {', '.join(columns)}")
    judge = partial(_judged, tracks=tracks, files=files, selection=selection)
    parts: dict[str, dict[str, VertexQuality]] = {}
    for source, result in workers.share(judge, some):
        if isinstance(result, InputError):
            raise result
        parts[source.name] = result
    return {
        name: combine_vertices([parts[source.name][name] for source in some]) for name in columns
    }


def _judged(
    source: EventSource,
    tracks: Path,
    files: Mapping[str, Mapping[str, Path]],
    selection: Selection,
) -> dict[str, VertexQuality]:
    tracks_files = find_tracks(tracks)
    if source.name not in tracks_files:
        raise InputError(f"{source.name}: has vertices, but no tracks in {tracks}")
    event = source.read(cells=False)
    labels = read_labels(event, tracks_files[source.name])
    fitted = read_fits(fits_path(tracks, source.name)).track_id
    return {
        name: vertex_quality(event, labels, fitted, read_vertices(found[source.name]), selection)
        for name, found in files.items()
    }
