"""The network on images as a labeller: seeds of scored edges, an image of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import TrainingSettings, check_share
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tensors import (
    SHARE,
    build_network,
    load_network,
    network_tensors,
    number,
    refuse_others,
    take,
    take_number,
)
from hitgraph.tracks.checks import check_score
from hitgraph.tracks.cnn import CnnNetworkSettings, Pixels, look
from hitgraph.tracks.seeded import seeds_of, tracks_of
from hitgraph.tracks.seeded.settings import SeededSettings
from hitgraph.tracks.stage import best_of

HIT_CUTS = (0.05, 0.15, 0.3, 0.5)
SOME = 5  # events that tell which layers there are, and how large images are
AT_ONCE = 32  # seeds whose images are in memory


@dataclass(frozen=True)
class CnnSettings(SeededSettings):
    """A convolutional network on images around seeds of scored edges picks a pixel a layer."""

    network: CnnNetworkSettings = field(default_factory=CnnNetworkSettings)  # sizes
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    seed_cut: float = 0.5  # scores of the two edges of a seed are at least that
    coverage: float = 0.95  # of the hits behind seeds, on each layer and way, that images reach
    hit_cut: float = 0.3  # of a pixel whose hit is taken; tuned
    min_hits: int = 4  # smaller ones are no track

    def __post_init__(self) -> None:
        super().__post_init__()
        check_score("hit_cut", self.hit_cut)
        check_share(self, "coverage")

    def build(self) -> Pixels:
        """The untrained network."""
        return Pixels(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "CnnStage":
        network = load_network(self.build, tensors, "network", self.network)
        size, most = (context.detector.n_layers,), self.network.detector_layers - 1
        channel = take(tensors, "channel", size, torch.int64, low=-1, high=most)
        refuse_others(tensors, ["channel", "half", "hit_cut", *network_tensors(network, "network")])
        half = take(tensors, "half", (2, most + 1), low=1e-6)
        own = replace(self, hit_cut=take_number(tensors, "hit_cut", *SHARE))
        there = (one.to(context.device) for one in (channel, half))
        return CnnStage(context, own, network.to(context.device), *there)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "CnnStage":
        from hitgraph.tracks.cnn.lesson import CnnLesson, reach_of

        channel = _channel(material, context.detector.n_layers)
        n_there, room = int(channel.max()) + 1, self.network.detector_layers
        if n_there > room:
            raise SettingsError(
                f"network.detector_layers: {room} is too few, targets have hits on {n_there} layers"
            )
        network = build_network(self.build, self.network)
        some = (read().sample for read in material.some(SOME))
        half = reach_of(some, channel, room, self.coverage)
        lesson = CnnLesson(
            workshop.seed, material.train, material.validation, self.network, channel, half
        )
        workshop.record(workshop.fit(network, lesson, self.training))
        choices = {
            cut: CnnStage(context, replace(self, hit_cut=cut), network, channel, half)
            for cut in sorted({self.hit_cut, *HIT_CUTS})
        }
        cut, facts = best_of(choices, self.hit_cut, material, workshop)
        workshop.record({"hit_cut": cut, **facts})
        return choices[cut]


def _channel(material: Material, n_layers: int) -> Tensor:
    """(n_layers,) int64: layers that targets have hits on are numbered, others -1."""
    there = torch.zeros(n_layers, dtype=torch.bool)
    for read in material.some(SOME):
        sample = read().sample
        there[sample.hits.layer[sample.target]] = True
    if not bool(there.any()):
        raise InputError("the training events have no hit of a target: take a wider truth")
    return torch.where(there, torch.cumsum(there, 0) - 1, -1)


@dataclass(frozen=True, eq=False)
class CnnStage:
    """Ready to run."""

    context: Context
    settings: CnnSettings
    network: Pixels
    channel: Tensor  # (n_layers,) int64, -1 = not in the images
    half: Tensor  # (2, n) mm, from the middle of the image of each layer to its edges

    def __call__(self, state: State) -> State:
        hits, settings = state.hits, self.settings
        seeds = seeds_of(state, settings.seed_cut, self.context.backend)
        members, quality = self.members(hits.position, self.channel[hits.layer], seeds)
        return state.with_labels(tracks_of(members, quality, len(hits), settings.min_hits))

    def members(self, position: Tensor, channel: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """Hits (n_seeds, n) int64, -1 = none, and quality (n_seeds,) of each seed's track.

        On every layer where the seed has no hit the one in the best pixel, where that reaches the
        cut, of several there the first. The quality is the sum of what their scores have above it.
        """
        n_channels, cut = self.settings.network.detector_layers, self.settings.hit_cut
        size = (len(seeds), n_channels + 1)  # the last one for layers that are not in the images
        members = torch.full(size, -1, device=seeds.device)
        members.scatter_(1, channel[seeds] % size[1], seeds)
        quality = torch.zeros(len(seeds), device=seeds.device)
        for begin in range(0, len(seeds), AT_ONCE):
            some = seeds[begin : begin + AT_ONCE]
            seen = look(position, channel, some, self.half, self.settings.network)
            with torch.no_grad(), self.context.mixed_precision():
                score = torch.sigmoid(seen.at(self.network(seen.images)))
            free = (members[seen.seed + begin, seen.channel] < 0) & (score >= cut)
            place = (seen.seed + begin) * size[1] + seen.channel
            place, hit, score = place[free], seen.hit[free], score[free]
            order = torch.argsort(score, descending=True, stable=True)
            order = order[torch.argsort(place[order], stable=True)]
            best = order[torch.diff(place[order], prepend=place.new_tensor([-1])) != 0]
            members.view(-1)[place[best]] = hit[best]
            quality.index_add_(0, place[best] // size[1], score[best] - cut)
        return members, quality

    def tensors(self) -> dict[str, Tensor]:
        own = {"channel": self.channel, "half": self.half}
        own["hit_cut"] = number(self.settings.hit_cut)
        return {**network_tensors(self.network, "network"), **own}
