"""Cells -> the shape of each hit's cluster, nine numbers a hit (docs/physics.md)."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.jit import exact

CLUSTER_FEATURES = (
    "cell_count",  # number of cells
    "charge",  # summed cell values, in the file's unit
    "lx",  # mm, channels spanned along u times the pitch
    "ly",  # mm, channels spanned along v times the pitch
    "lz",  # mm, thickness of the module
    "leta",  # pseudorapidity of (lx, ly, lz) in the module's frame, w being the polar axis
    "lphi",  # rad, azimuth of (lx, ly, lz) in the module's frame
    "geta",  # pseudorapidity of the same vector in the global frame
    "gphi",  # rad, its azimuth in the global frame
)

_HITS = 4096  # what is worth a task


def modules_of_hits(event: Event, detector: Detector) -> NDArray[np.int64]:
    """(n_hits,) dense module index of each hit. Raises InputError for an unknown module."""
    hits = event.hits
    try:
        return detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    except InputError as error:
        raise InputError(f"{event.name} hits, {error}") from error


def cluster_features(
    event: Event, detector: Detector, module: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """(n_hits, 9) shape of each hit's cluster, columns CLUSTER_FEATURES.

    A hit without cells gets nine zeros. The signs of lx and ly cannot be seen in one cluster:
    both count as positive, so the direction is right up to a mirror in each of u and v. `module`
    is what `modules_of_hits` gives, where it is known already.
    Raises InputError where the event has no cells or a hit lies on a module that `detector`
    does not have.
    """
    if event.cells is None or (event.n_hits and not len(event.cells)):
        lack = "no cell table" if event.cells is None else "a cell table without any cells"
        raise InputError(
            f"{event.name}: {lack}, so clusters have no shape: put "
            f"{event.name}-cells.csv beside the hits, or take a pipeline without cluster features"
        )
    detector.require_pitches(event.name)
    hits, cells = event.hits, event.cells
    where = modules_of_hits(event, detector) if module is None else module
    start = _first_cells(hits.hit_id, cells.hit_id)
    if start[-1] != len(cells):
        raise InputError(
            f"{event.name} cells, row {start[-1]}: hit_id {cells.hit_id[start[-1]]} is not that of "
            "the next hit: cells must be sorted by the row of their hit in the hit table"
        )
    features = np.zeros((len(hits.hit_id), len(CLUSTER_FEATURES)), np.float32)

    def task(begin: int, end: int) -> None:
        _fill(
            begin, end, start, cells.ch0, cells.ch1, cells.value, where,
            2.0 * detector.half_thickness, detector.pitch_u, detector.pitch_v, detector.rotation,
            features,
        )  # fmt: skip

    in_blocks(task, len(features), _HITS)
    return features


@exact
def _first_cells(hit_id, cell_hit):  # type: ignore[no-untyped-def]
    """(n_hits + 1,) where the cells of each hit begin, as far as they follow the hits."""
    start = np.empty(len(hit_id) + 1, np.int64)
    cell = 0
    for hit in range(len(hit_id)):
        start[hit] = cell
        while cell < len(cell_hit) and cell_hit[cell] == hit_id[hit]:
            cell += 1
    start[-1] = cell
    return start


@exact
def _fill(  # type: ignore[no-untyped-def]
    begin, end, start, ch0, ch1, value, module, thickness, pitch_u, pitch_v, rotation, features
):
    for hit in range(begin, end):
        first, last = start[hit], start[hit + 1]
        if first == last:
            continue
        low_u = high_u = ch0[first]
        low_v = high_v = ch1[first]
        charge = 0.0
        for cell in range(first, last):
            low_u, high_u = min(low_u, ch0[cell]), max(high_u, ch0[cell])
            low_v, high_v = min(low_v, ch1[cell]), max(high_v, ch1[cell])
            charge += value[cell]
        m = module[hit]
        lx = (high_u - low_u + 1) * pitch_u[m]
        ly = (high_v - low_v + 1) * pitch_v[m]
        lz = thickness[m]
        gx = rotation[m, 0, 0] * lx + rotation[m, 0, 1] * ly + rotation[m, 0, 2] * lz
        gy = rotation[m, 1, 0] * lx + rotation[m, 1, 1] * ly + rotation[m, 1, 2] * lz
        gz = rotation[m, 2, 0] * lx + rotation[m, 2, 1] * ly + rotation[m, 2, 2] * lz
        features[hit, 0] = last - first
        features[hit, 1] = charge
        features[hit, 2] = lx
        features[hit, 3] = ly
        features[hit, 4] = lz
        features[hit, 5] = np.arcsinh(lz / np.hypot(lx, ly))
        features[hit, 6] = np.arctan2(ly, lx)
        features[hit, 7] = np.arcsinh(gz / np.hypot(gx, gy))
        features[hit, 8] = np.arctan2(gy, gx)
