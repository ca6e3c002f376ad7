"""CLUE: clusters around cells of high energy density (M. Rovere et al., arXiv 2001.09761).

The density of a cell is its energy and half of that of its neighbours within a distance d_c. A cell
of high density is a seed where no denser one lies within delta_c. The others follow the nearest
denser one, if there is one within reach, and belong to nothing where there is none (section 2.2).
The paper has one layer at a time and rho_c in standard deviations of the noise; here the layers of
an endcap are one space, as seen from the origin: x and y are carried along lines from it to the
first layer, and layers count as so many millimetres.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.graph.lines import LINES, projected
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above, check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State, long_tracks
from hitgraph.tensors import NOT_NEGATIVE, number, refuse_others, take_number
from hitgraph.tracks.checks import check_pairs
from hitgraph.tracks.stage import best_of

DISTANCES = (10.0, 13.0, 16.0, 20.0, 25.0, 30.0)  # mm
DENSITIES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # GeV


@dataclass(frozen=True)
class ClueSettings(StageSettings):
    """CLUE: hits follow denser neighbours up to a seed; the charge of hits is their energy."""

    distance: float = 13.0  # mm, within which energy counts for the density: d_c
    density: float = 0.4  # GeV (unit of the charge), least one of a seed: rho_c
    reach: float = 2.0  # distances within which a hit follows another one: delta_o over d_c
    separation: float = 1.0  # distances that a seed is from the next denser hit: delta_c over d_c
    layer_step: float = 5.0  # mm, how far layers that follow each other count as apart
    min_hits: int = 3  # smaller clusters are no track

    paper: ClassVar[str] = "2001.09761"
    needs: ClassVar[frozenset[str]] = frozenset({HITS, "hit.charge", *(f"hit.{x}" for x in LINES)})
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        check_above(self, distance=0, density=0)
        check_at_least(self, reach=1, separation=0, layer_step=0, min_hits=1)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "ClueStage":
        refuse_others(tensors, ["distance", "density"])
        distance = take_number(tensors, "distance", *NOT_NEGATIVE)
        density = take_number(tensors, "density", *NOT_NEGATIVE)
        return ClueStage(context, replace(self, distance=distance, density=density))

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "ClueStage":
        """Both cuts, its own or those of DISTANCES and DENSITIES, by the score of targets."""
        own = (self.distance, self.density)
        cuts = {own, *((distance, density) for distance in DISTANCES for density in DENSITIES)}
        choices = {
            cut: ClueStage(context, replace(self, distance=cut[0], density=cut[1]))
            for cut in sorted(cuts)
        }
        best, facts = best_of(choices, own, material, workshop)
        workshop.record({"distance": best[0], "density": best[1], **facts})
        return choices[best]


@dataclass(frozen=True, eq=False)
class ClueStage:
    """Ready to run."""

    context: Context
    settings: ClueSettings

    def __call__(self, state: State) -> State:
        points = projected(state.hits, self.settings.layer_step)
        energy = state.hits.column("charge")
        return state.with_labels(clue(points, energy, self.settings, self.context.backend))

    def tensors(self) -> dict[str, Tensor]:
        settings = self.settings
        return {"distance": number(settings.distance), "density": number(settings.density)}


def clue(
    points: Tensor, energy: Tensor, settings: ClueSettings, backend: Backend = "auto"
) -> Tensor:
    """Cluster of each point, (n_points,) int64 from 0 without gaps, -1 = none; on any device.

    points (n_points, d) float32 in mm, energy (n_points,). Of equally dense points the lower row
    counts as denser. Raises TooManyPairs.
    """
    n_points, reach = len(points), settings.reach * settings.distance
    check_pairs(points, reach, n_points, backend)
    one, other = radius_pairs(points, reach, backend=backend)
    apart = (points[one] - points[other]).square().sum(dim=1)
    near = apart <= settings.distance**2
    density = energy.double()
    for ends in ((one, other), (other, one)):
        density = density.index_add(0, ends[0][near], energy.double()[ends[1][near]] / 2)
    first = (density[one] > density[other]) | ((density[one] == density[other]) & (one < other))
    higher, lower = torch.where(first, one, other), torch.where(first, other, one)
    rows = torch.arange(n_points, device=points.device)
    nearest = apart.new_full((n_points,), torch.inf).scatter_reduce(0, lower, apart, "amin")
    closest = apart == nearest[lower]
    leader = torch.full_like(rows, n_points)
    leader.scatter_reduce_(0, lower[closest], higher[closest], "amin")
    lonely = nearest > (settings.separation * settings.distance) ** 2
    is_seed = lonely & (density >= settings.density)
    leader = torch.where(is_seed | (leader == n_points), rows, leader)
    while not torch.equal(leader, leader[leader]):
        leader = leader[leader]
    label = torch.where(is_seed, torch.cumsum(is_seed, 0) - 1, -1)
    return long_tracks(label[leader], settings.min_hits)
