"""Where true edges, tracks and TrackML score are lost, stage by stage, in one event.

After each stage the *ceiling* is what could still be reached if all that follows were perfect:

- after a stage that leaves edges, connected components of the edges between hits of one particle;
- where the pipeline joins tracks in the end, all these components (or tracks) of at least 2 hits
  of one particle made one track;
- after the last stage, what was reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hitgraph.evaluation.edges import EdgeTruth, edge_truth, kept_true_edges
from hitgraph.evaluation.matching import TrackMatches, match_tracks
from hitgraph.evaluation.metrics import MIN_TRACK_HITS, STIFF, truth_weights
from hitgraph.evaluation.trackml_score import scored_hits
from hitgraph.event.event import Event
from hitgraph.event.selection import ALL_PARTICLES, SELECTED, Selection
from hitgraph.event.truth import (
    ParticleSummary,
    particle_rows,
    require_truth,
    same_particle,
    summarise_particles,
    true_edges,
)
from hitgraph.studies.particle_groups import particle_groups
from hitgraph.studies.walk import Step
from hitgraph.tracks.both_passes import together
from hitgraph.tracks.unionfind import connect, number_sets

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

CAUSES = ("fragments", "merged", "hits on no track", "hits elsewhere", "not found")
"""Why the score of a particle's hits is lost, see `loss_causes`."""
FAKES = ("fragment", "mixture", "noise")
"""What tracks are that match no particle, see `fake_kinds`."""


@dataclass(frozen=True, eq=False)
class Scene:
    """The truth of one event, prepared once for all stages."""

    particles: ParticleSummary
    particle_id: Int64  # (n_hits,)
    row: Int64  # (n_hits,) row of the particle of each hit, -1 for noise
    weight: Float64  # (n_hits,) TrackML weights, sum 1
    truth: EdgeTruth
    edge_row: Int64  # (n_true,) row of the particle of each true edge
    groups: dict[str, dict[str, Bool]]  # (n_particles,) masks by variable and bin
    cuts: tuple[Selection, ...]  # whose efficiency is looked at


def prepare(event: Event, selection: Selection = ALL_PARTICLES) -> Scene:
    """Raises InputError for an event without truth or particles."""
    particles, truth, rows = summarise_particles(event), edge_truth(event), particle_rows(event)
    weight = truth_weights(event).astype(np.float64)
    return Scene(
        particles=particles,
        particle_id=require_truth(event).particle_id,
        row=rows,
        weight=weight / max(weight.sum(), 1e-30),
        truth=truth,
        edge_row=rows[truth.true_hits],
        groups=particle_groups(event, particles, rows, selection),
        cuts=(selection.above(SELECTED.min_pt), selection.above(STIFF)),
    )


def waterfall(
    event: Event, steps: Sequence[Step], selection: Selection = ALL_PARTICLES
) -> dict[str, Any]:
    """What is left after each stage, of the selection and in bins; JSON-able counts and weights.

    `steps` as `hitgraph.studies.walk.walk` gives them; the last one has tracks.
    """
    scene = prepare(event, selection)
    joins = any(step.joins for step in steps)
    measured = [_measure(scene, Step("truth", edges=true_edges(event), joins=joins))]
    labels = None
    for step in steps:
        labels = step.labels
        measured.append(_measure(scene, step))
    assert labels is not None
    matches = match_tracks(scene.particle_id, labels)
    causes = loss_causes(scene, matches)
    return {
        "event": event.name,
        "n_hits": event.n_hits,
        "stages": [stage.to_dict() for stage in measured],
        "fakes": fake_kinds(scene.particle_id, matches),
        "groups": {
            name: {label: _summed(scene, mask, measured, causes) for label, mask in masks.items()}
            for name, masks in scene.groups.items()
        },
    }


@dataclass(frozen=True, eq=False)
class _Measured:
    """What is left after a stage, particle by particle."""

    name: str
    n_edges: int | None
    n_same: int | None  # edges that join hits of one particle
    kept: Int64 | None  # (n_particles,) true edges
    unjoined: Float64  # (n_particles,) score within reach without joining
    weight: Float64  # (n_particles,) score within the ceiling
    found: Bool  # (n_particles,) within the ceiling

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "edges": self.n_edges, "same_particle": self.n_same}


def _measure(scene: Scene, step: Step) -> _Measured:
    n_edges = n_same = kept = None
    if step.labels is not None:
        labels = step.labels
    else:
        assert step.edges is not None
        same = step.edges[:, same_particle(scene.particle_id, step.edges)]
        n_edges, n_same = step.edges.shape[1], same.shape[1]
        is_kept = kept_true_edges(scene.truth, step.edges)
        kept = np.bincount(scene.edge_row[is_kept], minlength=len(scene.particles))
        labels = perfect_components(len(scene.row), same)
        if step.first_pass is not None:
            first, second = torch.from_numpy(step.first_pass), torch.from_numpy(labels)
            labels = together(first, second).numpy()
    matches = match_tracks(scene.particle_id, labels)
    unjoined = weight = _score(scene, matches)
    if step.joins:
        matches = match_tracks(scene.particle_id, perfect_join(matches))
        weight = _score(scene, matches)
    good = matches.matched("double majority") & (matches.n_hits >= MIN_TRACK_HITS)
    found = np.isin(scene.particles.particle_id, matches.particle_id[good])
    return _Measured(step.name, n_edges, n_same, kept, unjoined, weight, found)


