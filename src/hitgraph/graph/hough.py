"""Hough parameters of edges, and the votes of all edges for them (arXiv 2103.06995, section 5.4).

The circle through the beam line and both hits of an edge, of curvature k, leaves the beam line at
the azimuth

    phi0 = phi_i - asin(k r_i / 2)

With the slope asinh(cot theta) that is a point in a space in which all edges of one track meet. The
accumulator counts the edges in each of its cells; an edge gets the number of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above, check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.pairs import pair_columns
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import refuse_others

_METRE = 1000.0  # mm
_MOST_CELLS = 2**20  # of an axis


@dataclass(frozen=True)
class HoughSettings(StageSettings):
    """Hough parameters of each edge and how many edges share them, as columns for networks."""

    phi_width: float = 0.02  # rad, of a cell of the accumulator
    curvature_width: float = 0.1  # 1/m
    slope_width: float = 0.1  # of asinh(cot theta)

    paper: ClassVar[str] = "2103.06995"
    needs: ClassVar[frozenset[str]] = frozenset({HITS, EDGES})
    gives: ClassVar[frozenset[str]] = frozenset({"edge.hough_phi", "edge.hough_votes"})

    def __post_init__(self) -> None:
        check_at_least(self, phi_width=1e-4)
        check_above(self, curvature_width=0.0, slope_width=0.0)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "HoughStage":
        refuse_others(tensors, [])
        return HoughStage(context, self)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "HoughStage":  # noqa: ARG002
        return HoughStage(context, self)


@dataclass(frozen=True, eq=False)
class HoughStage:
    """Ready to run."""

    context: Context
    settings: HoughSettings

    def __call__(self, state: State) -> State:
        """With `edge.hough_phi`, phi0 in rad, and `edge.hough_votes`, the logarithm of a number."""
        phi, curvature, slope = self.parameters(state)
        votes = self.votes(phi, curvature, slope)
        return state.with_edge(hough_phi=phi, hough_votes=votes.log())

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def parameters(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """(n_edges,) each: phi0 in (-pi, pi], curvature in 1/m, asinh(cot theta)."""
        hits, edges, context = state.hits, state.graph(), self.context
        names = ("curvature", "slope")
        pairs = pair_columns(hits, edges, context.detector, names, context.backend)
        curvature, slope = pairs.unbind(dim=1)
        x, y, _ = hits.straight[edges[0]].unbind(dim=1)
        bend = torch.asin((curvature * torch.hypot(x, y) / (2 * _METRE)).clamp(-1, 1))
        phi = torch.atan2(y, x) - bend
        return torch.atan2(phi.sin(), phi.cos()), curvature, slope

    def votes(self, phi: Tensor, curvature: Tensor, slope: Tensor) -> Tensor:
        """(n_edges,) float32 how many edges lie in the cell of each, itself included."""
        settings = self.settings
        n_phi = max(1, round(2 * pi / settings.phi_width))
        turn = ((phi + pi) * (n_phi / (2 * pi))).long() % n_phi
        axes = [
            turn,
            _cell(curvature, settings.curvature_width),
            _cell(slope, settings.slope_width),
        ]
        key = (axes[0] * _MOST_CELLS + axes[1]) * _MOST_CELLS + axes[2]
        _, cell, counts = torch.unique(key, return_inverse=True, return_counts=True)
        votes: Tensor = counts[cell].float()
        return votes


def _cell(value: Tensor, width: float) -> Tensor:
    """Number of a cell around zero, from 0 on; what lies far outside shares the last ones."""
    half = _MOST_CELLS // 2
    return ((value / width).floor().clamp(-half, half - 1) + half).long()
