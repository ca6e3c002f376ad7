"""What a stage learns from: every event of a training as the stages before it leave it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hitgraph.lessons.samples import Sample
from hitgraph.state import State


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
