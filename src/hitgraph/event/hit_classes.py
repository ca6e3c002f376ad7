"""Classes of hits that a pipeline found in liquid argon: their file beside the tracks."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.archive import Place
from hitgraph.event.argon import CLASSES
from hitgraph.event.event import Event
from hitgraph.event.store import write_parquet
from hitgraph.event.tables import read_columns


def classes_path(folder: Path, event: str) -> Path:
    """Where the classes of an event's hits stand: `<event>-classes.parquet`."""
    return folder / f"{event}-classes.parquet"


def write_classes(hit_id: NDArray[np.int64], shares: NDArray[np.floating], path: Path) -> None:
    """Write one row a hit: hit_id, and how much the hit is of each of CLASSES, (n_hits, 5).

    Raises HitgraphError if it cannot be written.
    """
    columns = {name: shares[:, k].astype(np.float32) for k, name in enumerate(CLASSES)}
    write_parquet({"hit_id": hit_id, **columns}, path)


def read_classes(path: Path, event: Event) -> NDArray[np.int64]:
    """(n_hits,) place in CLASSES of each hit of the event, that of its largest share.

    Raises InputError naming file and column, and where the rows are not those of the event's hits.
    """
    types = {"hit_id": np.dtype(np.int64)} | dict.fromkeys(CLASSES, np.dtype(np.float32))
    columns = read_columns(Place(path), types)
    if not np.array_equal(columns["hit_id"], event.hits.hit_id):
        raise InputError(
            f"{path}: has {len(columns['hit_id'])} rows that are not the {event.n_hits} hits of "
            f"{event.name}: these are classes of another event, reconstruct it again"
        )
    shares = np.stack([columns[name] for name in CLASSES], axis=1)
    return np.asarray(shares.argmax(axis=1), np.int64)
