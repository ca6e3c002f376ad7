"""Found primary vertices beside the collisions of the event."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.evaluation.fit_quality import half_width
from hitgraph.evaluation.matching import match_tracks
from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.collisions import collisions_of, number_of_collision
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.event.truth import require_particles, require_truth, summarise_particles
from hitgraph.event.vertices import Vertices

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

VISIBLE = 2  # particles of the selection, from which on a collision can be seen as a vertex
CLEAN_SHARE = 0.7  # of a vertex's tracks, from which on it is that of one collision

CLEAN, MERGED, SPLIT, FAKE = range(4)
CLASSES = ("clean", "merged", "split", "fake")


@dataclass(frozen=True, eq=False)
class VertexQuality:
    """The vertices and the visible collisions of one event or of several."""

    n_events: int
    size: Int64  # (n_collisions,) particles of the selection, of each visible collision
    seen: Bool  # (n_collisions,) at least VISIBLE of its particles have a track with parameters
    found: Bool  # (n_collisions,) most tracks of some vertex are its
    found_clean: Bool  # (n_collisions,) by a clean one
    n_attached: int  # tracks on vertices
    n_own: int  # of these: of the collision that most tracks of their vertex come from
    kind: Int64  # (n_vertices,) one of CLEAN, MERGED, SPLIT, FAKE
    clean_size: Int64  # (n_clean,) tracks, of clean vertices
    residual: Float64  # (n_clean,) mm, z - that of the collision
    pull: Float64  # (n_clean,) the same over the error
    n_hard: int  # events with a hard collision
    n_hard_found: int  # of these: some vertex is its
    n_hard_chosen: int  # of these: the one with the largest sum of pT^2
    hard_residual: Float64  # (n_hard_found,) mm

    @property
    def n_collisions(self) -> int:
        """Visible ones."""
        return len(self.size)

    @property
    def efficiency(self) -> Ratio:
        """Visible collisions that are found."""
        return Ratio(int(self.found.sum()), self.n_collisions)

    @property
    def clean_efficiency(self) -> Ratio:
        """Visible collisions that are found by a clean vertex."""
        return Ratio(int(self.found_clean.sum()), self.n_collisions)

    @property
    def purity(self) -> Ratio:
        """Tracks on vertices that come from the collision of their vertex."""
        return Ratio(self.n_own, self.n_attached)

    def share_of(self, kind: int) -> Ratio:
        """Vertices that are CLEAN, MERGED, SPLIT or FAKE."""
        return Ratio(int((self.kind == kind).sum()), len(self.kind))

    @property
    def resolution(self) -> float:
        """mm, half of the central 68 % of the residuals of clean vertices in z."""
        return half_width(self.residual)

    @property
    def hard_distance(self) -> float:
        """mm, median distance in z between hard collisions and their vertices."""
        found = len(self.hard_residual) > 0
        return float(np.median(np.abs(self.hard_residual))) if found else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        numbers = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name.startswith("n_")
        }
        numbers |= {
            "n_collisions": self.n_collisions,
            "n_seen": int(self.seen.sum()),
            "n_found": self.efficiency.passed,
            "n_found_clean": self.clean_efficiency.passed,
        }
        real = {
            "efficiency": self.efficiency.value,
            "purity": self.purity.value,
            "resolution_z": self.resolution,
            "pull_width_z": half_width(self.pull),
            "hard_distance_z": self.hard_distance,
        }
        kinds = {name: int((self.kind == kind).sum()) for kind, name in enumerate(CLASSES)}
        return (
            numbers
            | {"vertices": len(self.kind), **kinds}
            | {name: value if np.isfinite(value) else None for name, value in real.items()}
        )


def vertex_quality(
    event: Event,
    labels: Int64,
    fitted: Int64,
    vertices: Vertices,
    selection: Selection = SELECTED,
) -> VertexQuality:
    """Compare the vertices of one event with its collisions.

    `labels` (n_hits,) is the track of each hit with the numbers of the vertices' tracks, below 0
    for none; `fitted` (n_fitted,) the tracks that have parameters. A track is of the collision of
    the particle that it matches (double majority). A vertex is of the collision that most of its
    tracks come from: clean where these are at least 70 %, else merged; split where another vertex
    of the same collision has a larger sum of pT^2; fake where more tracks match no particle than
    come from any one collision. These are the classes of ATLAS (arXiv 1611.10235, section 7) and of
    the VertexTruthMatcher of ACTS. A collision is visible with at least two charged primary
    particles of the selection. Raises InputError without truth, and for a track that is not there.
    """
    collision_of_track = collision_of_tracks(event, labels)
    strange = [one for one in vertices.track_id if one not in collision_of_track]
    if strange:
        raise InputError(
            f"{event.name}: the vertices have track {strange[0]}, which the tracks do not "
            f"({len(strange)} such tracks): they were found from other tracks"
        )
    collisions = collisions_of(event)
    summary = summarise_particles(event)
    counts = selection.mask(summary) & summary.primary & (summary.charge != 0)
    mine = number_of_collision(summary.particle_id)
    size = {number: int((counts & (mine == number)).sum()) for number in collisions}
    size = {number: n for number, n in size.items() if n >= VISIBLE}
    visible = np.array([*size], np.int64)
    with_track = np.array([collision_of_track.get(one, 0) for one in fitted.tolist()], np.int64)

    owner, share = _owners(vertices, collision_of_track)
    kind = np.where(owner == 0, FAKE, np.where(share >= CLEAN_SHARE, CLEAN, MERGED))
    best: dict[int, int] = {}
    for row in np.lexsort((np.arange(len(vertices)), -vertices.sum_pt2)).tolist():
        number = int(owner[row])
        if number and best.setdefault(number, row) != row:
            kind[row] = SPLIT
    clean = np.flatnonzero(kind == CLEAN)
    true_z = np.array([collisions.get(number, np.nan) for number in owner.tolist()], np.float64)
    residual = vertices.z - true_z
    hard = event.hard_collision if event.hard_collision in size else None
    row = best.get(hard, -1) if hard is not None else -1
    chosen = int(vertices.sum_pt2.argmax()) if len(vertices) else -2
    attached_to = owner[vertices.vertex]
    of_tracks = np.array([collision_of_track[one] for one in vertices.track_id.tolist()], np.int64)
    return VertexQuality(
        n_events=1,
        size=np.array([*size.values()], np.int64),
        seen=np.array([(with_track == one).sum() >= VISIBLE for one in visible], np.bool_),
        found=np.isin(visible, [*best]),
        found_clean=np.isin(visible, owner[clean]),
        n_attached=len(of_tracks),
        n_own=int(((of_tracks == attached_to) & (attached_to > 0)).sum()),
        kind=kind,
        clean_size=vertices.n_tracks[clean],
        residual=residual[clean],
        pull=residual[clean] / vertices.z_error[clean],
        n_hard=int(hard is not None),
        n_hard_found=int(row >= 0),
        n_hard_chosen=int(row >= 0 and row == chosen),
        hard_residual=residual[[row]] if row >= 0 else np.empty(0),
    )


def combine_vertices(parts: Sequence[VertexQuality]) -> VertexQuality:
    """The vertices of several events together."""
    whole: dict[str, Any] = {}
    for field in fields(VertexQuality):
        values = [getattr(part, field.name) for part in parts]
        whole[field.name] = sum(values) if field.type is int else np.concatenate(values)
    return VertexQuality(**whole)


def collision_of_tracks(event: Event, labels: Int64) -> dict[int, int]:
    """The collision that the particle of each track comes from; 0 for a track that matches none.

    `labels` (n_hits,) is the track of each hit. Raises InputError without truth.
    """
    truth, particles = require_truth(event), require_particles(event)
    matches = match_tracks(truth.particle_id, labels)
    known = matches.matched("double majority")
    known &= np.isin(matches.particle_id, particles.particle_id)
    number = np.where(known, number_of_collision(matches.particle_id), 0)
    return dict(zip(matches.label.tolist(), number.tolist(), strict=True))


def _owners(vertices: Vertices, collision_of_track: dict[int, int]) -> tuple[Int64, Float64]:
    """The collision of each vertex, 0 for a fake one, and the share of its tracks from there."""
    owner, share = np.zeros(len(vertices), np.int64), np.zeros(len(vertices))
    of_tracks = np.array([collision_of_track[one] for one in vertices.track_id.tolist()], np.int64)
    for row in range(len(vertices)):
        numbers, counts = np.unique(of_tracks[vertices.vertex == row], return_counts=True)
        real = numbers > 0
        if real.any() and counts[real].max() >= counts[~real].sum():
            most = int(counts[real].argmax())
            owner[row], share[row] = numbers[real][most], counts[real][most] / counts.sum()
    return owner, share
