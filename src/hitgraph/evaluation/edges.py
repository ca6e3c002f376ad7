"""How good a graph is: what happened to the true edges, and what else is in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.metrics import truth_weights
from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import TARGETS, Selection, selected_edges
from hitgraph.event.truth import require_truth, same_particle, true_edges

SCORE_EDGES: tuple[float, ...] = tuple((1 / (1 + np.exp(-np.linspace(-12, 12, 97)))).tolist())
"""Bins of edge scores, of equal width in the logit: fine where scores crowd, near 0 and 1."""


@dataclass(frozen=True, eq=False)
class EdgeTruth:
    """What is needed of an event to judge its graphs, prepared once for all stages."""

    particle_id: NDArray[np.int64]  # (n_hits,)
    relative_weight: NDArray[np.float64]  # (n_hits,) TrackML weight; mean over true edges is 1
    true_keys: NDArray[np.int64]  # (n_true,) sorted keys of the true edges
    is_target: NDArray[np.bool_]  # (n_true,) true edge of a target

    @property
    def true_hits(self) -> NDArray[np.int64]:
        """(n_true,) row of one end of each true edge, in the order of `true_keys`."""
        return self.true_keys // max(len(self.particle_id), 1)


@dataclass(frozen=True)
class EdgeMetrics:
    """Quality of one graph, or of the graphs of several events together."""

    efficiency: Ratio  # true edges kept
    target_efficiency: Ratio  # true edges of targets kept
    purity: Ratio  # edges that join hits of one particle
    purity_true: Ratio  # edges that are true edges
    true_weight: float  # weight of the edges that join hits of one particle

    @property
    def n_edges(self) -> int:
        return self.purity.total

    @property
    def weighted_purity(self) -> float:
        """TrackML-weighted purity, arXiv 2103.06995 equation 4; NaN for an empty graph.

        Edges of one particle weigh the mean weight of their hits (in units in which the event's
        true edges weigh 1 on average), all others weigh 1.
        """
        fake = self.purity.total - self.purity.passed
        total = self.true_weight + fake
        return self.true_weight / total if total > 0 else float("nan")

    def __add__(self, other: "EdgeMetrics") -> "EdgeMetrics":
        return EdgeMetrics(
            self.efficiency + other.efficiency,
            self.target_efficiency + other.target_efficiency,
            self.purity + other.purity,
            self.purity_true + other.purity_true,
            self.true_weight + other.true_weight,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; the plain numbers a stage table shows come first."""
        weighted = self.weighted_purity
        return {
            "edges": self.n_edges,
            "efficiency": _value(self.efficiency),
            "target_efficiency": _value(self.target_efficiency),
            "purity": _value(self.purity),
            "purity_true": _value(self.purity_true),
            "weighted_purity": weighted if np.isfinite(weighted) else None,
        }


def edge_truth(event: Event, targets: Selection = TARGETS) -> EdgeTruth:
    """Prepare the truth of an event; `targets` is the `truth` of a recipe.

    Raises InputError for an event without truth or particles.
    """
    particle_id = require_truth(event).particle_id
    edges = true_edges(event)
    keys = _keys(edges, len(particle_id))
    order = np.argsort(keys)
    weight = truth_weights(event).astype(np.float64)
    mean = weight[edges].mean() if edges.shape[1] else 0.0
    return EdgeTruth(
        particle_id=particle_id,
        relative_weight=weight / mean if mean > 0 else np.ones_like(weight),
        true_keys=keys[order],
        is_target=selected_edges(event, edges, targets)[order],
    )


def edge_metrics(event: Event | EdgeTruth, edge_index: NDArray[np.integer]) -> EdgeMetrics:
    """Judge the edges of one event, (2, n_edges) rows of hits in either direction.

    Where several graphs of one event are judged, pass its `edge_truth` in place of the event.
    Edges that are there twice count once for the efficiency and twice for the purity; an edge
    from a hit to itself is fake.
    """
    truth = event if isinstance(event, EdgeTruth) else edge_truth(event)
    joined = edge_index[:, _joins_particle(truth, edge_index)]
    slot, is_true = _find(truth, joined)
    kept = _kept(truth, slot, is_true)
    n_edges = edge_index.shape[1]
    return EdgeMetrics(
        efficiency=Ratio(int(np.count_nonzero(kept)), len(kept)),
        target_efficiency=Ratio(
            int(np.count_nonzero(kept & truth.is_target)), int(np.count_nonzero(truth.is_target))
        ),
        purity=Ratio(joined.shape[1], n_edges),
        purity_true=Ratio(int(np.count_nonzero(is_true)), n_edges),
        true_weight=float(truth.relative_weight[joined].sum()) / 2.0,
    )


