"""Teaching the filter on balanced batches (arXiv 2103.06995, section 5.2), or as edges come."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from hitgraph.event.detector import Detector
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.losses import auc, kept_at_efficiency, weighted_loss
from hitgraph.lessons.material import Read
from hitgraph.lessons.samples import Sample, edge_truth, trackml_weights
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TrainingSettings, TruthSettings
from hitgraph.lessons.teacher import Teacher
from hitgraph.pairs import pair_columns

if TYPE_CHECKING:
    from hitgraph.graph.filter.stage import FilterStageSettings

N_KINDS = 3  # of edges in a balanced batch: true, hard, easy
N_SCORED = 4  # fakes scored in search of hard ones, as a multiple of the true edges
HARD_SCORE = 0.1  # a fake that scores above is hard
N_VALIDATION = 400_000  # candidate edges looked at in each validation event


class CandidateSettings(Protocol):
    """What a lesson on candidate edges asks of the settings of its stage."""

    @property
    def training(self) -> TrainingSettings: ...

    @property
    def target_efficiency(self) -> float: ...

    @property
    def batches_per_event(self) -> int: ...

    @property
    def balanced(self) -> bool: ...


@dataclass(frozen=True, eq=False)
class CandidateLesson(Lesson):
    """Each event yields all its true edges, as many hard fakes and as many easy ones.

    Where the batches are not balanced, it yields as many edges, drawn from all of them.
    """

    stage: CandidateSettings
    truth: TruthSettings
    seed: int
    train: Sequence[Read]  # events with candidate edges
    validation: Sequence[Read]
    teacher: Teacher

    @abstractmethod
    def inputs(self, sample: Sample, edges: Tensor) -> tuple[Tensor, Tensor]:
        """(n_hits, n) and (n_edges, m): what the network sees of hits and edges (2, n_edges)."""

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.train) * self.stage.batches_per_event

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        random = generator(self.seed, "filter", epoch)
        for number in torch.randperm(len(self.train), generator=random).tolist():
            sample, state = self.train[number]()
            yield from self._event(network, sample, state.graph(), random)

    def _event(
        self, network: nn.Module, sample: Sample, edges: Tensor, random: torch.Generator
    ) -> Iterator[Batch]:
        choose = self._balanced if self.stage.balanced else self._as_they_come
        batch, chosen = choose(network, sample, edges, random)
        batch = batch._replace(y=self.teacher.soften(sample, batch.edge_index, batch.y))
        chosen = chosen[torch.randperm(len(chosen), generator=random)]
        for part in torch.tensor_split(chosen, self.stage.batches_per_event):
            yield _rows(batch, part)

    def _balanced(
        self, network: nn.Module, sample: Sample, edges: Tensor, random: torch.Generator
    ) -> tuple[Batch, Tensor]:
        """Edges, and the rows of those to train on."""
        y, weight = edge_truth(sample, edges, self.truth)
        true = torch.nonzero((y > 0) & (weight > 0)).squeeze(1)
        fakes = torch.nonzero((y == 0) & (weight > 0)).squeeze(1)
        drawn = fakes[torch.randperm(len(fakes), generator=random)[: N_SCORED * len(true)]]
        pool = torch.cat([true, drawn])
        batch = self._batch(sample, edges[:, pool], y[pool], weight[pool])
        is_fake = torch.arange(len(pool)) >= len(true)
        is_hard = is_fake & (self._scores(network, batch) > HARD_SCORE)
        rows = [torch.nonzero(kind).squeeze(1) for kind in (~is_fake, is_hard, is_fake & ~is_hard)]
        return batch, torch.cat([some[: len(true)] for some in rows])

    def _as_they_come(
        self,
        network: nn.Module,  # noqa: ARG002
        sample: Sample,
        edges: Tensor,
        random: torch.Generator,
    ) -> tuple[Batch, Tensor]:
        """As many edges as balanced ones have at most, and all their rows."""
        y, weight = edge_truth(sample, edges, self.truth)
        counted = torch.nonzero(weight > 0).squeeze(1)
        most = N_KINDS * int(((y > 0) & (weight > 0)).sum())
        drawn = counted[torch.randperm(len(counted), generator=random)[:most]]
        batch = self._batch(sample, edges[:, drawn], y[drawn], weight[drawn])
        return batch, torch.arange(len(drawn))

    def _batch(self, sample: Sample, edges: Tensor, y: Tensor, weight: Tensor) -> Batch:
        if self.stage.training.trackml_weights:
            weight = weight * trackml_weights(sample, edges, y)
        edges = edges.long()
        x, attributes = self.inputs(sample, edges)
        return Batch(x, edges, attributes, y, weight)

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
        sample, state = self.validation[number]()
        edges = state.graph()
        random = generator(self.seed, "filter-validation", number)
        edges = edges[:, torch.randperm(edges.shape[1], generator=random)[:N_VALIDATION]]
        y, weight = edge_truth(sample, edges, self.truth)
        return self._batch(sample, edges, y, weight)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = network(batch.x, batch.edge_index, batch.edge_attr).float()
        kept = kept_at_efficiency(logits, batch, self.stage.target_efficiency)
        # The loss on the natural mixture hardly sees the true edges: judge by the edges kept.
        return {"val_loss": kept, "val_auc": auc(logits, batch)}


@dataclass(frozen=True, eq=False)
class FilterLesson(CandidateLesson):
    """That of the filter, which sees columns of hits and of pairs."""

    stage: "FilterStageSettings"
    detector: Detector

    def inputs(self, sample: Sample, edges: Tensor) -> tuple[Tensor, Tensor]:
        pairs = pair_columns(sample.hits, edges, self.detector, self.stage.pair_inputs)
        return sample.hits.take(self.stage.hit_inputs), pairs


def _rows(batch: Batch, rows: Tensor) -> Batch:
    """The batch with some of its edges."""
    assert batch.edge_attr is not None
    return batch._replace(
        edge_index=batch.edge_index[:, rows],
        edge_attr=batch.edge_attr[rows],
        y=batch.y[rows],
        weight=batch.weight[rows],
    )
