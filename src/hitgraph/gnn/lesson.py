"""Teaching the graph network on the edges that the filter kept, whole events or phi sectors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from hitgraph.gnn.contract import check_logits, check_network
from hitgraph.hits.columns import Mirror, drawn_mirrors, mirrored
from hitgraph.lessons.cuts import cut_at_efficiency
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.losses import auc, kept_at_efficiency, weighted_loss
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.sectors import drawn_sectors, sector_of
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TrainingSettings, TruthSettings
from hitgraph.lessons.teacher import Teacher
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.pairs import ODD_FEATURES
from hitgraph.stage import NetworkSettings
from hitgraph.state import State

ReadGraph = Callable[[], Mapping[str, Tensor]]


class GraphSettings(Protocol):
    """What a stage with an edge network says of its lesson."""

    @property
    def network(self) -> NetworkSettings: ...
    @property
    def training(self) -> TrainingSettings: ...
    @property
    def target_efficiency(self) -> float: ...
    @property
    def hit_inputs(self) -> tuple[str, ...]: ...
    @property
    def edge_inputs(self) -> tuple[str, ...]: ...
    @property
    def sectors(self) -> int: ...
    @property
    def overlap(self) -> float: ...
    @property
    def reflect(self) -> bool: ...
    @property
    def mirrors(self) -> tuple[Mirror, ...]: ...


class GraphStage(Protocol):
    """What teaching needs of a stage with an edge network."""

    @property
    def network(self) -> EdgeNetwork: ...
    def graph(self, read: Read, truth: TruthSettings) -> Mapping[str, Tensor]: ...
    def logits(self, state: State) -> Tensor: ...


def teach(
    settings: GraphSettings, stage: GraphStage, material: Material, workshop: Workshop
) -> float:
    """Train the network of a stage on what its `graph` makes of each event; the cut of the stage.

    The cut keeps the target efficiency on the validation events. It is recorded beside the figures
    of merit.
    """
    network, teacher = stage.network, workshop.teacher(settings.training)
    train, validation = (
        [
            workshop.cached(f"{kind}-{k}", partial(_graph, stage, read, workshop.truth, taught_by))
            for k, read in enumerate(reads)
        ]
        for kind, reads, taught_by in (
            ("train", material.train, teacher),
            ("validation", material.validation, Teacher()),
        )
    )
    check_network(settings.network, network)
    batch = load_graph(train[0])
    assert batch.edge_attr is not None
    network.learn_inputs(batch.x, batch.edge_attr)
    network.checkpointing = settings.training.checkpointing
    with torch.no_grad():
        logits = network(batch.x, batch.edge_index, batch.edge_attr)
    check_logits(settings.network, logits, batch.y)
    lesson = GraphLesson(settings, workshop.seed, train, validation)
    merit = workshop.fit(network, lesson, settings.training)
    chosen = cut_at_efficiency(
        settings.target_efficiency,
        material.validation,
        lambda state, true: stage.logits(state)[true],
    )
    workshop.record({**merit, "cut": chosen})
    return chosen


def _graph(
    stage: GraphStage, read: Read, truth: TruthSettings, teacher: Teacher
) -> dict[str, Tensor]:
    graph = stage.graph(read, truth)
    y = teacher.soften(read().sample, graph["edge_index"], graph["y"])
    return {**graph, "y": y}


@dataclass(frozen=True, eq=False)
class GraphLesson(Lesson):
    """Batches are graphs cut to a phi sector, each event giving `sectors` of them an epoch."""

    stage: GraphSettings
    seed: int
    graphs: Sequence[ReadGraph]  # of the training events, see NetworkStage.graph
    validation_graphs: Sequence[ReadGraph]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.graphs) * self.stage.sectors

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation_graphs)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        n_sectors, overlap = self.stage.sectors, self.stage.overlap
        random = generator(self.seed, "gnn", epoch)
        for number, sector, start in drawn_sectors(random, len(self.graphs), n_sectors):
            batch = piece(load_graph(self.graphs[number]), start, sector, n_sectors, overlap)
            if self.stage.reflect:
                batch = reflect(batch, self.stage, drawn_mirrors(self.stage.mirrors, random))
            yield batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(network, EdgeNetwork)
        assert batch.edge_attr is not None
        return weighted_loss(network.all_logits(batch.x, batch.edge_index, batch.edge_attr), batch)

    def validation_batch(self, number: int) -> Batch:
        batch = load_graph(self.validation_graphs[number])
        return piece(batch, torch.zeros(()), 0, self.stage.sectors, self.stage.overlap)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = network(batch.x, batch.edge_index, batch.edge_attr).float()
        return {
            "val_loss": float(weighted_loss(logits, batch)),
            "val_auc": auc(logits, batch),
            "val_kept": kept_at_efficiency(logits, batch, self.stage.target_efficiency),
        }


def load_graph(read: ReadGraph) -> Batch:
    """The graph of one event."""
    tensors = read()
    return Batch(
        tensors["x"],
        tensors["edge_index"].long(),
        tensors["edge_attr"],
        tensors["y"].float(),
        tensors["weight"],
        tensors["phi"],
    )


def piece(batch: Batch, start: Tensor, sector: int, n_sectors: int, overlap: float) -> Batch:
    """One of equal phi sectors from `start` (rad) on, and the hits within `overlap` of it (rad).

    With an overlap the edges whose outer hit is in the sector count, so that each counts in one
    sector only, and messages reach it from all that is near.
    """
    if n_sectors == 1:
        return batch
    assert batch.phi is not None
    phi = batch.phi - start
    own = sector_of(phi, n_sectors) == sector
    if not overlap:
        return cut(batch, own)
    seen = own
    for shift in (-overlap, overlap):
        seen = seen | (sector_of(phi + shift, n_sectors) == sector)
    weight = batch.weight * own[batch.edge_index[1]]
    return cut(batch._replace(weight=weight), seen)


def cut(batch: Batch, keep: Tensor) -> Batch:
    """The graph of the hits in `keep` (n_hits,) bool: edges with both ends among them."""
    assert batch.edge_attr is not None
    inside = keep[batch.edge_index[0]] & keep[batch.edge_index[1]]
    number = torch.cumsum(keep, 0) - 1
    return Batch(
        batch.x[keep],
        number[batch.edge_index[:, inside]],
        batch.edge_attr[inside],
        batch.y[inside],
        batch.weight[inside],
        None if batch.phi is None else batch.phi[keep],
    )


def reflect(batch: Batch, stage: GraphSettings, mirrors: Sequence[Mirror]) -> Batch:
    """The image of an event in these mirrors, one after another (hits.columns.mirrored)."""
    assert batch.edge_attr is not None
    signs = torch.ones(len(stage.edge_inputs))
    for mirror in mirrors:
        for k, name in enumerate(stage.edge_inputs):
            signs[k] *= -1 if name in ODD_FEATURES[mirror] else 1
    return batch._replace(
        x=mirrored(batch.x, stage.hit_inputs, mirrors), edge_attr=batch.edge_attr * signs
    )
