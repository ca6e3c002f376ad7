"""The cut on the score of edges that keeps a share of the true ones."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.lessons.material import Read
from hitgraph.lessons.samples import is_true_edge
from hitgraph.state import State

__all__ = ["cut_at_efficiency"]


def cut_at_efficiency(
    efficiency: float, events: Sequence[Read], logits: Callable[[State, Tensor], Tensor]
) -> float:
    """The score, between 0 and 1, that a share `efficiency` of the true edges reaches or passes.

    Of the true edges that the states of the events still have. logits(state, true) gives theirs,
    (n_true,), where true (n_edges,) bool tells them among the edges of the state; scores are the
    sigmoid. Raises InputError where there is no true edge.
    """
    found = []
    with torch.inference_mode():
        for read in events:
            sample, state = read()
            true = is_true_edge(sample, state.graph())
            found.append(torch.sigmoid(logits(state, true).double()))
    scores = torch.cat(found)
    if len(scores) == 0:
        raise InputError("the validation events have no true edge of a target particle")
    rank = min(int((1 - efficiency) * len(scores)), len(scores) - 1)
    value = float(torch.sort(scores).values[rank])
    return min(max(value, 1e-9), 1 - 1e-9)