def kept_true_edges(truth: EdgeTruth, edge_index: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(n_true,) whether each true edge is among the edges (2, n_edges), in either direction."""
    return _kept(truth, *_find(truth, edge_index))


@dataclass(frozen=True)
class ScoreHistogram:
    """Edge scores of pairs of one particle (`true`) and of all others (`fake`)."""

    edges: tuple[float, ...]  # (n_bins + 1,) between 0 and 1
    true: tuple[int, ...]  # (n_bins,)
    fake: tuple[int, ...]  # (n_bins,)

    def __add__(self, other: "ScoreHistogram") -> "ScoreHistogram":
        if self.edges != other.edges:
            raise ValueError("score histograms have different bins")
        return ScoreHistogram(
            self.edges,
            tuple(a + b for a, b in zip(self.true, other.true, strict=True)),
            tuple(a + b for a, b in zip(self.fake, other.fake, strict=True)),
        )

    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Share of fake and of true edges above each bin edge, from (1, 1) to (0, 0)."""
        return _share_above(self.fake), _share_above(self.true)

    @property
    def area(self) -> float:
        """Area under the ROC curve by trapezia; NaN when one kind is missing."""
        if not sum(self.true) or not sum(self.fake):
            return float("nan")
        fake, true = self.roc()
        steps = fake[:-1] - fake[1:]
        return float((steps * (true[:-1] + true[1:])).sum() / 2.0)

    def to_dict(self) -> dict[str, list[float] | list[int]]:
        """JSON-able, as `run.json` keeps it."""
        return {"bins": list(self.edges), "true": list(self.true), "fake": list(self.fake)}


def score_histogram(
    event: Event | EdgeTruth, edge_index: NDArray[np.integer], scores: NDArray[np.floating]
) -> ScoreHistogram:
    """Histogram the scores (n_edges,), in [0, 1], of the edges (2, n_edges) of one event."""
    truth = event if isinstance(event, EdgeTruth) else edge_truth(event)
    same = _joins_particle(truth, edge_index)
    inside = np.clip(scores.astype(np.float64), SCORE_EDGES[0], SCORE_EDGES[-1])
    true, _ = np.histogram(inside[same], bins=SCORE_EDGES)
    fake, _ = np.histogram(inside[~same], bins=SCORE_EDGES)
    return ScoreHistogram(SCORE_EDGES, tuple(true.tolist()), tuple(fake.tolist()))


def _joins_particle(truth: EdgeTruth, edge_index: NDArray[np.integer]) -> NDArray[np.bool_]:
    joins: NDArray[np.bool_] = same_particle(truth.particle_id, edge_index)
    different: NDArray[np.bool_] = edge_index[0] != edge_index[1]
    return joins & different


def _find(
    truth: EdgeTruth, edge_index: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Place of each edge among the true edges, and whether it is there, (n_edges,) each."""
    keys = _keys(edge_index, len(truth.particle_id))
    slot = np.searchsorted(truth.true_keys, keys)
    is_true = np.zeros(len(keys), dtype=bool)
    inside = slot < len(truth.true_keys)
    is_true[inside] = truth.true_keys[slot[inside]] == keys[inside]
    return slot, is_true


def _kept(
    truth: EdgeTruth, slot: NDArray[np.int64], is_true: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    kept = np.zeros(len(truth.true_keys), dtype=bool)
    kept[slot[is_true]] = True
    return kept


def _keys(edge_index: NDArray[np.integer], n_hits: int) -> NDArray[np.int64]:
    """(n_edges,) one number an unordered pair of hits."""
    low: NDArray[np.int64] = np.minimum(edge_index[0], edge_index[1]).astype(np.int64)
    high: NDArray[np.int64] = np.maximum(edge_index[0], edge_index[1]).astype(np.int64)
    return low * n_hits + high


def _share_above(counts: tuple[int, ...]) -> NDArray[np.float64]:
    above = np.zeros(len(counts) + 1)
    above[:-1] = np.cumsum(counts[::-1])[::-1]
    return np.asarray(above / max(above[0], 1.0), dtype=np.float64)


def _value(ratio: Ratio) -> float | None:
    return ratio.value if ratio.total else None
