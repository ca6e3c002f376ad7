"""The LSTM as a labeller: seeds of scored edges, followed from layer to layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.settings import TrainingSettings, check_above
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tensors import (
    NOT_NEGATIVE,
    build_network,
    load_network,
    network_tensors,
    number,
    refuse_others,
    take,
    take_number,
)
from hitgraph.tracks.lstm import Follower, LstmNetworkSettings, places_of
from hitgraph.tracks.lstm.search import follow
from hitgraph.tracks.seeded import seeds_of, tracks_of
from hitgraph.tracks.seeded.settings import SeededSettings
from hitgraph.tracks.stage import best_of

MAX_CHI2 = (4.0, 7.0, 10.0, 15.0, 25.0)


@dataclass(frozen=True)
class LstmSettings(SeededSettings):
    """An LSTM follows seeds of scored edges outward and takes the nearest hit on each layer.

    For layers at growing radii: a barrel, or planes.
    """

    network: LstmNetworkSettings = field(default_factory=LstmNetworkSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    seed_cut: float = 0.5  # scores of the two edges of a seed are at least that
    max_chi2: float = 10.0  # of a hit that is taken; tuned
    min_hits: int = 4  # smaller ones are no track

    paper: ClassVar[str] = "1810.06111"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above(self, max_chi2=0)

    def build(self) -> Follower:
        """The untrained network."""
        return Follower(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "LstmStage":
        network = load_network(self.build, tensors, "network", self.network)
        known = ["radius", "max_chi2", *network_tensors(network, "network")]
        refuse_others(tensors, known)
        radius = take(tensors, "radius", (context.detector.n_layers,), low=-1.0)
        max_chi2 = take_number(tensors, "max_chi2", *NOT_NEGATIVE)
        device = context.device
        own = replace(self, max_chi2=max_chi2)
        return LstmStage(context, own, network.to(device), radius.to(device))

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "LstmStage":
        from hitgraph.tracks.lstm.lesson import LstmLesson, Tracks, learn_scales, together

        def prepared(kind: str, events: Sequence[Read]) -> Tracks:
            return together(
                [
                    workshop.cached(f"{kind}-{k}", partial(_sequences, read))()
                    for k, read in enumerate(events)
                ]
            )

        tracks = prepared("train", material.train)
        check = prepared("validation", material.validation)
        for kind, found in (("training", tracks), ("validation", check)):
            if float(found["teaches"].sum()) < 2:
                raise InputError(
                    f"the {kind} events have no target with hits on four layers at growing radii, "
                    "from which an LSTM could learn: take other events, or a wider truth"
                )
        network = build_network(self.build, self.network)
        learn_scales(network, tracks)
        workshop.record(
            workshop.fit(network, LstmLesson(workshop.seed, tracks, check), self.training)
        )
        radius = _radius(material, context.detector.n_layers)
        choices = {
            cut: LstmStage(context, replace(self, max_chi2=cut), network, radius)
            for cut in sorted({self.max_chi2, *MAX_CHI2})
        }
        cut, facts = best_of(choices, self.max_chi2, material, workshop)
        workshop.record({"max_chi2": cut, **facts})
        return choices[cut]


def _sequences(read: Read) -> dict[str, Tensor]:
    from hitgraph.tracks.lstm.lesson import sequences_of

    return sequences_of(read().sample)


def _radius(material: Material, n_layers: int) -> Tensor:
    """(n_layers,) m, the mean of the hits of each layer, -1 where there are none."""
    total, count = torch.zeros(2, n_layers)
    for read in material.some(4):
        hits = read().sample.hits
        total.index_add_(0, hits.layer, places_of(hits.position).r)
        count += torch.bincount(hits.layer, minlength=n_layers)
    return torch.where(count > 0, total / count.clamp_min(1), -1.0)


@dataclass(frozen=True, eq=False)
class LstmStage:
    """Ready to run."""

    context: Context
    settings: LstmSettings
    network: Follower
    radius: Tensor  # (n_layers,) m, -1 = passed over

    def __call__(self, state: State) -> State:
        hits, settings = state.hits, self.settings
        seeds = seeds_of(state, settings.seed_cut, self.context.backend)
        places = places_of(hits.position)
        with torch.no_grad():
            found = follow(self.network, places, hits.layer, seeds, self.radius, settings.max_chi2)
        return state.with_labels(tracks_of(*found, len(hits), settings.min_hits))

    def tensors(self) -> dict[str, Tensor]:
        own = {"radius": self.radius, "max_chi2": number(self.settings.max_chi2)}
        return {**network_tensors(self.network, "network"), **own}
