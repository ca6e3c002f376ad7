"""Primary vertices of an event: the tables, and their two files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.modules import made_of
from hitgraph.event.store import write_parquet
from hitgraph.event.tables import read_columns
from hitgraph.fingerprint import fingerprint_of_file

SUFFIX = "-vertices.parquet"
OF_TRACKS = "-attached.parquet"  # "-tracks." is of tracks alone
METHOD, TRACKS = "method", "tracks"  # in the metadata of the file

_WHOLE, _REAL = np.dtype(np.int64), np.dtype(np.float64)


@dataclass(frozen=True, eq=False)
class Vertices:
    """Vertices on the beam line by rising z, and the tracks that are attached to one."""

    z: NDArray[np.float64]  # (n_vertices,) mm
    z_error: NDArray[np.float64]  # (n_vertices,) mm
    n_tracks: NDArray[np.int64]  # (n_vertices,)
    sum_pt2: NDArray[np.float64]  # (n_vertices,) GeV^2, sum of pT^2 of the tracks
    track_id: NDArray[np.int64]  # (n_attached,) as in the files of tracks and fits, rising
    vertex: NDArray[np.int64]  # (n_attached,) row of the vertex of each of these tracks

    def __len__(self) -> int:
        return len(self.z)


def write_vertices(vertices: Vertices, folder: Path, event: str, method: str, tracks: Path) -> None:
    """Write `<event>-attached.parquet` (track_id, vertex), then `<event>-vertices.parquet`
    (vertex, z, z_error, n_tracks, sum_pt2). `method`, who found them, and what the file `tracks`
    holds go into the metadata. Raises HitgraphError if they cannot be written."""
    made = {METHOD: method, TRACKS: fingerprint_of_file(tracks)}
    write_parquet(
        {"track_id": vertices.track_id, "vertex": vertices.vertex},
        folder / (event + OF_TRACKS),
        made,
    )
    write_parquet(
        {
            "vertex": np.arange(len(vertices)),
            "z": vertices.z,
            "z_error": vertices.z_error,
            "n_tracks": vertices.n_tracks,
            "sum_pt2": vertices.sum_pt2,
        },
        folder / (event + SUFFIX),
        made,
    )


def has_vertices(folder: Path) -> bool:
    """Whether a folder has files of vertices."""
    return any(folder.glob(f"*{SUFFIX}"))


def find_vertices(folder: Path) -> dict[str, Path]:
    """The files `<event>-vertices.parquet` of a folder, by event. Raises InputError without any."""
    found = {
        path.name.removesuffix(SUFFIX): path
        for path in sorted(folder.glob(f"*{SUFFIX}"))
        if path.is_file()
    }
    if not found:
        raise InputError(
            f"{folder}: no vertices in there (looked for EVENT{SUFFIX} as `hitgraph vertices` "
            "writes them)"
        )
    return found


def vertex_method(path: Path) -> str:
    """Who found the vertices of a file."""
    return str(made_of(Place(path)).get(METHOD, "unknown"))


def made_from(path: Path) -> str:
    """The fingerprint of the file of tracks that the vertices of a file were found from."""
    return str(made_of(Place(path)).get(TRACKS, "unknown"))


def read_vertices(path: Path) -> Vertices:
    """Read what `write_vertices` wrote; `path` is that of the vertices. Raises InputError naming
    file and column, and where the two files do not belong together."""
    table = read_columns(
        Place(path),
        dict.fromkeys(("vertex", "n_tracks"), _WHOLE)
        | dict.fromkeys(("z", "z_error", "sum_pt2"), _REAL),
    )
    beside = path.with_name(path.name.removesuffix(SUFFIX) + OF_TRACKS)
    attached = read_columns(Place(beside), dict.fromkeys(("track_id", "vertex"), _WHOLE))
    n = len(table["vertex"])
    strange = (attached["vertex"] < 0) | (attached["vertex"] >= n)
    counted = np.bincount(attached["vertex"][~strange], minlength=n)
    if strange.any() or not np.array_equal(counted, table["n_tracks"]):
        raise InputError(
            f"{beside}: its tracks are not those of the {n} vertices in {path.name}: find the "
            "vertices again with `hitgraph vertices --force`"
        )
    return Vertices(
        **{name: table[name] for name in ("z", "z_error", "n_tracks", "sum_pt2")},
        track_id=attached["track_id"],
        vertex=attached["vertex"],
    )
