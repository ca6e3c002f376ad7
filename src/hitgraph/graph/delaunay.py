"""The Delaunay triangulation of the hits of each layer, as NuGraph2 has it (arXiv 2403.11872).

No circle through the three corners of a triangle has a hit inside: wherever hits lie, each is
joined to those around it, near where they are dense and far where they are sparse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError
from torch import Tensor

from hitgraph.graph.planes import in_plane
from hitgraph.hits.direction import squared_distance
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import refuse_others


@dataclass(frozen=True)
class DelaunaySettings(StageSettings):
    """Edges of the Delaunay triangulation of each layer: wire planes, not layers of a tracker."""

    max_length: float = 100.0  # mm, longer edges are left out

    paper: ClassVar[str] = "2403.11872"
    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES, "edge.du", "edge.dv", "edge.length"})

    def __post_init__(self) -> None:
        check_above(self, max_length=0)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "DelaunayStage":
        refuse_others(tensors, [])
        return DelaunayStage(context, self)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "DelaunayStage":  # noqa: ARG002
        return DelaunayStage(context, self)


@dataclass(frozen=True, eq=False)
class DelaunayStage:
    """Ready to run."""

    context: Context
    settings: DelaunaySettings

    def __call__(self, state: State) -> State:
        """With `edge.du` and `edge.dv`, mm along the axes of the module, and `edge.length`, mm."""
        hits = state.hits
        place = in_plane(hits, self.context.detector)
        points, layer = place.cpu().double().numpy(), hits.layer.cpu().numpy()
        found = [np.zeros((2, 0), np.int64)]
        for one in np.unique(layer):
            rows = np.flatnonzero(layer == one)
            found.append(rows[triangulated(points[rows])])
        edges = torch.from_numpy(np.concatenate(found, axis=1)).to(state.device)
        far = squared_distance(hits.position)
        inwards = far[edges[0]] > far[edges[1]]
        edges = torch.where(inwards, edges.flip(0), edges)
        step = place[edges[1]] - place[edges[0]]
        length = step.norm(dim=1)
        kept = length <= self.settings.max_length
        du, dv = step[kept].unbind(dim=1)
        return state.with_edges(edges[:, kept], du=du, dv=dv, length=length[kept])

    def tensors(self) -> dict[str, Tensor]:
        return {}


def triangulated(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(2, n_edges) the sides of the Delaunay triangles of points (n, 2), each once.

    A point that lies where another one does is joined to that. Points on one line are joined to the
    next ones along it.
    """
    try:
        if len(points) < 3:
            raise QhullError
        mesh = Delaunay(points)
    except QhullError:  # too few, or all on one line
        order = np.lexsort(points.T)
        return np.stack([order[:-1], order[1:]]).astype(np.int64)
    corners = mesh.simplices
    sides = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    sides = np.concatenate([sides, mesh.coplanar[:, [0, 2]]])
    unique: NDArray[np.int64] = np.unique(np.sort(sides, axis=1), axis=0).T.astype(np.int64)
    return unique
