"""Clusters of pixels and strips -> space points."""

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.event.cluster_tables import NO_ROW, refuse_clusters
from hitgraph.event.detector import Detector
from hitgraph.event.double_sided import NO_SIDE, other_sides
from hitgraph.event.event import ClusterTable, Event
from hitgraph.event.field import CURVATURE
from hitgraph.event.space_points import clusters_of, event_of_pairs
from hitgraph.hits.strips import Strips, cross_strips
from hitgraph.kernels.choice import Backend

MIN_PT = 1.0  # GeV, of particles that all have their space points
SMALLEST = 0.5  # mm beyond the ends of strips, for what is neither bent nor from the beam line


def space_points(
    clusters: ClusterTable,
    detector: Detector,
    min_pt: float = MIN_PT,
    backend: Backend = "auto",
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows (n_points, 2) of the clusters of each space point, and position (n_points, 3) in mm.

    A cluster of a single module is one by itself, with the position that it has and NO_ROW; on a
    double-sided one every pair that crosses is one (`cross_strips`), also where two particles made
    it. Strips are `pitch_v` long, along v, and may miss each other by as much as the field bends a
    particle of `min_pt` (GeV) from the beam line between the sides (`tolerances`). By module of the
    first cluster, which is on the module with the lower row of the two. Raises InputError for a
    module that `detector` does not have, and where it does not tell the pitch.
    """
    detector.require_pitches("space points of strips")
    module = detector.module_index(clusters.volume_id, clusters.layer_id, clusters.module_id)
    position = np.stack([clusters.x, clusters.y, clusters.z], axis=1).astype(np.float64)
    side = other_sides(detector)[module]

    def strips(rows: NDArray[np.int64], pair: NDArray[np.int64]) -> Strips:
        along = detector.rotation[module[rows]][:, :, 1]
        half = 0.5 * detector.pitch_v[module[rows], None] * along
        columns = (position[rows], half, pair)
        return Strips(*(torch.from_numpy(column) for column in columns))

    first = _sorted(np.flatnonzero((side != NO_SIDE) & (module < side)), module)
    second = _sorted(np.flatnonzero((side != NO_SIDE) & (module > side)), side)
    sides = strips(first, module[first]), strips(second, side[second])
    tolerance = tolerances(detector, module[first], side[first], min_pt)
    pairs, crossing = cross_strips(*sides, torch.from_numpy(tolerance), backend=backend)
    single = np.flatnonzero(side == NO_SIDE)
    rows = np.concatenate(
        [
            np.stack([single, np.full(len(single), NO_ROW)], axis=1),
            np.stack([first[pairs[0].numpy()], second[pairs[1].numpy()]], axis=1),
        ]
    )
    order = np.argsort(module[rows[:, 0]], kind="stable")
    return rows[order], np.concatenate([position[single], crossing.numpy()])[order]


def tolerances(
    detector: Detector, module: NDArray[np.int64], other: NDArray[np.int64], min_pt: float
) -> NDArray[np.float64]:
    """(n,) mm by which strips of two sides may miss each other, for particles that bend.

    A particle of transverse momentum `min_pt` from the beam line is at an angle r / 2R to the line
    from there, R its radius in the field at the centre. Between sides a gap apart it goes so much
    aside, times the path between them across the beam, and that over the sine of the angle between
    strips is how far along them it is seen to be off. ATLAS widens its strips in the same way
    (SiSpacePointMakerTool, `offset`).
    """
    centre, axes = detector.centre[module], detector.rotation[module]
    normal = axes[:, :, 2]
    gap = np.abs(np.einsum("ni,ni->n", detector.centre[other] - centre, normal))
    away = np.maximum(np.abs(np.einsum("ni,ni->n", centre, normal)), SMALLEST)
    r = np.hypot(centre[:, 0], centre[:, 1])
    strips = np.cross(axes[:, :, 1], detector.rotation[other][:, :, 1])
    stereo = np.linalg.norm(strips, axis=1)
    field = 0.0 if detector.field is None else float(detector.field.at(0.0, 0.0)[1])
    angle = 0.5 * CURVATURE * abs(field) * r / min_pt
    wide: NDArray[np.float64] = SMALLEST + gap * (r / away) * angle / stereo
    return wide


def event_of_points(event: Event, detector: Detector, min_pt: float = MIN_PT) -> Event:
    """The event whose hits are the space points of what are its hits now, clusters.

    As `event_of_pairs`, of every pair that crosses. Raises InputError for an event that has space
    points already, and as `space_points`.
    """
    refuse_clusters(event, "are so already")
    rows, position = space_points(clusters_of(event), detector, min_pt)
    return event_of_pairs(event, rows, position)


def _sorted(rows: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.argsort(key[rows], kind="stable")]