def _score(scene: Scene, matches: TrackMatches) -> Float64:
    """(n_particles,) weight of the hits on the tracks that match."""
    return _by_particle(scene, scored_hits(scene.particle_id, matches))


def _by_particle(scene: Scene, hits: Bool) -> Float64:
    """(n_particles,) summed weight of the hits (n_hits,) of particles that are chosen."""
    hits = hits & (scene.row >= 0)
    total = np.bincount(scene.row[hits], scene.weight[hits], len(scene.particles))
    return total.astype(np.float64)


def _summed(
    scene: Scene, mask: Bool, stages: list[_Measured], causes: dict[str, Float64]
) -> dict[str, Any]:
    """The particles of one bin: how many, and what each stage leaves of them."""
    weight = _by_particle(scene, scene.row >= 0)
    technical = {
        f"{cut.min_pt:g}": mask & cut.reconstructable(scene.particles) for cut in scene.cuts
    }
    true = np.bincount(scene.edge_row, minlength=len(mask))
    return {
        "particles": int(np.count_nonzero(mask & (scene.particles.n_hits > 0))),
        "reconstructable": {key: int(np.count_nonzero(m)) for key, m in technical.items()},
        "true_edges": int(true[mask].sum()),
        "weight": float(weight[mask].sum()),
        "stages": [
            {
                "kept": None if stage.kept is None else int(stage.kept[mask].sum()),
                "unjoined": float(stage.unjoined[mask].sum()),
                "weight": float(stage.weight[mask].sum()),
                "found": {k: int(np.count_nonzero(m & stage.found)) for k, m in technical.items()},
            }
            for stage in stages
        ],
        "causes": {name: float(lost[mask].sum()) for name, lost in causes.items()},
    }


def perfect_components(n_hits: int, edges: Int64) -> Int64:
    """(n_hits,) labels of the connected components of the edges (2, n_edges); -1 for hits alone."""
    labels: Int64 = number_sets(connect(n_hits, edges[0], edges[1]), 2)
    return labels


def perfect_join(matches: TrackMatches) -> Int64:
    """(n_hits,) labels with all tracks joined that are mostly hits of one and the same particle."""
    own = 2 * matches.n_shared > matches.n_hits
    new = np.arange(len(matches))
    _, first, group = np.unique(matches.particle_id[own], return_index=True, return_inverse=True)
    new[own] = np.flatnonzero(own)[first][group]
    return np.where(matches.track >= 0, np.append(new, -1)[matches.track], -1)


def loss_causes(scene: Scene, matches: TrackMatches) -> dict[str, Float64]:
    """(n_particles,) lost score by cause; over all causes the sum is 1 - score.

    - hits on no track, hits elsewhere: the particle is matched, these hits are not on its track
    - merged: a track holds more than half of its hits but is not mostly its own, or more than
      half of its hits are on tracks that are mostly not its own
    - fragments: the tracks that are mostly its own hold more than half of its hits together, but
      none of them does
    - not found: all others
    """
    n = len(scene.particles)
    n_hits = scene.particles.n_hits
    on = np.flatnonzero((matches.track >= 0) & (scene.row >= 0))
    row, track = scene.row[on], matches.track[on]
    pair, shared = np.unique(track * n + row, return_counts=True)
    largest = np.zeros(n, np.int64)
    np.maximum.at(largest, pair % max(n, 1), shared)
    is_own = (2 * matches.n_shared > matches.n_hits)[track] & (
        matches.particle_id[track] == scene.particle_id[on]
    )
    own = np.bincount(row[is_own], minlength=n)
    others = np.bincount(row[~is_own], minlength=n)

    scored = scored_hits(scene.particle_id, matches)
    matched = np.zeros(n, bool)
    matched[scene.row[scored]] = True
    lost = _by_particle(scene, ~scored)
    loose = np.where(matched, _by_particle(scene, ~scored & (matches.track < 0)), 0.0)
    fragments = ~matched & (2 * own > n_hits)
    merged = ~matched & ~fragments & ((2 * largest > n_hits) | (2 * others > n_hits))
    rest = ~matched & ~fragments & ~merged
    split, mixed, missing = (np.where(mask, lost, 0.0) for mask in (fragments, merged, rest))
    elsewhere = np.where(matched, lost, 0.0) - loose
    return dict(zip(CAUSES, (split, mixed, loose, elsewhere, missing), strict=True))


def fake_kinds(particle_id: Int64, matches: TrackMatches) -> dict[str, int]:
    """How many tracks of at least 3 hits there are, and what those are that match no particle.

    - fragment: most hits are one particle's, but not most of the particle's hits
    - noise: at least half of the hits are noise
    - mixture: all others
    """
    candidate = matches.n_hits >= MIN_TRACK_HITS
    fake = candidate & ~matches.matched("double majority")
    on = matches.track >= 0
    noise = np.bincount(matches.track[on], particle_id[on] == 0, len(matches))
    fragment = fake & (2 * matches.n_shared > matches.n_hits)
    noisy = fake & ~fragment & (2 * noise >= matches.n_hits)
    kinds = (fragment, fake & ~fragment & ~noisy, noisy)
    counts = {name: int(np.count_nonzero(k)) for name, k in zip(FAKES, kinds, strict=True)}
    return {"tracks": int(np.count_nonzero(candidate)), **counts}
