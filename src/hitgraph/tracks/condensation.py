"""Tracks around the hits that stand for their particle (arXiv 2002.03605, section 3.3).

By falling beta, a hit above a cut that is on no track yet takes all such hits within a radius of
its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.graph.neighbours import radius_neighbours
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above, check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State
from hitgraph.tensors import NOT_NEGATIVE, SHARE, number, refuse_others, take_number
from hitgraph.tracks.checks import check_pairs, check_score
from hitgraph.tracks.stage import best_of

BETA_CUTS, RADII = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9), (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class CondensationSettings(StageSettings):
    """By falling beta, hits take all hits near their place; needs no edges."""

    beta_cut: float = 0.5  # what a hit needs to begin a track
    radius: float = 0.4  # how far from its place the hits of the track may lie
    min_hits: int = 3  # smaller groups are no track

    paper: ClassVar[str] = "2002.03605"
    needs: ClassVar[frozenset[str]] = frozenset({HITS, "hit.beta", "hit.place"})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        check_score("beta_cut", self.beta_cut)
        check_above(self, radius=0)
        check_at_least(self, min_hits=1)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "CondensationStage":
        refuse_others(tensors, ["beta_cut", "radius"])
        beta_cut = take_number(tensors, "beta_cut", *SHARE)
        radius = take_number(tensors, "radius", *NOT_NEGATIVE)
        return CondensationStage(context, replace(self, beta_cut=beta_cut, radius=radius))

    def learn(
        self, context: Context, material: Material, workshop: Workshop
    ) -> "CondensationStage":
        """Both cuts, its own or those of BETA_CUTS and RADII, by the score of targets."""
        cuts = {(self.beta_cut, self.radius)}
        cuts |= {(beta_cut, radius) for beta_cut in BETA_CUTS for radius in RADII}
        choices = {
            cut: CondensationStage(context, replace(self, beta_cut=cut[0], radius=cut[1]))
            for cut in sorted(cuts)
        }
        best, facts = best_of(choices, (self.beta_cut, self.radius), material, workshop)
        workshop.record({"beta_cut": best[0], "radius": best[1], **facts})
        return choices[best]


@dataclass(frozen=True, eq=False)
class CondensationStage:
    """Ready to run."""

    context: Context
    settings: CondensationSettings

    def __call__(self, state: State) -> State:
        beta, place = state.hit["beta"], state.hit["place"]
        return state.with_labels(condense(beta, place, self.settings, self.context.backend))

    def tensors(self) -> dict[str, Tensor]:
        settings = self.settings
        return {"beta_cut": number(settings.beta_cut), "radius": number(settings.radius)}


def condense(
    beta: Tensor, place: Tensor, settings: CondensationSettings, backend: Backend = "auto"
) -> Tensor:
    """Track of each hit, (n_hits,) int64 from 0 without gaps, -1 = none; on any device.

    By falling beta (n_hits,), equal ones by row, each hit of at least the cut that is on no track
    takes all hits on no track within the radius of its place (n_hits, d). All hits whose rivals are
    decided on are decided on at once. Raises TooManyPairs.
    """
    n_hits, device = len(beta), beta.device
    order = torch.argsort(beta, descending=True, stable=True)
    order = order[beta[order] >= settings.beta_cut]  # by rank: the hits that may begin a track
    rank = torch.full((n_hits,), len(order), device=device)
    rank[order] = torch.arange(len(order), device=device)
    check_pairs(place, settings.radius, len(order), backend)
    first, hit = radius_neighbours(place[order], place, settings.radius, backend)
    later = rank[hit] < len(order)
    high, low = first[later], rank[hit[later]]
    high, low = high[high < low], low[high < low]  # who is taken if the other begins a track
    begins = torch.zeros(len(order), dtype=torch.bool, device=device)
    open_ = torch.ones_like(begins)
    while bool(open_.any()):
        waits = torch.zeros_like(begins)
        waits[low[open_[high]]] = True
        now = open_ & ~waits
        begins |= now
        taken = torch.zeros_like(begins)
        taken[low[now[high]]] = True
        open_ &= ~now & ~taken
    chosen = begins[first]
    owner = torch.full((n_hits,), len(order), device=device)
    owner.scatter_reduce_(0, hit[chosen], first[chosen], "amin")
    size = torch.bincount(owner, minlength=len(order) + 1)
    kept = size >= settings.min_hits
    kept[len(order)] = False
    label = torch.where(kept, torch.cumsum(kept, 0) - 1, -1)
    return label[owner]
