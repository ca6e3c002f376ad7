"""What the track builders that follow seeds of scored edges have in common in a recipe."""

from typing import ClassVar

from hitgraph.lessons.settings import (
    TrainingSettings,
    refuse_graph_settings,
    refuse_trackml_weights,
)
from hitgraph.stage import StageSettings
from hitgraph.state import EDGES, HITS, LABELS, LOGIT
from hitgraph.tracks.checks import check_min_hits, check_score


class SeededSettings(StageSettings):
    """A subclass is a frozen dataclass with these fields."""

    training: TrainingSettings
    seed_cut: float  # scores of the two edges of a seed are at least that
    min_hits: int

    needs: ClassVar[frozenset[str]] = frozenset({HITS, EDGES, LOGIT})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_trackml_weights(self.training)
        check_score("seed_cut", self.seed_cut)
        check_min_hits(self.min_hits)
