"""The tracks of a second pass put beside those of the first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.lessons.material import Material
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import FIRST_PASS, LABELS, State
from hitgraph.tensors import refuse_others


@dataclass(frozen=True)
class BothPassesSettings(StageSettings):
    """The tracks that a second pass set aside, and those that it found, together."""

    needs: ClassVar[frozenset[str]] = frozenset({LABELS, FIRST_PASS})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "BothPasses":  # noqa: ARG002
        refuse_others(tensors, [])
        return BothPasses()

    def learn(
        self,
        context: Context,  # noqa: ARG002
        material: Material,  # noqa: ARG002
        workshop: Workshop,  # noqa: ARG002
    ) -> "BothPasses":
        return BothPasses()


class BothPasses:
    """Ready to run."""

    def __call__(self, state: State) -> State:
        assert state.labels is not None
        labels = together(state.hit["first_pass"], state.labels)
        hit = {name: column for name, column in state.hit.items() if name != "first_pass"}
        return replace(state, hit=hit).with_labels(labels)

    def tensors(self) -> dict[str, Tensor]:
        return {}


def together(first: Tensor, second: Tensor) -> Tensor:
    """(n_hits,) int64 tracks of both passes; no hit is on one of each."""
    n_first = first.max() + 1 if len(first) else 0
    return torch.where(first >= 0, first, torch.where(second >= 0, second + n_first, -1))
