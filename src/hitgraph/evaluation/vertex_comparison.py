"""Folders of vertices beside the truth: the same events, in several ways."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hitgraph.errors import InputError
from hitgraph.evaluation.comparison import find_tracks, read_labels
from hitgraph.evaluation.vertex_quality import VertexQuality, combine_vertices, vertex_quality
from hitgraph.event.fits import fits_path, read_fits
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.source import EventSource
from hitgraph.event.vertices import find_vertices, has_vertices, made_from, read_vertices
from hitgraph.fingerprint import fingerprint_of_file
from hitgraph.workers import HERE, Workers


def vertex_folders(tracks: Sequence[Path], given: Sequence[Path]) -> dict[Path, Path]:
    """Folders of vertices, and the folder of tracks that each was found from.

    They are the folders of tracks that have vertices beside them, and those `given`, which are from
    the only folder of tracks. Raises InputError where there are several.
    """
    if given and len(tracks) > 1:
        raise InputError(
            f"--vertices: are judged with the tracks they were found from, so give one TRACKS_DIR, "
            f"not {len(tracks)}"
        )
    found = {folder: folder for folder in tracks if has_vertices(folder)}
    return found | dict.fromkeys(given, tracks[0])


def compare_vertices(
    folders: Mapping[Path, Path],
    sources: Sequence[EventSource],
    selection: Selection = SELECTED,
    workers: Workers = HERE,
) -> dict[Path, VertexQuality]:
    """How good the vertices in each folder are; with it goes that of the tracks they are from.

    The events of `sources` that have vertices in every folder count. Raises InputError where there
    is none, and for what cannot be read or is of other tracks.
    """
    if not folders:
        return {}
    files = {folder: find_vertices(folder) for folder in folders}
    some = [source for source in sources if all(source.name in found for found in files.values())]
    if not some:
        raise InputError(
            f"no event of the truth has vertices in {', '.join(map(str, folders))}: they are of "
            f"{', '.join(next(iter(found)) for found in files.values())} ..."
        )
    judge = partial(_judged, folders=folders, files=files, selection=selection)
    parts: list[dict[Path, VertexQuality]] = []
    for _, result in workers.share(judge, some):
        if isinstance(result, InputError):
            raise result
        parts.append(result)
    return {folder: combine_vertices([part[folder] for part in parts]) for folder in folders}


def _judged(
    source: EventSource,
    folders: Mapping[Path, Path],
    files: Mapping[Path, Mapping[str, Path]],
    selection: Selection,
) -> dict[Path, VertexQuality]:
    event = source.read(cells=False)
    judged = {}
    for folder, tracks in folders.items():
        of_tracks, path = find_tracks(tracks).get(source.name), files[folder][source.name]
        if of_tracks is None:
            raise InputError(f"{path}: its event has no tracks in {tracks}")
        if made_from(path) != fingerprint_of_file(of_tracks):
            raise InputError(
                f"{path}: was not found from {of_tracks} as it is now: find the vertices of these "
                "tracks with `hitgraph vertices`"
            )
        labels = read_labels(event, of_tracks)
        fitted = read_fits(fits_path(tracks, source.name)).track_id
        judged[folder] = vertex_quality(event, labels, fitted, read_vertices(path), selection)
    return judged
