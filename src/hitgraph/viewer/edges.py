"""The edges of a graph that a page can show, with their scores."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from hitgraph.state import State

MOST_EDGES = 250_000
"""Of one graph: a page stays fluid, and a pile-up 200 event below some 8 MB."""


def scored_edges(state: "State") -> "tuple[Tensor, Tensor | None]":
    """Edges (2, n_edges) and logits (n_edges,) of a graph; those before a cut where it is cut."""
    if state.scored is not None:
        return state.scored
    return state.graph(), state.edge.get("logit")


def graph_columns(
    state: "State",
    particle: NDArray[np.int64] | None,
    pt: NDArray[np.float64],
    most: int = MOST_EDGES,
) -> dict[str, NDArray[Any]]:
    """Columns inner, outer (rows of hits) and score (0 to 255) of at most `most` edges.

    Where the stage has cut on a score these are the edges before the cut, so that a page can move
    it; edges that have no score get 255. Of more than `most` those that touch the particles of
    highest pT stay, true ones and false ones; where nobody knows the particles (`particle`
    (n_hits,) their rows, -1 for noise; `pt` (n_particles,) GeV), those of highest score.
    """
    edges, logit = scored_edges(state)
    inner, outer = edges.cpu().numpy()
    score = np.ones(len(inner)) if logit is None else logit.float().sigmoid().cpu().numpy()
    if len(inner) > most:
        if particle is None:
            value = score
        else:
            of_hit = np.append(pt, -1.0)[particle]  # row -1 is the last
            value = np.maximum(of_hit[inner], of_hit[outer])
        kept = np.sort(np.argpartition(-value, most)[:most])
        inner, outer, score = inner[kept], outer[kept], score[kept]
    return {"inner": inner, "outer": outer, "score": np.rint(255 * score).astype(np.int64)}
