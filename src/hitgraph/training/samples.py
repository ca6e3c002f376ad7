"""What training reads: hits with their truth, and graphs with labels, cached as safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.truth import (
    FAKE,
    SKIP,
    Selection,
    edge_labels,
    require_truth,
    selected_hits,
    track_steps,
    true_edges,
)
from hitgraph.files import atomic_write
from hitgraph.graph.hits import Hits, hits_from_event
from hitgraph.graph.pairs import jitter_clusters
from hitgraph.training.settings import TruthSettings


@dataclass(frozen=True, eq=False)
class Sample:
    """One event as training sees it."""

    hits: Hits
    particle_id: Tensor  # (n_hits,) int64, 0 = noise
    step: Tensor  # (n_hits,) int32, place along the particle, see event.truth.track_steps
    target: Tensor  # (n_hits,) bool, its particle is one that training aims at
    weight: Tensor  # (n_hits,) float32, TrackML weight divided by its mean over target hits
    true_edges: Tensor  # (2, n_true) int64, neighbours on target particles, inner to outer


class ScoredEdges(NamedTuple):
    """Edges of one event as a stage before the graph network leaves them."""

    edge_index: Tensor  # (2, n_edges) int64, inner to outer
    logit: Tensor | None  # (n_edges,) float32 of the last stage that judged them
    support: Tensor | None = None  # (n_edges, 4) of the triplet filter

    def above(self, cut: float) -> "ScoredEdges":
        """The edges with a score (0 to 1) of at least `cut`."""
        assert self.logit is not None
        kept = torch.sigmoid(self.logit.double()) >= cut
        support = None if self.support is None else self.support[kept]
        return ScoredEdges(self.edge_index[:, kept], self.logit[kept], support)


def make_sample(
    event: Event,
    detector: Detector,
    clusters: bool,
    truth: TruthSettings,
    jitter: torch.Generator | None = None,
) -> Sample:
    """Read what training needs off an event, with its clusters jittered where a stream is given.

    Raises InputError when the event has no truth.
    """
    table = require_truth(event)
    selection = Selection(
        min_pt=truth.min_pt,
        max_abs_eta=np.inf,
        min_hits=truth.min_hits,
        primary_only=truth.primary_only,
    )
    target = selected_hits(event, selection)
    edges = true_edges(event)
    weight = table.weight / max(float(table.weight[target].mean()) if target.any() else 1.0, 1e-12)
    hits = hits_from_event(event, detector, clusters)
    return Sample(
        hits=hits if jitter is None else jitter_clusters(hits, detector, jitter),
        particle_id=torch.from_numpy(np.array(table.particle_id)),
        step=torch.from_numpy(track_steps(event)),
        target=torch.from_numpy(target),
        weight=torch.from_numpy(weight.astype(np.float32)),
        true_edges=torch.from_numpy(edges[:, target[edges[0]]]),
    )


def edge_truth(
    sample: Sample, edge_index: NDArray[np.integer] | Tensor, truth: TruthSettings
) -> tuple[Tensor, Tensor]:
    """Labels y in {0, 1} and loss weights (0 = neutral) of candidate edges, float32 (n_edges,)."""
    index = np.asarray(edge_index)
    kind = edge_labels(sample.particle_id.numpy(), sample.step.numpy(), index)
    is_true = kind != FAKE
    if truth.skip_edges == "fake":
        is_true &= kind != SKIP
    neutral = (kind != FAKE) & ~sample.target.numpy()[index[0]]
    if truth.skip_edges == "neutral":
        neutral |= kind == SKIP
    return torch.from_numpy(is_true.astype(np.float32)), torch.from_numpy(
        (~neutral).astype(np.float32)
    )


def is_true_edge(sample: Sample, edge_index: Tensor) -> Tensor:
    """(n_edges,) bool, neighbours on a target particle; edges run outward, as true edges do."""
    n_hits = len(sample.hits)
    edges = edge_index.long()
    return torch.isin(
        edges[0] * n_hits + edges[1], sample.true_edges[0] * n_hits + sample.true_edges[1]
    )


def trackml_weights(sample: Sample, edge_index: Tensor, y: Tensor) -> Tensor:
    """(n_edges,) the weights of arXiv 2103.06995, equation 4: mean hit weight of a true edge."""
    mean = (sample.weight[edge_index[0].long()] + sample.weight[edge_index[1].long()]) / 2
    return torch.where(y > 0, mean, torch.ones_like(mean))


def save_sample(sample: Sample, path: Path) -> None:
    save_tensors(
        {
            "features": sample.hits.features,
            "position": sample.hits.position,
            **_given("straightening", sample.hits.straightening),
            "layer": sample.hits.layer,
            "module": sample.hits.module,
            "particle_id": sample.particle_id,
            "step": sample.step,
            "target": sample.target,
            "weight": sample.weight,
            "true_edges": sample.true_edges,
        },
        path,
    )


def _given(name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    return {} if tensor is None else {name: tensor}


def load_sample(path: Path) -> Sample:
    tensors = load_file(path)
    names = (one.name for one in fields(Hits))
    hits = Hits(**{name: tensors.pop(name) for name in names if name in tensors})
    return Sample(hits=hits, **tensors)


def save_edges(edges: ScoredEdges, path: Path) -> None:
    tensors = {"edge_index": edges.edge_index.int(), "logit": edges.logit, "support": edges.support}
    save_tensors({name: value for name, value in tensors.items() if value is not None}, path)


def load_edges(path: Path) -> ScoredEdges:
    tensors = load_file(path)
    edge_index = tensors["edge_index"].long()
    return ScoredEdges(edge_index, tensors.get("logit"), tensors.get("support"))


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(save({name: value.contiguous() for name, value in tensors.items()}))
