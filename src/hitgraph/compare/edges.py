"""How pure a graph is where an edge score keeps a given share of its true edges.

Weighted purity is that of arXiv 2103.06995, equation 4: see evaluation.edges.EdgeMetrics.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.edges import EdgeTruth, kept_true_edges, score_histogram
from hitgraph.event.truth import same_particle

EFFICIENCIES = (0.95, 0.98, 0.99)  # of the true edges of target particles that the graph has


def edge_quality(
    truth: EdgeTruth, edge_index: NDArray[np.integer], logits: NDArray[np.floating]
) -> dict[str, Any]:
    """JSON-able counts of one event; edges (2, n_edges) that were judged, logits (n_edges,).

    At each of EFFICIENCIES the cut is that of this event, and what counts as pure is an edge that
    joins hits of one particle.
    """
    n_hits = len(truth.particle_id)
    pure = same_particle(truth.particle_id, edge_index)
    target_keys = truth.true_keys[truth.is_target]
    low, high = edge_index.min(axis=0), edge_index.max(axis=0)
    aimed = np.isin(low.astype(np.int64) * n_hits + high, target_keys)
    falling = np.sort(logits[aimed])[::-1]
    weight = truth.relative_weight[edge_index].mean(axis=0)
    purity, weights = {}, {}
    for efficiency in EFFICIENCIES:
        wanted = int(np.ceil(efficiency * len(falling)))
        cut = falling[wanted - 1] if wanted else np.inf
        kept = logits >= cut
        purity[f"{efficiency:g}"] = [int(np.count_nonzero(kept & pure)), int(kept.sum())]
        weights[f"{efficiency:g}"] = float(weight[kept & pure].sum())
    scores = 1 / (1 + np.exp(-logits.astype(np.float64).clip(-30, 30)))
    area = score_histogram(truth, edge_index, scores).area
    found = kept_true_edges(truth, edge_index)[truth.is_target]
    return {
        "purity": purity,
        "pure_weight": weights,
        "auc": area if np.isfinite(area) else None,
        "given": [int(found.sum()), len(found)],
        "given_pure": [int(pure.sum()), edge_index.shape[1]],
        "given_weight": float(weight[pure].sum()),
    }


def purities(events: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The purity at each efficiency, events together; None where no edge is kept."""
    found: dict[str, float | None] = {}
    for key in events[0]["purity"]:
        pure, kept = np.sum([one["purity"][key] for one in events], axis=0).tolist()
        found[key] = pure / kept if kept else None
    return found


def graph_quality(events: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The graphs that were judged, events together; None where there is nothing to divide by.

    Rejection is how many edges of two particles there were for each that the score keeps.
    """
    (kept, true), (pure, edges) = (
        np.sum([one[key] for one in events], axis=0).tolist() for key in ("given", "given_pure")
    )
    found = {
        "edges": edges / len(events),
        "kept": kept / true if true else None,
        "purity": pure / edges if edges else None,
        "weighted": _weighted(sum(one["given_weight"] for one in events), pure, edges),
    }
    fakes = edges - pure
    for key in events[0]["purity"]:
        pure, edges = np.sum([one["purity"][key] for one in events], axis=0).tolist()
        weight = sum(one["pure_weight"][key] for one in events)
        found[f"weighted {key}"] = _weighted(weight, pure, edges)
        found[f"rejection {key}"] = fakes / (edges - pure) if edges > pure else None
    return found


def _weighted(weight: float, pure: int, edges: int) -> float | None:
    total = weight + edges - pure
    return weight / total if total else None
