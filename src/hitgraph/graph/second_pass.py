"""A second pass: a graph among the hits that no long track of the first pass has.

Most hits are easy. Once their tracks are set aside, what is left is a thin event, in which windows
can be as wide as particles born far out need them. The ends of those tracks stay in it, so that
hits which they missed can be found there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.scored.stage import ScoredSettings
from hitgraph.hits.direction import squared_distance
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import select_sample
from hitgraph.lessons.settings import check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.settings import choice
from hitgraph.stage import STAGES, Context, Stage, StageSettings, gives_of, needs_of
from hitgraph.state import EDGES, FIRST_PASS, HITS, LABELS, State


@dataclass(frozen=True)
class SecondPassSettings(StageSettings):
    """Long tracks set aside, and a graph of the hits that are left, by any graph builder."""

    builder: StageSettings = field(  # `use` and the keys of the graph builder
        default_factory=ScoredSettings, metadata=choice(STAGES)
    )
    min_hits: int = 5  # tracks of fewer are dropped, and their hits looked at once more
    ends: int = 2  # hits at either end of the others that may be continued

    def __post_init__(self) -> None:
        gives = gives_of(self.builder)
        if EDGES not in gives or EDGES in needs_of(self.builder) or LABELS in gives:
            raise SettingsError(
                f"builder.use: {STAGES.name_of(self.builder)} is no graph builder, it does not "
                "make edges of hits"
            )
        check_at_least(self, min_hits=1, ends=0)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return needs_of(self.builder) | {HITS, LABELS}

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        return gives_of(self.builder) | {FIRST_PASS}

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "SecondPass":
        return SecondPass(self.builder.load(context, tensors), self)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "SecondPass":
        train, validation = (
            [partial(_left_of, read, self) for read in reads]
            for reads in (material.train, material.validation)
        )
        builder = self.builder.learn(context, Material(train, validation), workshop)
        return SecondPass(builder, self)


def _left_of(read: Read, settings: SecondPassSettings) -> Example:
    """An event without its long tracks, but for their ends: hits and truth."""
    sample, state = read()
    left = what_is_left(state, settings)
    some = select_sample(sample, left.rows)
    is_free = (left.first_pass[left.rows] < 0)[some.true_edges].any(dim=0)
    return Example(replace(some, true_edges=some.true_edges[:, is_free]), without(state, left.rows))


@dataclass(frozen=True, eq=False)
class SecondPass:
    """Ready to run."""

    builder: Stage
    settings: SecondPassSettings

    def __call__(self, state: State) -> State:
        left = what_is_left(state, self.settings)
        built = self.builder(without(state, left.rows))
        edges = left.rows[built.graph()]
        kept = left.may_be(edges)
        columns = {name: column[kept] for name, column in built.edge.items()}
        return state.with_hit(first_pass=left.first_pass).with_edges(edges[:, kept], **columns)

    def tensors(self) -> dict[str, Tensor]:
        return self.builder.tensors()


@dataclass(frozen=True, eq=False)
class Left:
    """Which hits a second pass looks at."""

    first_pass: Tensor  # (n_hits,) int64 track of each hit that is set aside, -1 = none
    inner_end: Tensor  # (n_hits,) bool, among the first hits of such a track
    outer_end: Tensor  # (n_hits,) bool, among the last ones

    @property
    def rows(self) -> Tensor:
        """(n_left,) int64, ascending: hits on no track, and ends of tracks."""
        is_left = (self.first_pass < 0) | self.inner_end | self.outer_end
        return torch.nonzero(is_left).squeeze(1)

    def may_be(self, edges: Tensor) -> Tensor:
        """(n_edges,) bool: between hits on no track, onwards from an end of a track, or within one
        end; two tracks are not joined here."""
        tracks = self.first_pass[edges]
        on = tracks >= 0
        (inner_in, outer_in), (inner_out, outer_out) = self.inner_end[edges], self.outer_end[edges]
        onwards = (~on[0] | inner_out) & (~on[1] | outer_in) & ~on.all(dim=0)
        within = (inner_in & outer_in) | (inner_out & outer_out)
        allowed: Tensor = onwards | (on.all(dim=0) & within & (tracks[0] == tracks[1]))
        return allowed


def what_is_left(state: State, settings: SecondPassSettings) -> Left:
    """Tracks of at least `min_hits` hits set aside. Raises ValueError where there are no tracks."""
    if state.labels is None:
        raise ValueError("there are no tracks yet")
    first_pass = set_aside(state.labels, settings.min_hits)
    return Left(first_pass, *track_ends(first_pass, state.hits.position, settings.ends))


def set_aside(labels: Tensor, min_hits: int) -> Tensor:
    """(n_hits,) int64 tracks of at least `min_hits` hits, numbered from 0 without gaps, else -1."""
    on = labels >= 0
    long = torch.bincount(labels[on]) >= min_hits
    if not len(long):
        return labels
    new = torch.where(long, torch.cumsum(long, 0) - 1, -1)
    return torch.where(on, new[labels.clamp(min=0)], -1)


def track_ends(labels: Tensor, position: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """(n_hits,) bool, the `n` hits of each track nearest to the origin, and the `n` farthest."""
    on = torch.nonzero(labels >= 0).squeeze(1)
    outward = torch.argsort(squared_distance(position[on]), stable=True)
    order = on[outward][torch.argsort(labels[on[outward]], stable=True)]
    sizes = torch.bincount(labels[order])
    place = torch.arange(len(order), device=order.device)
    place = place - torch.repeat_interleave(torch.cumsum(sizes, 0) - sizes, sizes)
    inner, outer = (
        torch.zeros_like(labels, dtype=torch.bool),
        torch.zeros_like(labels, dtype=torch.bool),
    )
    inner[order] = place < n
    outer[order] = place >= torch.repeat_interleave(sizes, sizes) - n
    return inner, outer


def without(state: State, rows: Tensor) -> State:
    """The state before the first stage, of these hits alone."""
    columns = {name: column[rows] for name, column in state.hit.items()}
    return State(state.hits.select(rows), hit=columns)
