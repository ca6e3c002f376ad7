"""The transformer as a stage: tracks from masks, one phi sector after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import pi
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.transformer.network import (
    Found,
    TransformerNetwork,
    TransformerNetworkSettings,
)
from hitgraph.gnn.transformer.sectors import Sector, sectors_of
from hitgraph.hits.columns import (
    POSITION_FEATURES,
    check_hit_columns,
    check_mirrored,
    expand_groups,
    without_clusters,
)
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    refuse_graph_settings,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State, long_tracks
from hitgraph.tensors import SHARE, build_network, learnt_tensors, load_learnt

CUTS = (0.7, 0.5, 0.3, 0.2)  # of being a track, tried in validation; of equal ones the first


@dataclass(frozen=True)
class TransformerSettings(StageSettings):
    """Transformer: a hit filter, then candidates with masks over the hits; needs no edges."""

    network: TransformerNetworkSettings = field(  # sizes
        default_factory=TransformerNetworkSettings
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    hit_inputs: tuple[str, ...] = ("position",)  # columns of hits, or groups; with position
    sectors: int = 8  # phi sectors, each treated alone
    margin: float = 0.1  # rad on either side, from where tracks of a sector may have hits
    reflect: bool = False  # train on phi and z mirror images at random
    min_hits: int = 3  # smaller masks are no track

    paper: ClassVar[str] = "2411.07149"
    gives: ClassVar[frozenset[str]] = frozenset({LABELS, "hit.signal"})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)
        check_at_least(self, sectors=1, margin=0, min_hits=1)
        object.__setattr__(self, "hit_inputs", expand_groups(self.hit_inputs))
        check_hit_columns("hit_inputs", self.hit_inputs)
        if not set(POSITION_FEATURES) <= set(self.hit_inputs):
            raise SettingsError("hit_inputs: r, phi and z have to be among them, or position")
        if self.reflect:
            check_mirrored("hit_inputs", self.hit_inputs)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({HITS, *(f"hit.{name}" for name in self.hit_inputs)})

    def settled(self, cells: bool) -> "TransformerSettings":
        return self if cells else replace(self, hit_inputs=without_clusters(self.hit_inputs))

    def build(self) -> TransformerNetwork:
        """The untrained network."""
        return TransformerNetwork(self.network, self.hit_inputs)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "TransformerStage":
        network, (cut,) = load_learnt(self.build, tensors, context.device, self.network, cut=SHARE)
        return TransformerStage(context, self, network, cut)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "TransformerStage":
        """The network, then the cut with the highest TrackML score of targets in validation."""
        from hitgraph.gnn.transformer.lesson import teach

        network = build_network(self.build, self.network)
        merit = teach(self, network, material, workshop)
        stage = TransformerStage(context, self, network, CUTS[0])
        scores: dict[float, list[float]] = {cut: [] for cut in CUTS}
        for read in material.validation:
            example = read()
            masks = stage.masks(example.state)
            for cut, found in scores.items():
                labels = labels_above(masks, cut, self.min_hits)
                found.append(workshop.merit(example, labels))
        means = {cut: mean_of_known(found) or 0.0 for cut, found in scores.items()}
        cut = max(means, key=lambda one: means[one])
        workshop.record({**merit, "cut": cut})
        return replace(stage, cut=cut)


class Masks(NamedTuple):
    """The masks of all sectors over the hits of an event, each hit on one at most."""

    mask: Tensor  # (n_hits,) int64, -1 = on none
    track: Tensor  # (n_hits,) how likely it is a track
    signal: Tensor  # (n_hits,) how likely the hit is of a target


@dataclass(frozen=True, eq=False)
class TransformerStage:
    """Ready to run."""

    context: Context
    settings: TransformerSettings
    network: TransformerNetwork
    cut: float  # what a candidate needs to be a track

    def __call__(self, state: State) -> State:
        masks = self.masks(state)
        labels = labels_above(masks, self.cut, self.settings.min_hits)
        return state.with_hit(signal=masks.signal).with_labels(labels)

    def masks(self, state: State) -> Masks:
        """Where sectors overlap, a mask counts where its middle lies in the sector itself."""
        settings, n_hits = self.settings, len(state.hits)
        names, n_sectors = settings.hit_inputs, settings.sectors
        position = state.hits.position
        mask = torch.full((n_hits,), -1, device=position.device)
        track, best, signal = (position.new_zeros(n_hits) for _ in range(3))
        n_masks = 0
        for sector in sectors_of(state.hits.take(names), names, n_sectors, settings.margin):
            with torch.no_grad(), self.context.mixed_precision():
                found = self.network(sector.features)
            core = sector.phi.abs() <= pi / n_sectors
            signal[sector.rows[core]] = torch.sigmoid(found.signal[core])
            hit, which, share, chance = sector_masks(found, sector, pi / n_sectors)
            better = share > best[hit]
            hit, which = hit[better], which[better]
            mask[hit], best[hit], track[hit] = which + n_masks, share[better], chance[better]
            n_masks += found.tracks.shape[1]
        return Masks(mask, track, signal)

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, cut=self.cut)


def sector_masks(
    found: Found, sector: Sector, half_width: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hits of the event on a mask, its number, their share in it, and the chance of a track.

    All (n,). Of candidates for one track the likeliest is left. A hit goes to the candidate with
    the largest product of the two, where its share in the mask is one half at least; masks whose
    mean azimuth is beyond `half_width` are left out.
    """
    chance, share = torch.sigmoid(found.tracks[-1]), torch.sigmoid(found.masks[-1])
    if not len(chance):
        nothing = sector.rows[:0]
        return nothing, nothing, chance, chance
    own = torch.searchsorted(found.kept, found.begun)  # columns of the hits of candidates
    chance = torch.where(likeliest(chance, share[:, own] >= 0.5), chance, 0.0)
    best, which = (chance[:, None] * share).max(dim=0)
    on = share.gather(0, which[None]).squeeze(0) >= 0.5
    kept, which, best = found.kept[on], which[on], best[on]
    phi = chance.new_zeros(len(chance)).index_add(0, which, sector.phi[kept])
    phi = phi / torch.bincount(which, minlength=len(chance)).clamp_min(1)
    inside = phi[which].abs() <= half_width
    rows = sector.rows[kept]
    return rows[inside], which[inside], best[inside], chance[which][inside]


def likeliest(chance: Tensor, holds: Tensor) -> Tensor:
    """(n,) bool, the candidates that no likelier one holds which is among them itself.

    chance (n,) of being a track; holds (n, n) bool, the mask of one has the hit of the other.
    """
    order = torch.argsort(chance, descending=True)
    holds = holds[order][:, order].triu(1)
    left = torch.ones_like(order, dtype=torch.bool)
    for place, held in enumerate(holds):
        left = left & ~(held & left[place])
    return torch.empty_like(left).scatter_(0, order, left)


def labels_above(masks: Masks, cut: float, min_hits: int) -> Tensor:
    """(n_hits,) int64 track of each hit from 0 without gaps, -1 = none: masks of at least `cut`."""
    return long_tracks(torch.where(masks.track >= cut, masks.mask, -1), min_hits)
