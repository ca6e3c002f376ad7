"""A second pass: a graph among the hits that no long track of the first pass has.

Most hits are easy. Once their tracks are set aside, what is left is a thin event, in which windows
can be as wide as particles born far out need them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.scored.stage import ScoredSettings
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import select_sample
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

    def __post_init__(self) -> None:
        gives = gives_of(self.builder)
        if EDGES not in gives or EDGES in needs_of(self.builder) or LABELS in gives:
            raise SettingsError(
                f"builder.use: {STAGES.name_of(self.builder)} is no graph builder, it does not "
                "make edges of hits"
            )
        if self.min_hits < 1:
            raise SettingsError(f"min_hits: {self.min_hits} is not allowed, at least 1")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return needs_of(self.builder) | {HITS, LABELS}

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        return gives_of(self.builder) | {FIRST_PASS}

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "SecondPass":
        return SecondPass(self.builder.load(context, tensors), self.min_hits)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "SecondPass":
        train, validation = (
            [partial(_left_of, read, self.min_hits) for read in reads]
            for reads in (material.train, material.validation)
        )
        builder = self.builder.learn(context, Material(train, validation), workshop)
        return SecondPass(builder, self.min_hits)


def _left_of(read: Read, min_hits: int) -> Example:
    """An event without its long tracks: hits and truth."""
    sample, state = read()
    rows = rows_left(set_aside(_labels(state), min_hits))
    return Example(select_sample(sample, rows), without(state, rows))


@dataclass(frozen=True, eq=False)
class SecondPass:
    """Ready to run."""

    builder: Stage
    min_hits: int

    def __call__(self, state: State) -> State:
        first_pass = set_aside(_labels(state), self.min_hits)
        rows = rows_left(first_pass)
        built = self.builder(without(state, rows))
        return state.with_hit(first_pass=first_pass).with_edges(rows[built.graph()], **built.edge)

    def tensors(self) -> dict[str, Tensor]:
        return self.builder.tensors()


def set_aside(labels: Tensor, min_hits: int) -> Tensor:
    """(n_hits,) int64 tracks of at least `min_hits` hits, numbered from 0 without gaps, else -1."""
    on = labels >= 0
    sizes = torch.bincount(labels[on])
    long = sizes >= min_hits
    new = torch.where(long, torch.cumsum(long, 0) - 1, -1)
    return torch.where(on, new[labels.clamp(min=0)], -1) if len(sizes) else labels


def rows_left(first_pass: Tensor) -> Tensor:
    """(n_left,) int64 rows of the hits on no track that was set aside."""
    return torch.nonzero(first_pass < 0).squeeze(1)


def without(state: State, rows: Tensor) -> State:
    """The state before the first stage, of these hits alone."""
    columns = {name: column[rows] for name, column in state.hit.items()}
    return State(state.hits.select(rows), hit=columns)


def _labels(state: State) -> Tensor:
    if state.labels is None:
        raise ValueError("there are no tracks yet")
    return state.labels
