"""A second pass: a graph among the hits that no long track of the first pass has.

Most hits are easy. Once their tracks are set aside, what is left is a thin event, in which windows
can be as wide as particles born far out need them. The ends of those tracks stay in it, so that
hits which they missed can be found there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.scored.stage import ScoredSettings
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.groups import group_by_hit, sort_groups
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import select_sample
from hitgraph.lessons.settings import check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.picks import rows_at, rows_where
from hitgraph.settings import choice
from hitgraph.stage import STAGES, Context, Stage, StageSettings, gives_of, needs_of
from hitgraph.state import EDGES, FIRST_PASS, HITS, LABELS, LOGIT, State, long_tracks

SURE = 8.0  # logit of the edges at the ends of tracks


@dataclass(frozen=True)
class SecondPassSettings(StageSettings):
    """Long tracks set aside, and a graph of the hits that are left, by any graph builder."""

    builder: StageSettings = field(  # `use` and the keys of the graph builder
        default_factory=ScoredSettings, metadata=choice(STAGES)
    )
    min_hits: int = 5  # tracks of fewer are dropped, and their hits looked at once more
    ends: bool = True  # the others may be continued at both ends
    learn_from: Literal["left", "all"] = "left"  # the hits that the graph builder learns from

    def __post_init__(self) -> None:
        gives = gives_of(self.builder)
        if EDGES not in gives or EDGES in needs_of(self.builder) or LABELS in gives:
            raise SettingsError(
                f"builder.use: {STAGES.name_of(self.builder)} is no graph builder, it does not "
                "make edges of hits"
            )
        further = gives - {EDGES, LOGIT}
        if self.ends and further:
            raise SettingsError(
                f"builder.use: {STAGES.name_of(self.builder)} gives {min(further)}, which the "
                "edges at the ends of tracks do not have: set ends: false"
            )
        check_at_least(self, min_hits=3 if self.ends else 1)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return needs_of(self.builder) | {HITS, LABELS}

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        return gives_of(self.builder) | {FIRST_PASS}

    def settled(self, cells: bool) -> "SecondPassSettings":
        return replace(self, builder=self.builder.settled(cells))

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "SecondPass":
        try:
            return SecondPass(self.builder.load(context, tensors), self, context.backend)
        except SettingsError as error:
            raise SettingsError(f"builder.{error}") from error

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "SecondPass":
        if self.learn_from == "left":
            train, validation = (
                [partial(_left_of, read, self) for read in reads]
                for reads in (material.train, material.validation)
            )
            material = Material(train, validation)
        return SecondPass(self.builder.learn(context, material, workshop), self, context.backend)


def _left_of(read: Read, settings: SecondPassSettings) -> Example:
    """The hits of an event that are on no long track, and their truth.

    Without the ends of tracks, whose own edges are many and easy, and would set the cut.
    """
    sample, state = read()
    rows = rows_where(what_is_left(state, settings).first_pass < 0)
    return Example(select_sample(sample, rows), without(state, rows))


@dataclass(frozen=True, eq=False)
class SecondPass:
    """Ready to run."""

    builder: Stage
    settings: SecondPassSettings
    backend: Backend = "auto"

    def __call__(self, state: State) -> State:
        left = what_is_left(state, self.settings, self.backend)
        built = self.builder(without(state, left.rows))
        built = built.with_edges_at(rows_where(left.is_onwards(built.graph())))
        columns = dict(built.edge)
        if "logit" in columns:
            sure = columns["logit"].new_full((left.within.shape[1],), SURE)
            columns["logit"] = torch.cat([columns["logit"], sure])
        edges = torch.cat([rows_at(left.rows, built.graph()), left.within], dim=1)
        return state.with_hit(first_pass=left.first_pass).with_edges(edges, **columns)

    def tensors(self) -> dict[str, Tensor]:
        return self.builder.tensors()


@dataclass(frozen=True, eq=False)
class Left:
    """What a second pass looks at."""

    first_pass: Tensor  # (n_hits,) int64 track of each hit that is set aside, -1 = none
    first: Tensor  # (n_hits,) bool, the first hit of such a track
    last: Tensor  # (n_hits,) bool, the last one
    within: Tensor  # (2, n) int64, edges from the first hit to the second, and to the last one

    @cached_property
    def rows(self) -> Tensor:
        """(n_left,) int64, ascending: hits on no track, first and last hits of tracks."""
        return rows_where((self.first_pass < 0) | self.first | self.last)

    def is_onwards(self, edges: Tensor) -> Tensor:
        """(n_edges,) bool, of edges (2, n_edges) between places in `rows`: are they between hits on
        no track, or onwards from either end of a track? Two tracks are not joined here."""
        on = rows_at(self.first_pass, self.rows) >= 0
        last, first = rows_at(self.last, self.rows), rows_at(self.first, self.rows)
        # 0: on no track, 1: an end from which it may go on, 2: neither
        inner, outer = (on * (2 - end.to(torch.int8)) for end in (last, first))
        return rows_at(inner, edges[0]) + rows_at(outer, edges[1]) <= 1


def what_is_left(state: State, settings: SecondPassSettings, backend: Backend = "auto") -> Left:
    """Tracks of at least `min_hits` hits set aside. Raises ValueError where there are no tracks."""
    if state.labels is None:
        raise ValueError("there are no tracks yet")
    first_pass = long_tracks(state.labels, settings.min_hits)
    first, last = (torch.zeros_like(first_pass, dtype=torch.bool) for _ in range(2))
    if not settings.ends:
        return Left(first_pass, first, last, first_pass.new_zeros((2, 0)))
    order, start, end = along_tracks(first_pass, state.hits.position, backend)
    first[order[start]] = True
    last[order[end]] = True
    within = torch.stack([order[torch.cat([start, end - 1])], order[torch.cat([start + 1, end])]])
    return Left(first_pass, first, last, within)


def along_tracks(
    labels: Tensor, position: Tensor, backend: Backend = "auto"
) -> tuple[Tensor, Tensor, Tensor]:
    """Hits on tracks, track by track and outwards, int64; the first and the last place of each."""
    on = rows_where(labels >= 0)
    track, distance = rows_at(labels, on), squared_distance(rows_at(position, on))
    stop = torch.cumsum(torch.bincount(track), 0)
    if for_host(labels, backend):
        start, order = group_by_hit(track.numpy(), len(stop))
        sort_groups(start, order, distance.numpy())
        order = rows_at(on, torch.from_numpy(order))
    else:
        order = torch.argsort(distance, stable=True)
        order = on[order[torch.argsort(track[order], stable=True)]]
    return order, torch.cat([stop.new_zeros(1), stop[:-1]])[: len(stop)], stop - 1


def edges_along(labels: Tensor, hits: Hits) -> Tensor:
    """(2, n) int64 along each track outwards, from the first hit on a layer to that on the next."""
    order, _, _ = along_tracks(labels, hits.position)
    place = torch.stack([labels[order], hits.layer[order]])
    enters = torch.ones_like(order, dtype=torch.bool)
    enters[1:] = (place[:, 1:] != place[:, :-1]).any(dim=0)
    first = order[enters]
    onwards = labels[first[:-1]] == labels[first[1:]]
    return torch.stack([first[:-1][onwards], first[1:][onwards]])


def without(state: State, rows: Tensor) -> State:
    """The state before the first stage, of these hits alone."""
    columns = {name: rows_at(column, rows) for name, column in state.hit.items()}
    return State(state.hits.select(rows), hit=columns)
