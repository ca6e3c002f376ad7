"""What training reads: hits with their truth, and graphs with labels, cached as safetensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.collisions import of_primaries
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.perigee import hit_parameters
from hitgraph.event.selection import selected_hits
from hitgraph.event.truth import (
    FAKE,
    SKIP,
    edge_labels,
    production_radius,
    require_truth,
    track_steps,
    true_edges,
)
from hitgraph.hits import FEATURES, Hits, hits_from_event, with_columns
from hitgraph.hits.jitter import jitter_clusters
from hitgraph.lessons.settings import TruthSettings
from hitgraph.state import State
from hitgraph.tensor_files import read_tensors, write_tensors

__all__ = ["Sample", "edge_truth", "is_true_edge", "track_pairs", "trackml_weights"]

# (n_hits, ...) of a Sample
_OF_HITS = ("particle_id", "step", "target", "weight", "born", "primary", "perigee")


@dataclass(frozen=True, eq=False)
class Sample:
    """One event as training sees it."""

    hits: Hits
    particle_id: Tensor  # (n_hits,) int64, 0 = noise
    step: Tensor  # (n_hits,) int32, place along the particle, see event.truth.track_steps
    target: Tensor  # (n_hits,) bool, its particle is one that the recipe's `truth` selects
    weight: Tensor  # (n_hits,) float32, TrackML weight divided by its mean over target hits
    true_edges: Tensor  # (2, n_true) int64, neighbours on target particles, inner to outer
    born: Tensor  # (n_hits,) float32 mm, distance of its particle's birth from the beam line
    primary: Tensor  # (n_hits,) bool, its particle counts in the score of primaries
    perigee: Tensor  # (n_hits, 5) float32, event.perigee.PARAMETERS of its particle, or zeros
    name: str = ""  # of the event


def make_sample(
    event: Event,
    detector: Detector,
    clusters: bool,
    truth: TruthSettings,
    jitter: torch.Generator | None = None,
    columns: Sequence[str] = (),
) -> Sample:
    """Read what training needs off an event, with its clusters jittered where a stream is given.

    Raises InputError when the event has no truth.
    """
    table = require_truth(event)
    target = selected_hits(event, truth)
    edges = true_edges(event)
    weight = table.weight / max(float(table.weight[target].mean()) if target.any() else 1.0, 1e-12)
    hits = hits_from_event(event, detector, clusters)
    if jitter is not None:
        hits = jitter_clusters(hits, detector, jitter)
    return Sample(
        hits=with_columns(hits, columns),
        particle_id=torch.from_numpy(np.array(table.particle_id)),
        step=torch.from_numpy(track_steps(event)),
        target=torch.from_numpy(target),
        weight=torch.from_numpy(weight.astype(np.float32)),
        true_edges=torch.from_numpy(edges[:, target[edges[0]]]),
        born=torch.from_numpy(production_radius(event)),
        primary=torch.from_numpy(of_primaries(event)),
        perigee=torch.from_numpy(hit_parameters(event)),
        name=event.name,
    )


def select_sample(sample: Sample, rows: Tensor) -> Sample:
    """The hits of the given rows (ascending) and the true edges between them."""
    new = torch.full((len(sample.hits),), -1)
    new[rows] = torch.arange(len(rows))
    edges = new[sample.true_edges]
    return Sample(
        hits=sample.hits.select(rows),
        true_edges=edges[:, (edges >= 0).all(dim=0)],
        name=sample.name,
        **{name: getattr(sample, name)[rows] for name in _OF_HITS},
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


def track_pairs(sample: Sample) -> Tensor:
    """(2, n_pairs) int64 all pairs of hits of each target particle, once each.

    The lax truth of arXiv 2103.06995, section 5.2, footnote 5; `true_edges` is the strict one.
    """
    rows = torch.nonzero(sample.target).squeeze(1)
    rows = rows[torch.argsort(sample.particle_id[rows], stable=True)]
    particle = sample.particle_id[rows]
    found = [rows.new_zeros(2, 0)]
    for apart in range(1, len(rows)):
        same = particle[apart:] == particle[:-apart]
        if not bool(same.any()):
            break
        found.append(torch.stack([rows[:-apart][same], rows[apart:][same]]))
    return torch.cat(found, dim=1)


def trackml_weights(sample: Sample, edge_index: Tensor, y: Tensor) -> Tensor:
    """(n_edges,) the weights of arXiv 2103.06995, equation 4: mean hit weight of a true edge."""
    mean = (sample.weight[edge_index[0].long()] + sample.weight[edge_index[1].long()]) / 2
    return torch.where(y > 0, mean, torch.ones_like(mean))


_HITS = ("features", "position", "layer", "module")
# tensors of a file; hits may have "straightening" besides
_SAMPLE = {*_HITS, *_OF_HITS, "true_edges"}


def save_sample(sample: Sample, path: Path) -> None:
    write_tensors(
        {
            "features": sample.hits.features,
            "position": sample.hits.position,
            **_given("straightening", sample.hits.straightening),
            "layer": sample.hits.layer,
            "module": sample.hits.module,
            "true_edges": sample.true_edges,
            **{name: getattr(sample, name) for name in _OF_HITS},
        },
        path,
    )


def _given(name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    return {} if tensor is None else {name: tensor}


def load_sample(path: Path, columns: Sequence[str] = ()) -> Sample:
    """The sample in a file; `columns` as of `make_sample`."""
    tensors = read_kept(path)
    if tensors.keys() - {"straightening"} != _SAMPLE:
        raise InputError(
            f"{path}: is no sample of this version of hitgraph, it holds {', '.join(tensors)}: "
            "remove it and go on with --resume"
        )
    features, position, layer, module = (tensors.pop(name) for name in _HITS)
    own = FEATURES[: features.shape[1] - len(columns)]
    straightening = tensors.pop("straightening", None)
    hits = Hits(features, position, layer, module, straightening, (*own, *columns))
    return Sample(hits=hits, **tensors, name=path.stem)


def save_state(state: State, path: Path) -> None:
    """What stages have added to the hits of an event."""
    tensors = {f"edge.{name}": column for name, column in state.edge.items()}
    tensors |= {f"hit.{name}": column for name, column in state.hit.items()}
    tensors |= {f"track.{name}": column for name, column in state.track.items()}
    if state.edges is not None:
        tensors["edges"] = state.edges.int()
    if state.labels is not None:
        tensors["labels"] = state.labels
    write_tensors(tensors, path)


def load_state(hits: Hits, path: Path) -> State:
    """The state of which `save_state` kept what stages had added to these hits."""
    tensors = read_kept(path)
    edges = tensors.get("edges")

    def columns(kind: str) -> dict[str, Tensor]:
        return {k.removeprefix(kind): v for k, v in tensors.items() if k.startswith(kind)}

    return State(
        hits,
        None if edges is None else edges.long(),
        columns("edge."),
        columns("hit."),
        tensors.get("labels"),
        columns("track."),
    )


def read_kept(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that a training has kept. Raises InputError where it is damaged."""
    try:
        return read_tensors(path)
    except InputError as error:
        raise InputError(f"{error}: remove it and go on with --resume") from error
