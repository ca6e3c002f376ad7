"""One class for all hits of a cluster: that of the largest mean of what its hits are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.lessons.material import Material
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.blocks import sum_at
from hitgraph.stage import Context, StageSettings
from hitgraph.state import LABELS, State
from hitgraph.tensors import refuse_others


@dataclass(frozen=True)
class ClassVoteSettings(StageSettings):
    """The hits of a cluster agree on a class; those of none keep their own."""

    needs: ClassVar[frozenset[str]] = frozenset({LABELS, "hit.classes"})
    gives: ClassVar[frozenset[str]] = frozenset({"hit.classes"})

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "ClassVote":  # noqa: ARG002
        refuse_others(tensors, [])
        return ClassVote()

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "ClassVote":  # noqa: ARG002
        return ClassVote()


class ClassVote:
    """Ready to run."""

    def __call__(self, state: State) -> State:
        """Each hit of a cluster gets the mean of their `hit.classes` (n_hits, n_classes)."""
        assert state.labels is not None
        on = state.labels >= 0
        track = state.labels[on]
        own = state.hit["classes"]
        size = torch.bincount(track, minlength=state.n_tracks)[:, None]
        mean = sum_at(own[on], track, state.n_tracks) / size
        classes = own.clone()
        classes[on] = mean[track].to(own.dtype)
        return state.with_hit(classes=classes)

    def tensors(self) -> dict[str, Tensor]:
        return {}
