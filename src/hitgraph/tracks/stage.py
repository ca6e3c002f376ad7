"""Track builders as stages: from scored edges to labels, with a cut on the scores that is tuned."""

import contextlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from hitgraph.errors import ContractError, SettingsError
from hitgraph.hits import Hits
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Material
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, Stage, StageSettings
from hitgraph.state import EDGES, HITS, LABELS, LOGIT, State
from hitgraph.tensors import number, refuse_others, take_number
from hitgraph.tracks.both_passes import all_tracks
from hitgraph.tracks.checks import TooManyPairs

__all__ = ["TrackSettings"]

CUTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
K = TypeVar("K")


class TrackSettings(StageSettings):
    """A track builder: a subclass is a frozen dataclass with the fields score_cut and min_hits."""

    score_cut: float
    min_hits: int
    tune: bool = True  # where false, the score cut is the one given

    needs: ClassVar[frozenset[str]] = frozenset({HITS, EDGES, LOGIT})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for key in ("score_cut", "min_hits"):
            if not hasattr(cls, key):
                raise TypeError(f"{cls.__name__} needs the key {key}, with a default")

    @abstractmethod
    def build(
        self, hits: Hits, edge_index: Tensor, scores: Tensor, backend: Backend = "auto"
    ) -> Tensor:
        """Track of each hit (n_hits,) int64, numbered from 0 without gaps, -1 = none.

        Edges (2, n_edges) have scores (n_edges,) from 0 to 1; those above score_cut count.
        """

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "TrackStage":
        refuse_others(tensors, ["score_cut"])
        cut = take_number(tensors, "score_cut", low=0.0, high=1.0)
        return TrackStage(context, with_score_cut(self, cut))

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "TrackStage":
        """The score cut, its own or one of CUTS, with which targets score highest in validation.

        Where it is not to be tuned, its own.
        """
        if not self.tune:
            return TrackStage(context, self)
        workshop.report("choosing the score cut of the track builder")
        choices = {}
        for cut in sorted({self.score_cut, *CUTS}):
            with contextlib.suppress(SettingsError):  # does not fit the builder's other cuts
                choices[cut] = TrackStage(context, with_score_cut(self, cut))
        cut, facts = best_of(choices, self.score_cut, material, workshop)
        workshop.record({"score_cut": cut, **facts})
        return choices[cut]


@dataclass(frozen=True, eq=False)
class TrackStage:
    """Ready to run."""

    context: Context
    settings: TrackSettings

    def __call__(self, state: State) -> State:
        scores = state.scores()
        labels = self.settings.build(state.hits, state.graph(), scores, self.context.backend)
        n_hits = len(state.hits)
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or len(labels) != n_hits:
            raise ContractError(f"build: labels have to be an int64 tensor of shape ({n_hits},)")
        return state.with_labels(labels)

    def tensors(self) -> dict[str, Tensor]:
        return {"score_cut": number(self.settings.score_cut)}


def with_score_cut(settings: TrackSettings, cut: float) -> TrackSettings:
    """The same track builder with another cut. Raises SettingsError where it does not fit."""
    changed: TrackSettings = replace(settings, score_cut=cut)  # type: ignore[type-var]
    return changed


def best_of(
    choices: Mapping[K, Stage], own: K, material: Material, workshop: Workshop
) -> tuple[K, dict[str, float]]:
    """The cuts whose stage has the highest mean merit of targets in validation, and that.

    The merit is what the recipe tunes for, the TrackML score or the recognition quality. The
    recipe's `own` where no event has one. Cuts that would take too much memory are passed
    over, and TooManyPairs is raised where all would.
    """
    scores: dict[K, list[float]] = {cut: [] for cut in choices}
    for read in material.validation:
        example = read()
        for cut in list(scores):
            try:
                labels = all_tracks(choices[cut](example.state))
            except TooManyPairs:
                del scores[cut]
                if not scores:
                    raise
                continue
            scores[cut].append(workshop.merit(example, labels))
    means = {cut: mean_of_known(found) for cut, found in scores.items()}
    known = {cut: mean for cut, mean in means.items() if mean is not None}
    if not known:
        return own, {}
    best = max(known, key=lambda cut: known[cut])
    return best, {"target_score": known[best]}
