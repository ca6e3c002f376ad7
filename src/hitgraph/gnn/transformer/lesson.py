"""Teaching the transformer on phi sectors of events.

The loss adds the binary cross entropies of the hit filter and of first hits, and the mean over the
predictions of the decoder of the losses of candidates (`losses`). In training the first hits of all
objects are among the candidates, whatever the network thinks of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import pi
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.gnn.transformer.losses import candidate_loss
from hitgraph.gnn.transformer.network import Found, TransformerNetwork
from hitgraph.gnn.transformer.sectors import sector_at
from hitgraph.hits.columns import Mirror, drawn_mirrors, mirrored
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.objects import objects_of
from hitgraph.lessons.sectors import drawn_sectors
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.workshop import Workshop

if TYPE_CHECKING:
    from hitgraph.gnn.transformer.stage import TransformerSettings

ReadHits = Callable[[], Mapping[str, Tensor]]
MIRRORS: tuple[Mirror, ...] = ("y", "z")  # phi is 0 in the middle of a sector
NONE = -1  # in place of an object's number


def teach(
    settings: "TransformerSettings",
    network: TransformerNetwork,
    material: Material,
    workshop: Workshop,
) -> dict[str, float]:
    """Train the network; its figures of merit."""
    train, validation = (
        [
            workshop.cached(f"{kind}-{k}", partial(event_hits, settings.hit_inputs, read))
            for k, read in enumerate(reads)
        ]
        for kind, reads in (("train", material.train), ("validation", material.validation))
    )
    network.learn_inputs(train[0]()["x"])
    lesson = TransformerLesson(settings, workshop.seed, train, validation)
    return workshop.fit(network, lesson, settings.training)


def event_hits(names: Sequence[str], read: Read) -> dict[str, Tensor]:
    """What the lesson reads of one event: columns, object and place along it of each hit."""
    sample, state = read()
    owner = objects_of(sample).clamp_min(NONE)
    return {"x": state.hit_columns(names), "owner": owner, "step": sample.step}


@dataclass(frozen=True, eq=False)
class TransformerLesson(Lesson):
    """Batches are phi sectors with margins; y (n_hits,) is the object of each hit, or NONE.

    Their weight (n_hits,) is 1 for the first hit of an object, 0 for the others.
    """

    stage: "TransformerSettings"
    seed: int
    events: Sequence[ReadHits]
    validation_events: Sequence[ReadHits]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.events) * self.stage.sectors

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation_events) * self.stage.sectors

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        n_sectors = self.stage.sectors
        random = generator(self.seed, "transformer", epoch)
        for number, sector, start in drawn_sectors(random, len(self.events), n_sectors):
            centre = float(start) + 2 * pi * sector / n_sectors
            batch = self._batch(self.events[number](), centre)
            if self.stage.reflect:
                mirrors = drawn_mirrors(MIRRORS, random)
                batch = batch._replace(x=mirrored(batch.x, self.stage.hit_inputs, mirrors))
            yield batch

    def validation_batch(self, number: int) -> Batch:
        event, sector = divmod(number, self.stage.sectors)
        centre = 2 * pi * sector / self.stage.sectors
        return self._batch(self.validation_events[event](), centre)

    def _batch(self, event: Mapping[str, Tensor], centre: float) -> Batch:
        stage = self.stage
        half_width = pi / stage.sectors + stage.margin
        sector = sector_at(event["x"], stage.hit_inputs, centre, half_width)
        owner = renumbered(event["owner"][sector.rows], stage.min_hits)
        first = first_hits(owner, event["step"][sector.rows])
        return rows_batch(sector.features, owner, first.float())

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        found = network(batch.x, first=batch.weight > 0)
        return transformer_loss(found, batch.y, batch.weight)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        found = network(batch.x)
        loss = float(transformer_loss(found, batch.y, batch.weight))
        return {"val_loss": loss, "val_found": share_found(found, batch.y)}


def renumbered(owner: Tensor, min_hits: int) -> Tensor:
    """(n_hits,) int64 objects from 0 without gaps; those of fewer hits are NONE."""
    on = owner >= 0
    _, number, size = torch.unique(owner[on], return_inverse=True, return_counts=True)
    enough = size >= min_hits
    new = torch.where(enough, torch.cumsum(enough, 0) - 1, NONE)
    found = torch.full_like(owner, NONE)
    found[on] = new[number]
    return found


def first_hits(owner: Tensor, step: Tensor) -> Tensor:
    """(n_hits,) bool, the hit of each object with the lowest step along its particle."""
    on = owner >= 0
    n_objects = int(owner.max()) + 1 if bool(on.any()) else 0
    lowest = torch.full((n_objects,), 2**31 - 1, dtype=step.dtype)
    lowest.scatter_reduce_(0, owner[on], step[on], "amin")
    first = torch.zeros(len(owner), dtype=torch.bool)
    first[on] = step[on] == lowest[owner[on]]
    return first


def transformer_loss(found: Found, owner: Tensor, first: Tensor) -> Tensor:
    """The loss above of hits with objects (n_hits,) and marks of first hits (n_hits,)."""
    loss = found.signal.sum() * 0  # of a sector without hits
    if len(owner):
        of_object = (owner >= 0).float()
        loss = binary_cross_entropy_with_logits(found.signal, of_object)
        loss = loss + binary_cross_entropy_with_logits(found.first, first)
    wanted = owner[found.begun, None]
    truth = ((owner[found.kept] == wanted) & (wanted >= 0)).float()
    layers = zip(found.tracks, found.masks, strict=True)
    of_candidates = [candidate_loss(*layer, truth) for layer in layers]
    return loss + torch.stack(of_candidates).mean()


def share_found(found: Found, owner: Tensor) -> float:
    """The share of objects (n_hits,) that a candidate matches by double majority."""
    n_objects = int(owner.max()) + 1 if bool((owner >= 0).any()) else 0
    if n_objects == 0:
        return 1.0
    mask = (found.masks[-1][found.tracks[-1] > 0] > 0).float()
    kept = owner[found.kept]
    shared = mask @ (kept[:, None] == torch.arange(n_objects, device=kept.device)).float()
    size = torch.bincount(owner[owner >= 0], minlength=n_objects)
    good = (2 * shared > mask.sum(dim=1)[:, None]) & (2 * shared > size)
    return float(good.any(dim=0).float().mean())
