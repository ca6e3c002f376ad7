"""Teaching the embedding: all true edges, random pairs first, then hard negatives as well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hitgraph.graph.neighbours import radius_neighbours
from hitgraph.graph.radius.embedding import EmbeddingNetwork, hinge_loss, mine_pairs, squared_length
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.material import Read
from hitgraph.lessons.samples import (
    Sample,
    edge_truth,
    select_sample,
    track_pairs,
    trackml_weights,
)
from hitgraph.lessons.sectors import drawn_sectors, sector_of
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TruthSettings

if TYPE_CHECKING:
    from hitgraph.graph.radius.stage import RadiusSettings

MARGIN = 1.0  # of the hinge loss; hard negatives are mined inside it
N_RANDOM, N_HARD = 2, 4  # random and hard pairs, as multiples of the true edges
N_PROBES = 2000  # hits whose neighbours are counted in validation


@dataclass(frozen=True, eq=False)
class EmbeddingLesson(Lesson):
    """One step an event, on all its hits (arXiv 2103.06995, section 5.2), or one a phi sector."""

    stage: "RadiusSettings"
    truth: TruthSettings
    seed: int
    train: Sequence[Read]
    validation: Sequence[Read]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.train) * self.stage.sectors

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        random = generator(self.seed, "embedding", epoch)
        n_sectors = self.stage.sectors
        for number, sector, start in drawn_sectors(random, len(self.train), n_sectors):
            sample = self.train[number]().sample
            if n_sectors > 1:
                inside = sector_of(sample.hits.column("phi") - start, n_sectors) == sector
                sample = select_sample(sample, torch.nonzero(inside).squeeze(1))
            mine = epoch >= self.stage.random_epochs
            yield self._batch(network, sample, mine, random)

    def _batch(
        self, network: nn.Module, sample: Sample, mine: bool, random: torch.Generator
    ) -> Batch:
        true = sample.true_edges
        if self.stage.true_pairs == "track":
            true = track_pairs(sample)
        n_true = true.shape[1]
        with torch.no_grad():
            features = sample.hits.take(self.stage.hit_inputs)
            latents = network(features.to(next(network.parameters()).device)).cpu()
        pairs, is_true = mine_pairs(
            latents,
            true,
            N_RANDOM * n_true,
            MARGIN,
            random,
            n_hard=N_HARD * n_true if mine else 0,
        )
        return self._labelled(sample, pairs, is_true)

    def _labelled(self, sample: Sample, pairs: Tensor, is_true: Tensor) -> Batch:
        """Negatives that join hits of one particle are fake only where the recipe says so."""
        same, weight = edge_truth(sample, pairs, self.truth)
        weight = torch.where(is_true, 1.0, weight * (same == 0))
        y = is_true.float()
        if self.stage.training.trackml_weights:
            weight = weight * trackml_weights(sample, pairs, y)
        return Batch(sample.hits.take(self.stage.hit_inputs), pairs, None, y, weight)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        d_squared = squared_length(network(batch.x).float(), batch.edge_index)
        return hinge_loss(d_squared, batch.y > 0, MARGIN, batch.weight)

    def validation_batch(self, number: int) -> Batch:
        sample = self.validation[number]().sample
        is_true = torch.ones(sample.true_edges.shape[1], dtype=torch.bool)
        return self._labelled(sample, sample.true_edges, is_true)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        latents = network(batch.x).float()
        radius = _radius(squared_length(latents, batch.edge_index), self.stage.target_efficiency)
        probes = latents[:: max(1, len(latents) // N_PROBES)]
        near = radius_neighbours(probes, latents, radius).shape[1]
        # neighbours of a hit at the wanted efficiency: the size of the graph, to be made small
        return {"val_loss": near / max(len(probes), 1), "val_radius": radius}


def radius_at_efficiency(
    network: EmbeddingNetwork, events: Sequence[Read], efficiency: float
) -> float:
    """The latent distance within which a share `efficiency` of the true edges lies."""
    distances = []
    with torch.inference_mode():
        for read in events:
            sample = read().sample
            latents = network(sample.hits.take(network.names))
            distances.append(squared_length(latents, sample.true_edges))
    return _radius(torch.cat(distances), efficiency)


def _radius(d_squared: Tensor, efficiency: float) -> float:
    if len(d_squared) == 0:
        return 0.0
    rank = max(1, min(len(d_squared), round(efficiency * len(d_squared))))
    return float(torch.kthvalue(d_squared, rank).values.sqrt())
