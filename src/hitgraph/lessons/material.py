"""What a stage learns from: every event of a training as the stages before it leave it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.lessons.samples import Sample
from hitgraph.state import State

__all__ = ["Example", "Material", "Read", "true_edges_near"]


class Example(NamedTuple):
    """One event: its truth, and the State before the stage that is to learn."""

    sample: Sample
    state: State


Read = Callable[[], Example]  # reads one event from the disk; nothing is kept in memory


@dataclass(frozen=True)
class Material:
    """The events of a training, on the CPU, read one at a time."""

    train: Sequence[Read]  # with jittered clusters
    validation: Sequence[Read]  # as they are

    def some(self, most: int) -> list[Read]:
        """At most so many training events, evenly from the first to the last.

        A training on several samples names them one after another: all should be among them.
        """
        last, n = len(self.train) - 1, min(most, len(self.train))
        return [self.train[round(k * last / max(n - 1, 1))] for k in range(n)]


def true_edges_near(events: Iterable[Read], max_radius: float) -> Iterator[tuple[Hits, Tensor]]:
    """Hits of each event, and the true edges (2, n) of its targets born within that radius, mm."""
    for read in events:
        sample = read().sample
        near = sample.born[sample.true_edges[0]] <= max_radius
        yield sample.hits, sample.true_edges[:, near]
