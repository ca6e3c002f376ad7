"""What travels through a pipeline: the hits of one event, and all that stages have added to them.

Everything a stage reads or writes has a name:

    hits                the hits themselves
    clusters            the columns of hits that come from cells
    hit.NAME            a column of hits, (n_hits, ...): "hit.r", "hit.beta"
    edges               the graph
    edge.NAME           a column of its edges, (n_edges, ...): "edge.logit"
    labels              the tracks
    track.NAME          a column of them, (n_tracks, ...): "track.z0"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, log
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.picks import columns_at, rows_at, rows_where

if TYPE_CHECKING:
    import networkx
    import pyarrow as pa

__all__ = [
    "CLUSTERS",
    "EDGES",
    "FIRST_PASS",
    "HITS",
    "LABELS",
    "LOGIT",
    "Scored",
    "State",
    "logit",
    "long_tracks",
]

HITS, CLUSTERS, EDGES, LABELS, LOGIT = "hits", "clusters", "edges", "labels", "edge.logit"
FIRST_PASS = "hit.first_pass"  # tracks set aside while others are looked for, -1 = none


class Scored(NamedTuple):
    """The edges that a stage judged, before those below its cut went."""

    edges: Tensor  # (2, n_edges) int64
    logit: Tensor  # (n_edges,) float32


@dataclass(frozen=True, eq=False)
class State:
    """Immutable; every stage makes a new one. All tensors are on one device."""

    hits: Hits
    edges: Tensor | None = None  # (2, n_edges) int64, from the inner to the outer hit
    edge: Mapping[str, Tensor] = field(default_factory=dict)  # (n_edges, ...) by name
    hit: Mapping[str, Tensor] = field(default_factory=dict)  # (n_hits, ...) by name
    labels: Tensor | None = None  # (n_hits,) int64 track of each hit from 0 on, -1 = none
    track: Mapping[str, Tensor] = field(default_factory=dict)  # (n_tracks, ...) by name
    scored: Scored | None = None  # by the last stage that cut edges

    def __repr__(self) -> str:
        parts = [f"{len(self.hits)} hits"]
        if self.edges is not None:
            parts.append(f"{self.n_edges} edges")
        if self.labels is not None:
            parts.append(f"{self.n_tracks} tracks")
        names = sorted(self.names - {HITS, CLUSTERS, EDGES, LABELS})
        own = [name for name in names if name.removeprefix("hit.") not in self.hits.columns]
        return f"<State: {', '.join(parts)}{'; ' if own else ''}{', '.join(own)}>"

    @property
    def names(self) -> frozenset[str]:
        """What there is."""
        found = {HITS, *(f"hit.{name}" for name in (*self.hits.columns, *self.hit))}
        if self.hits.has_clusters:
            found.add(CLUSTERS)
        if self.edges is not None:
            found |= {EDGES, *(f"edge.{name}" for name in self.edge)}
        if self.labels is not None:
            found |= {LABELS, *(f"track.{name}" for name in self.track)}
        return frozenset(found)

    @property
    def device(self) -> torch.device:
        return self.hits.position.device

    @property
    def n_edges(self) -> int:
        return 0 if self.edges is None else self.edges.shape[1]

    @property
    def n_tracks(self) -> int:
        """Labels number the tracks from 0 without gaps."""
        if self.labels is None or not len(self.labels):
            return 0
        return int(self.labels.max()) + 1

    # ---------------------------------------------------------------- what stages do with it

    def graph(self) -> Tensor:
        """The edges. Raises ValueError where no stage has made any."""
        if self.edges is None:
            raise ValueError("there are no edges yet")
        return self.edges

    def hit_columns(self, names: Iterable[str]) -> Tensor:
        """(n_hits, n_names) of columns that hits come with, or that stages have added."""
        names = tuple(names)
        if all(name in self.hits.columns for name in names):
            return self.hits.take(names)
        columns = [self.hit[name] if name in self.hit else self.hits.column(name) for name in names]
        return torch.cat([one if one.ndim == 2 else one[:, None] for one in columns], dim=1)

    def with_edges(self, edges: Tensor, **columns: Tensor) -> "State":
        """Another graph, (2, n_edges) int64 inner to outer, with these columns and no others."""
        return replace(self, edges=edges, edge=columns, scored=None)

    def with_edge(self, **columns: Tensor) -> "State":
        """Further columns of the edges, (n_edges, ...)."""
        return replace(self, edge={**self.edge, **columns})

    def with_hit(self, **columns: Tensor) -> "State":
        """Further columns of the hits, (n_hits, ...)."""
        return replace(self, hit={**self.hit, **columns})

    def with_labels(self, labels: Tensor, **columns: Tensor) -> "State":
        """Tracks: labels (n_hits,) int64 from 0 without gaps, -1 = none, and their columns."""
        return replace(self, labels=labels, track=columns)

    def cut(self, score: float) -> "State":
        """The edges whose score, the sigmoid of the column "logit", is not below `score`."""
        edges, given = self.graph(), self.edge["logit"]
        kept = rows_where(given >= logit(score))
        return replace(self.with_edges_at(kept), scored=Scored(edges, given))

    def with_edges_at(self, rows: Tensor) -> "State":
        """The edges of these rows, (n,) int64, with their columns."""
        columns = {name: rows_at(column, rows) for name, column in self.edge.items()}
        return replace(self, edges=columns_at(self.graph(), rows), edge=columns)

    def scores(self) -> Tensor:
        """(n_edges,) float32 scores from 0 to 1: the sigmoid of the column "logit"."""
        return torch.sigmoid(self.edge["logit"])

    def to(self, device: torch.device | str) -> "State":
        """The same on another device."""

        def moved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device) for name, tensor in tensors.items()}

        return State(
            self.hits.to(device),
            None if self.edges is None else self.edges.to(device),
            moved(self.edge),
            moved(self.hit),
            None if self.labels is None else self.labels.to(device),
            moved(self.track),
            None if self.scored is None else Scored(*(one.to(device) for one in self.scored)),
        )

    # ---------------------------------------------------------------- for looking inside

    def to_networkx(self) -> "networkx.DiGraph[int]":
        """A directed graph: a node a hit, an edge a candidate, their columns as attributes.

        Vectors become lists. Needs the package networkx, which comes with torch.
        """
        import networkx

        graph: networkx.DiGraph[int] = networkx.DiGraph()
        hits = self._hit_table()
        for row in range(len(self.hits)):
            graph.add_node(row, **{name: values[row] for name, values in hits.items()})
        if self.edges is not None:
            columns = {name: column.tolist() for name, column in self.edge.items()}
            for k, (i, j) in enumerate(self.edges.T.tolist()):
                graph.add_edge(i, j, **{name: values[k] for name, values in columns.items()})
        return graph

    def to_pyg(self) -> Any:
        """A torch_geometric Data object. Needs the package torch_geometric.

        x (n_hits, n_columns) with their names in x_names, pos (n_hits, 3) mm, edge_index, every
        further column under its own name: edge_logit, hit_beta, y (n_hits,) the labels.
        """
        try:
            from torch_geometric.data import Data
        except ImportError as error:
            from hitgraph.errors import HitgraphError

            raise HitgraphError(
                "this needs the package torch_geometric: pip install torch_geometric"
            ) from error
        return Data(
            x=self.hits.features,
            pos=self.hits.position,
            edge_index=self.edges,
            y=self.labels,
            x_names=self.hits.columns,
            **{f"edge_{name}": column for name, column in self.edge.items()},
            **{f"hit_{name}": column for name, column in self.hit.items()},
        )

    def to_arrow(self) -> "dict[str, pa.Table]":
        """Tables "hits" and, where there are such, "edges" (inner, outer, ...) and "tracks"."""
        import pyarrow as pa

        tables = {"hits": pa.table(self._hit_table())}
        if self.edges is not None:
            inner, outer = self.edges.tolist()
            columns = {name: column.tolist() for name, column in self.edge.items()}
            tables["edges"] = pa.table({"inner": inner, "outer": outer, **columns})
        if self.labels is not None:
            columns = {name: column.tolist() for name, column in self.track.items()}
            tables["tracks"] = pa.table({"track": list(range(self.n_tracks)), **columns})
        return tables

    def _hit_table(self) -> dict[str, list[Any]]:
        columns = dict(zip("xyz", self.hits.position.T.tolist(), strict=True))
        columns |= {"layer": self.hits.layer.tolist(), "module": self.hits.module.tolist()}
        # z is there twice: as a coordinate and as a feature
        columns |= dict(zip(self.hits.columns, self.hits.features.T.tolist(), strict=True))
        columns |= {name: column.tolist() for name, column in self.hit.items()}
        if self.labels is not None:
            columns["track"] = self.labels.tolist()
        return columns


def logit(score: float) -> float:
    """Of a score from 0 to 1."""
    if score in (0, 1):
        return inf if score else -inf
    return log(score / (1 - score))


def long_tracks(labels: Tensor, min_hits: int) -> Tensor:
    """(n_hits,) int64 tracks of at least `min_hits` hits, numbered from 0 without gaps, else -1."""
    on = labels >= 0
    long = torch.bincount(rows_at(labels, rows_where(on))) >= min_hits
    if not len(long):
        return labels
    new = torch.where(long, torch.cumsum(long, 0) - 1, -1)
    return torch.where(on, rows_at(new, labels.clamp(min=0)), -1)
