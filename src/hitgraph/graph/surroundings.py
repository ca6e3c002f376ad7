"""What lies around each hit: how much charge within a distance, where its middle is, on which line.

Networks whose rounds reach a few hits far do not see these things for themselves. The charge within
a distance is the density that CLUE looks at (arXiv 2001.09761), and the way to its middle a step of
mean shift (D. Comaniciu and P. Meer, IEEE Trans. PAMI 24 (2002) 603). A hit at the end of a track
has its surroundings on one side; one in the middle of a track has them along a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.lines import LINES, projected
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.graph.planes import in_plane
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_at_least, check_not_empty
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.blocks import sum_at
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, State
from hitgraph.tensors import refuse_others

COLUMNS = ("around", "du", "dv", "dw", "off", "line")  # of each radius
LEAST_CHARGE = 1e-6
FAR = 1e5  # mm, between the layers of planes


@dataclass(frozen=True)
class SurroundingsSettings(StageSettings):
    """Columns of hits: the charge within some radii, its middle, and whether it is a line."""

    radii: tuple[float, ...] = (15.0, 40.0)  # mm
    seen: Literal["planes", "origin"] = "planes"  # within layers, or along lines from the origin
    layer_step: float = 5.0  # mm, with `origin`: how far layers that follow each other are apart

    def __post_init__(self) -> None:
        check_not_empty(self, "radii")
        check_at_least(self, layer_step=0)
        for radius in self.radii:
            if not radius > 0:
                raise SettingsError(f"radii: {radius} is not allowed, above 0")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        lines = (f"hit.{name}" for name in LINES if self.seen == "origin")
        return frozenset({HITS, "hit.charge", *lines})

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        names = (column_name(one, radius) for one in COLUMNS for radius in self.radii)
        return frozenset(f"hit.{name}" for name in names)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "SurroundingsStage":
        refuse_others(tensors, [])
        return SurroundingsStage(context, self)

    def learn(
        self,
        context: Context,
        material: Material,  # noqa: ARG002
        workshop: Workshop,  # noqa: ARG002
    ) -> "SurroundingsStage":
        return SurroundingsStage(context, self)


@dataclass(frozen=True, eq=False)
class SurroundingsStage:
    """Ready to run."""

    context: Context
    settings: SurroundingsSettings

    def __call__(self, state: State) -> State:
        settings, hits = self.settings, state.hits
        if settings.seen == "origin":
            points = projected(hits, settings.layer_step)
        else:
            place = in_plane(hits, self.context.detector)
            points = torch.cat([place, FAR * hits.layer[:, None]], dim=1)
        found: dict[str, Tensor] = {}
        for radius in settings.radii:
            columns = surroundings(points, hits.charge, radius, self.context.backend)
            found |= {column_name(one, radius): values for one, values in columns.items()}
        return state.with_hit(**found)

    def tensors(self) -> dict[str, Tensor]:
        return {}


def column_name(column: str, radius: float) -> str:
    """Of a column within so many mm: off_40."""
    return f"{column}_{radius:g}"


def surroundings(
    points: Tensor, charge: Tensor, radius: float, backend: Backend = "auto"
) -> dict[str, Tensor]:
    """COLUMNS of points (n, 3) float32 in mm, with charges (n,), on any device; (n,) float32 each.

    `around` is the logarithm of the charge within the radius, the point's own counted; `du`, `dv`
    and `dw` lead from the point to the middle of that charge, in radii, and `off` is how long that
    way is; `line` is the largest eigenvalue of the charge's second moments about its middle, over
    their sum: 1 on a straight line, and 1 where all lies in one point.
    """
    one, other = radius_pairs(points, radius, backend=backend)
    weight = charge.clamp_min(LEAST_CHARGE)[:, None]
    ends, seen = torch.cat([one, other]), torch.cat([other, one])
    way = (points[seen] - points[ends]) / radius
    outer = (way[:, :, None] * way[:, None, :]).flatten(1)
    terms = weight[seen] * torch.cat([torch.ones_like(way[:, :1]), way, outer], dim=1)
    sums = sum_at(terms, ends, len(points))
    total = weight + sums[:, :1]
    middle = sums[:, 1:4] / total
    moments = (sums[:, 4:] / total).reshape(-1, 3, 3) - middle[:, :, None] * middle[:, None, :]
    spread = torch.linalg.eigvalsh(moments.double()).to(moments)
    size = spread.sum(dim=1)
    line = torch.where(size > 1e-6, spread[:, -1] / size.clamp_min(1e-6), 1.0)
    du, dv, dw = middle.unbind(dim=1)
    values = (total.squeeze(1).log(), du, dv, dw, middle.norm(dim=1), line)
    return dict(zip(COLUMNS, values, strict=True))
