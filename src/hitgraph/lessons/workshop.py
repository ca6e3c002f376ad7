"""What a stage is given to learn with; hitgraph.training.workshop has it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from hitgraph.lessons.lesson import Lesson
from hitgraph.lessons.material import Example
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.settings import TrainingSettings, TruthSettings
from hitgraph.lessons.teacher import Teacher

__all__ = ["Workshop"]


class Workshop(Protocol):
    """Of one stage of one training. What is done once is not done again after an interruption."""

    @property
    def seed(self) -> int:
        """Of the recipe; random streams come from lessons.seeds.generator."""

    @property
    def truth(self) -> TruthSettings:
        """Which edges count as true."""

    def report(self, line: str) -> None:
        """Say something to people."""

    def record(self, facts: Mapping[str, Any]) -> None:
        """Numbers for the model card: figures of merit, cuts."""

    def fit(
        self,
        network: nn.Module,
        lesson: Lesson | None,
        settings: TrainingSettings,
        part: str = "",
    ) -> dict[str, float]:
        """Train a network in place, or give it what an earlier run of this training taught it.

        `part` tells several networks of one stage apart. Returns the figures of merit. Where
        `is_fitted`, the lesson may be None.
        """

    def teacher(self, settings: TrainingSettings) -> Teacher:
        """Who has scored the edges of the training events, as the settings of a training say."""

    def is_fitted(self, part: str = "") -> bool:
        """Whether an earlier run has trained that network: `fit` will not use the lesson."""

    def cached(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Callable[..., Any]:
        """A function that reads what `make` gives, which is called once and kept on the disk."""

    def score(self, example: Example, labels: Tensor, among: Tensor | None = None) -> float:
        """TrackML score of the tracks labels (n_hits,) of an event, of all hits or `among`
        (n_hits,) those marked; NaN without weights."""

    def merit(self, example: Example, labels: Tensor) -> float:
        """What cuts are tuned for among targets, as the key `tune_for` of the truth says; NaN where
        there is nothing to find."""

    def majority(self, sample: Sample, labels: Tensor) -> Tensor:
        """(n_tracks,) int64 particle of most hits of each track; labels without gaps from 0."""
