"""Networks on space points as other tracking programs give them: everything else is inside.

Such a program knows of a hit where it is, in units of its own, and joins two hits in any order. A
model takes that, (n_hits, n_columns) float32 and edges (2, n_edges) int64, brings the columns into
our units, turns every edge outward, works out the columns of hits and pairs, and gives logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.field import MagneticField
from hitgraph.graph.filter import FilterNetwork
from hitgraph.graph.radius.embedding import EmbeddingNetwork
from hitgraph.hits.direction import squared_distance
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.pairs import POSITION_FEATURES
from hitgraph.pairs.plain import circle, position_columns, position_rows

HIT_COLUMNS = ("x", "y", "z", "r", "eta", "phi")  # what a position tells of a hit


@dataclass(frozen=True)
class Layout:
    """The columns of a space point in another program, x, y and z among them."""

    names: tuple[str, ...]
    scales: tuple[float, ...]  # by which it divides mm and rad

    def of(self, columns: Tensor) -> Tensor:
        """(n_hits, n_names) float32 from HIT_COLUMNS (n_hits, 6) in mm and rad."""
        rows = columns[:, [HIT_COLUMNS.index(name) for name in self.names]]
        return rows / rows.new_tensor(self.scales)


def hit_columns(position: Tensor) -> Tensor:
    """(n_hits, 6) float32 HIT_COLUMNS of positions (n_hits, 3) in mm."""
    x, y, _ = position.unbind(dim=1)
    return torch.cat([position_rows(position), torch.atan2(y, x)[:, None]], dim=1)


class Positions(nn.Module):
    """Positions (n_hits, 3) float32 in mm out of the columns of a layout."""

    scales: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.columns = [layout.names.index(name) for name in "xyz"]
        self.register_buffer("scales", torch.tensor([layout.scales[k] for k in self.columns]))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.columns] * self.scales


class Straightening(nn.Module):
    """Positions (n_hits, 3) in mm as `Hits.straight` has them: event.field, in torch."""

    table: Tensor
    origin: Tensor
    step: Tensor
    last: Tensor

    def __init__(self, field: MagneticField) -> None:
        super().__init__()
        z, r = np.meshgrid(field.z, field.r, indexing="ij")
        self.n_r = len(field.r)
        self.register_buffer("table", torch.from_numpy(field.straightening(r, z)).flatten())
        grid = [torch.from_numpy(points) for points in (field.r, field.z)]
        self.register_buffer("origin", torch.stack([points[0] for points in grid]))
        self.register_buffer("step", torch.stack([points[1] - points[0] for points in grid]))
        self.register_buffer("last", torch.tensor([float(len(points) - 1) for points in grid]))

    def forward(self, position: Tensor) -> Tensor:
        far = position.double()
        place = torch.stack([torch.hypot(far[:, 0], far[:, 1]), far[:, 2]], dim=1)
        place = (place - self.origin) / self.step
        place = torch.minimum(place.clamp_min(0.0), self.last)
        cell = torch.minimum(place.floor(), self.last - 1)
        share = place - cell
        column, row = cell.long().unbind(dim=1)
        factor = torch.zeros_like(share[:, 0])
        for up, right in product((0, 1), (0, 1)):
            corner = self.table[(row + up) * self.n_r + column + right]
            weight = (share[:, 1] if up else 1 - share[:, 1]) * (
                share[:, 0] if right else 1 - share[:, 0]
            )
            factor = factor + weight * corner
        return position * factor.float()[:, None]


def outward(position: Tensor, edge_index: Tensor) -> Tensor:
    """The edges (2, n_edges), each from its inner hit to its outer (hits.direction)."""
    far = squared_distance(position)
    one, other = edge_index.unbind(dim=0)
    inward = (far[one] > far[other]) | ((far[one] == far[other]) & (one > other))
    return torch.stack([torch.where(inward, other, one), torch.where(inward, one, other)])


class Places(nn.Module):
    """The places of hits in a learnt space: (n_hits, n_columns) -> (n_hits, dimensions)."""

    def __init__(self, layout: Layout, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.positions, self.network = Positions(layout), network
        self.columns = columns_of("graph", "hit_inputs", network.names, HIT_COLUMNS)

    def forward(self, x: Tensor) -> Tensor:
        places: Tensor = self.network(hit_columns(self.positions(x))[:, self.columns])
        return places


class Judge(nn.Module):
    """A filter or an edge network and the columns that it is given.

    Called with HIT_COLUMNS (n_hits, 6), straightened positions (n_hits, 3), edges (2, n_edges) that
    run outward and their POSITION_FEATURES; gives logits (n_edges,).
    """

    def __init__(
        self,
        stage: str,
        network: FilterNetwork | EdgeNetwork,
        hit_inputs: Sequence[str],
        edge_inputs: Sequence[str],
        before: "Judge | None" = None,
    ) -> None:
        """`before` gives the column "logit" of edges; messages name keys of the recipe."""
        super().__init__()
        self.network, self.before = network, before
        key = "pair_inputs" if isinstance(network, FilterNetwork) else "edge_inputs"
        known = POSITION_FEATURES if before is None else (*POSITION_FEATURES, "logit")
        self.hit_columns = columns_of(stage, "hit_inputs", hit_inputs, HIT_COLUMNS)
        self.edge_columns = columns_of(stage, key, edge_inputs, known)

    def forward(self, hits: Tensor, straight: Tensor, edge_index: Tensor, pairs: Tensor) -> Tensor:
        known = pairs
        if self.before is not None:
            before = self.before(hits, straight, edge_index, pairs)
            known = torch.cat([pairs, before[:, None]], dim=1)
        inputs = hits[:, self.hit_columns], edge_index, known[:, self.edge_columns]
        logits: Tensor = self.network(*inputs)
        return logits


class Logits(nn.Module):
    """(n_hits, n_columns), (2, n_edges) in any direction -> logits (n_edges,)."""

    def __init__(self, layout: Layout, field: MagneticField | None, judge: nn.Module) -> None:
        """`judge` is called as a Judge."""
        super().__init__()
        self.positions, self.judge = Positions(layout), judge
        bent = field is not None and not field.is_constant
        self.straighten = Straightening(field) if bent and field is not None else nn.Identity()

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        position = self.positions(x)
        edges = outward(position, edge_index)
        straight = self.straighten(position)
        rows = position_rows(straight)
        a, b = rows[edges[0]], rows[edges[1]]
        pairs = torch.stack(position_columns(a, b, circle(a, b)), dim=1)
        logits: Tensor = self.judge(hit_columns(position), straight, edges, pairs)
        return logits


class WithEdgeColumns(nn.Module):
    """Logits for a program that also gives columns of edges, which we do not need."""

    def __init__(self, logits: Logits) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:  # noqa: ARG002
        found: Tensor = self.logits(x, edge_index)
        return found


def columns_of(stage: str, key: str, names: Sequence[str], known: Sequence[str]) -> list[int]:
    """Places of `names` in what is known. Raises SettingsError where one is not."""
    for name in names:
        if name not in known:
            raise SettingsError(
                f"stages.{stage}.{key}: {name!r} is not known there, where a hit is a position: "
                f"train with any of {', '.join(known)}"
            )
    return [list(known).index(name) for name in names]
