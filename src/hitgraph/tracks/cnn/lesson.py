"""Teaching the network on images: of every pixel with a hit, whether it has one of the particle."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.errors import InputError
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.losses import auc
from hitgraph.lessons.material import Read
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.seeds import generator
from hitgraph.tracks.cnn import CnnNetworkSettings, look
from hitgraph.tracks.cnn.circles import circles_through
from hitgraph.tracks.seeded import SEED_HITS
from hitgraph.tracks.seeded.truth import true_members

BATCH = 32  # seeds a step, of one event
VALIDATION = 64  # seeds of each validation event
SMALLEST = 1.0  # mm, from the middle of an image to its edges; a seed's hits are nearer


def reach_of(
    samples: Iterable[Sample], channel: Tensor, n_channels: int, coverage: float
) -> Tensor:
    """(2, n_channels) mm off the helices of their seeds, across and along z, within which that
    share of the hits of targets lies behind them, on each layer."""
    found, where = [torch.zeros(2, 0)], [channel.new_zeros(0)]
    for sample in samples:
        members, position = true_members(sample), sample.hits.position
        circles = circles_through(position[members[:, :SEED_HITS]])
        row, place = torch.nonzero(members[:, SEED_HITS:] >= 0, as_tuple=True)
        hit = members[row, place + SEED_HITS]
        across, along, _ = circles.at(row).ways(position[hit].double())
        found.append(torch.stack([across, along]).abs().float())
        where.append(channel[sample.hits.layer[hit]])
    ways, layer = torch.cat(found, dim=1), torch.cat(where)
    if not ways.shape[1]:
        raise InputError(
            "the training events have no target with hits on four layers, from which a network on "
            "images could learn: take other events, or a wider truth"
        )
    half = torch.full((2, n_channels), SMALLEST)
    for number in torch.unique(layer[layer >= 0]).tolist():
        half[:, number] = torch.quantile(ways[:, layer == number], coverage, dim=1)
    return half.clamp_min(SMALLEST)


@dataclass(frozen=True, eq=False)
class CnnLesson(Lesson):
    """A step has the images of some true seeds of an event."""

    seed: int
    train: Sequence[Read]
    validation: Sequence[Read]
    settings: CnnNetworkSettings
    channel: Tensor  # (n_layers,) int64, -1 = not in the images
    half: Tensor  # (2, n) mm, from the middle of the image of each layer to its edges

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.train)

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "cnn", epoch)
        for number in torch.randperm(len(self.train), generator=random).tolist():
            yield self._batch(self.train[number]().sample, BATCH, random)

    def validation_batch(self, number: int) -> Batch:
        random = generator(self.seed, "cnn validation", number)
        return self._batch(self.validation[number]().sample, VALIDATION, random)

    def _batch(self, sample: Sample, most: int, random: torch.Generator) -> Batch:
        members = true_members(sample)
        members = members[torch.randperm(len(members), generator=random)[:most]]
        seeds, hits = members[:, :SEED_HITS], sample.hits
        n_channels = self.settings.detector_layers
        seen = look(hits.position, self.channel[hits.layer], seeds, self.half, self.settings)
        y = seen.images.new_zeros(len(seeds), n_channels, *seen.images.shape[2:])
        flat = y.flatten(2)
        own = sample.particle_id[seen.hit] == sample.particle_id[seeds[seen.seed, 0]]
        flat[seen.seed[own], seen.channel[own], seen.pixel[own]] = 1.0
        occupied, of_seed = seen.images[:, :n_channels], seen.images[:, n_channels:]
        return rows_batch(seen.images, y, occupied * (1 - of_seed))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        logits, asked = network(batch.x), batch.weight > 0
        if not bool(asked.any()):
            nothing: Tensor = logits.sum() * 0
            return nothing
        loss: Tensor = binary_cross_entropy_with_logits(logits[asked], batch.y[asked])
        return loss

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        return {
            "val_loss": float(self.loss(network, batch)),
            "val_auc": auc(network(batch.x), batch),
        }
