"""The tracks of a second pass put beside those of the first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.picks import rows_at, rows_where
from hitgraph.stage import Context, StageSettings
from hitgraph.state import FIRST_PASS, LABELS, State, long_tracks
from hitgraph.tensors import refuse_others


@dataclass(frozen=True)
class BothPassesSettings(StageSettings):
    """The tracks that a second pass set aside, and those that it found, together."""

    min_hits: int = 3  # shorter ones are no track

    needs: ClassVar[frozenset[str]] = frozenset({LABELS, FIRST_PASS})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        check_at_least(self, min_hits=1)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "BothPasses":  # noqa: ARG002
        refuse_others(tensors, [])
        return BothPasses(self.min_hits)

    def learn(
        self,
        context: Context,  # noqa: ARG002
        material: Material,  # noqa: ARG002
        workshop: Workshop,  # noqa: ARG002
    ) -> "BothPasses":
        return BothPasses(self.min_hits)


@dataclass(frozen=True)
class BothPasses:
    """Ready to run."""

    min_hits: int

    def __call__(self, state: State) -> State:
        labels = long_tracks(all_tracks(state), self.min_hits)
        hit = {name: column for name, column in state.hit.items() if name != "first_pass"}
        return replace(state, hit=hit).with_labels(labels)

    def tensors(self) -> dict[str, Tensor]:
        return {}


def all_tracks(state: State) -> Tensor:
    """(n_hits,) int64, also the tracks that were set aside where a second pass is going on."""
    assert state.labels is not None
    first = state.hit.get("first_pass")
    if first is None:
        return state.labels
    return once_a_module(together(first, state.labels), first, state.hits.module)


def once_a_module(labels: Tensor, first: Tensor, module: Tensor) -> Tensor:
    """The labels (n_hits,) without hits that were added to a track of the first pass although it
    has a hit of their module (n_hits,); all int64, -1 = none.

    The second pass saw no more of such tracks than their ends.
    """
    n_first = int(first.max()) + 1 if len(first) else 0
    added = rows_where((first < 0) & (labels >= 0) & (labels < n_first))
    if not len(added):
        return labels
    grown = torch.zeros(n_first, dtype=torch.bool, device=labels.device)
    grown[labels[added]] = True
    own = rows_where(first >= 0)
    own = own[rows_at(grown, rows_at(first, own))]
    crossed = labels * (module.max() + 1) + module
    labels = labels.clone()
    labels[added[torch.isin(crossed[added], crossed[own])]] = -1
    return labels


def together(first: Tensor, second: Tensor) -> Tensor:
    """(n_hits,) int64 tracks of both passes, numbered from 0 without gaps, -1 = none.

    A track of the second pass that holds ends of tracks of the first continues the one of which it
    has most (of several alike, that with the lowest number); no two tracks of the first are joined.
    """
    n_first = int(first.max()) + 1 if len(first) else 0
    n_second = int(second.max()) + 1 if len(second) else 0
    end = rows_where((first >= 0) & (second >= 0))
    pairs, count = torch.unique(
        rows_at(second, end) * n_first + rows_at(first, end), return_counts=True
    )
    group, track = pairs // max(n_first, 1), pairs % max(n_first, 1)
    best = torch.argsort(count, stable=True, descending=True)
    best = best[torch.argsort(group[best], stable=True)]
    chosen = torch.ones_like(best, dtype=torch.bool)
    chosen[1:] = group[best][1:] != group[best][:-1]
    number = torch.full((n_second,), -1, device=first.device)
    number[group[best][chosen]] = track[best][chosen]
    is_new = number < 0
    number[is_new] = n_first + torch.arange(int(is_new.sum()), device=first.device)
    on = rows_where(second >= 0)
    found = torch.full_like(second, -1)
    found[on] = rows_at(number, rows_at(second, on))
    return torch.where(first >= 0, first, found)
