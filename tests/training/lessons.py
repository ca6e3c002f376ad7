"""Events for lessons, and a network that needs no teaching."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tests.trained import tiny_recipe
from torch import Tensor, nn

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.graph.filter.lesson import FilterLesson
from hitgraph.graph.radius.lesson import EmbeddingLesson
from hitgraph.lessons.lesson import Batch
from hitgraph.lessons.material import Example, Read
from hitgraph.lessons.samples import load_sample, load_state, make_sample, save_sample, save_state
from hitgraph.lessons.teacher import Teacher
from hitgraph.pairs import GEOMETRY_FEATURES
from hitgraph.recipe import Recipe
from hitgraph.state import State


@dataclass(frozen=True)
class Material:
    """Two events as files, with all pairs of hits on different layers as candidate edges."""

    detector: Detector
    samples: list[Path]
    candidates: list[Path]

    def read(self, number: int) -> Example:
        sample = load_sample(self.samples[number])
        return Example(sample, load_state(sample.hits, self.candidates[number]))

    @property
    def reads(self) -> list[Read]:
        return [partial(self.read, number) for number in range(len(self.samples))]

    def filter_lesson(self, recipe: Recipe) -> FilterLesson:
        settings: Any = recipe.step("filter").settings
        both = self.reads, self.reads
        return FilterLesson(settings, recipe.truth, recipe.seed, *both, Teacher(), self.detector)

    def event_of(self, batch: Batch) -> int:
        """The number of the event in which the true edges of a batch join hits of a particle."""
        ends = batch.edge_index[:, batch.y > 0]
        particles = [read().sample.particle_id for read in self.reads]
        (number,) = (k for k, one in enumerate(particles) if torch.equal(*one[ends]))
        return number

    def embedding_lesson(self, recipe: Recipe) -> EmbeddingLesson:
        settings: Any = recipe.step("graph").settings
        return EmbeddingLesson(settings, recipe.truth, recipe.seed, self.reads, self.reads)


def make_material(events: list[Event], folder: Path) -> Material:
    samples, candidates = [], []
    detector = events[0].detector
    assert detector is not None
    for event in events:
        sample = make_sample(event, detector, True, tiny_recipe().truth)
        pairs = torch.combinations(torch.arange(len(sample.hits))).T
        layer = sample.hits.layer
        inner_first = torch.where(layer[pairs[0]] < layer[pairs[1]], pairs, pairs.flip(0))
        edges = inner_first[:, layer[pairs[0]] != layer[pairs[1]]]
        samples.append(folder / f"{event.name}-sample")
        candidates.append(folder / f"{event.name}-candidates")
        save_sample(sample, samples[-1])
        save_state(State(sample.hits, edges), candidates[-1])
    return Material(detector, samples, candidates)


class Fixed(nn.Module):
    """A network whose score is a function of the sine of the azimuth difference alone."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, _x: Tensor, _edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        return 2.0 - edge_attr[:, GEOMETRY_FEATURES.index("sin_dphi")].abs() + self.nothing


def pairs_of(batch: Batch, rows: Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, batch.edge_index[:, rows].T.tolist()))


def joined(batches: list[Batch]) -> Batch:
    """The batches of one event as one."""
    first = batches[0]
    assert all(torch.equal(batch.x, first.x) for batch in batches)
    return Batch(
        first.x,
        torch.cat([batch.edge_index for batch in batches], dim=1),
        torch.cat([batch.edge_attr for batch in batches if batch.edge_attr is not None]),
        torch.cat([batch.y for batch in batches]),
        torch.cat([batch.weight for batch in batches]),
    )


def labelled(y: list[float], weight: list[float] | None = None) -> Batch:
    n_edges = len(y)
    return Batch(
        torch.zeros(2, 1),
        torch.zeros(2, n_edges, dtype=torch.int64),
        torch.zeros(n_edges, 1),
        torch.tensor(y),
        torch.ones(n_edges) if weight is None else torch.tensor(weight),
    )
