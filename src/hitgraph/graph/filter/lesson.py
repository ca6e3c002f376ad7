"""Teaching the filter: balanced batches of true, hard and easy candidates (arXiv 2103.06995)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.event.detector import Detector
from hitgraph.lessons.samples import Sample, edge_truth, load_edges, load_sample, trackml_weights
from hitgraph.lessons.seeds import generator
from hitgraph.pairs import pair_features
from hitgraph.recipe import FilterStage, Recipe
from hitgraph.training.fit import Batch, Lesson

N_SCORED = 4  # fakes scored in search of hard ones, as a multiple of the true edges
HARD_SCORE = 0.1  # a fake that scores above is hard
N_VALIDATION = 400_000  # candidate edges looked at in each validation event


@dataclass(frozen=True, eq=False)
class FilterLesson(Lesson):
    """Each event yields all its true edges, as many hard fakes and as many easy ones."""

    recipe: Recipe
    detector: Detector
    samples: Sequence[Path]  # training events
    candidates: Sequence[Path]  # their candidate edges, same order
    validation_samples: Sequence[Path]
    validation_candidates: Sequence[Path]

    @property
    def stage(self) -> FilterStage:
        assert self.recipe.filter is not None
        return self.recipe.filter

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.samples) * self.stage.batches_per_event

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation_samples)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        random = generator(self.recipe.seed, "filter", epoch)
        for number in torch.randperm(len(self.samples), generator=random).tolist():
            sample = load_sample(self.samples[number])
            edges = load_edges(self.candidates[number]).edge_index
            yield from self._event(network, sample, edges, random)

    def _event(
        self, network: nn.Module, sample: Sample, edges: Tensor, random: torch.Generator
    ) -> Iterator[Batch]:
        y, weight = edge_truth(sample, edges, self.recipe.truth)
        true = torch.nonzero((y > 0) & (weight > 0)).squeeze(1)
        fakes = torch.nonzero((y == 0) & (weight > 0)).squeeze(1)
        drawn = fakes[torch.randperm(len(fakes), generator=random)[: N_SCORED * len(true)]]
        pool = torch.cat([true, drawn])
        batch = self._batch(sample, edges[:, pool], y[pool], weight[pool])
        is_fake = torch.arange(len(pool)) >= len(true)
        is_hard = is_fake & (self._scores(network, batch) > HARD_SCORE)
        rows = [torch.nonzero(kind).squeeze(1) for kind in (~is_fake, is_hard, is_fake & ~is_hard)]
        chosen = torch.cat([some[: len(true)] for some in rows])
        chosen = chosen[torch.randperm(len(chosen), generator=random)]
        for part in torch.tensor_split(chosen, self.stage.batches_per_event):
            yield _rows(batch, part)

    def _batch(self, sample: Sample, edges: Tensor, y: Tensor, weight: Tensor) -> Batch:
        if self.stage.training.trackml_weights:
            weight = weight * trackml_weights(sample, edges, y)
        edges = edges.long()
        pairs = pair_features(sample.hits, edges, self.detector)
        return Batch(sample.hits.features, edges, pairs, y, weight)

    @torch.no_grad()
    def _scores(self, network: nn.Module, batch: Batch) -> Tensor:
        device = next(network.parameters()).device
        assert batch.edge_attr is not None
        logits: Tensor = network(
            batch.x.to(device), batch.edge_index.to(device), batch.edge_attr.to(device)
        )
        return torch.sigmoid(logits.float()).cpu()

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return weighted_loss(network(batch.x, batch.edge_index, batch.edge_attr), batch)

    def validation_batch(self, number: int) -> Batch:
        sample = load_sample(self.validation_samples[number])
        edges = load_edges(self.validation_candidates[number]).edge_index
        random = generator(self.recipe.seed, "filter-validation", number)
        edges = edges[:, torch.randperm(edges.shape[1], generator=random)[:N_VALIDATION]]
        y, weight = edge_truth(sample, edges, self.recipe.truth)
        return self._batch(sample, edges, y, weight)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = network(batch.x, batch.edge_index, batch.edge_attr).float()
        kept = kept_at_efficiency(logits, batch, self.stage.target_efficiency)
        # The loss on the natural mixture hardly sees the true edges: judge by the edges kept.
        return {"val_loss": kept, "val_auc": auc(logits, batch)}


def _rows(batch: Batch, rows: Tensor) -> Batch:
    """The batch with some of its edges."""
    assert batch.edge_attr is not None
    return batch._replace(
        edge_index=batch.edge_index[:, rows],
        edge_attr=batch.edge_attr[rows],
        y=batch.y[rows],
        weight=batch.weight[rows],
    )


def weighted_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Binary cross entropy averaged by weight, 0 without edges; logits (..., n_edges)."""
    if logits.numel() == 0:
        return logits.sum()
    loss = binary_cross_entropy_with_logits(logits, batch.y.expand_as(logits), reduction="none")
    return (loss * batch.weight).mean() / batch.weight.mean().clamp_min(1e-6)


def kept_at_efficiency(logits: Tensor, batch: Batch, efficiency: float) -> float:
    """Edges above the cut that keeps `efficiency` of the true ones, divided by the true ones."""
    true = logits[(batch.y > 0) & (batch.weight > 0)]
    if len(true) == 0:
        return 0.0
    cut = torch.quantile(true, 1 - efficiency) if len(true) < 2**24 else true.median()
    return float((logits[batch.weight > 0] >= cut).sum() / len(true))


def auc(logits: Tensor, batch: Batch) -> float:
    """Area under the ROC curve of the edges that are not neutral."""
    counted = batch.weight > 0
    scores, y = logits[counted], batch.y[counted] > 0
    order = torch.argsort(scores)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(1, len(order) + 1, device=order.device)
    n_true, n_fake = int(y.sum()), int((~y).sum())
    if n_true == 0 or n_fake == 0:
        return 1.0
    return (float(rank[y].double().sum()) - n_true * (n_true + 1) / 2) / (n_true * n_fake)
