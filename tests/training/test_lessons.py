"""What all lessons have in common."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.trained import RADIUS, tiny_recipe
from tests.training.lessons import Fixed, Material, make_material

from hitgraph.event.event import Event
from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings
from hitgraph.hits import FEATURES


@pytest.mark.parametrize("kind", ["filter", "embedding"])
def test_batches_are_a_function_of_seed_and_epoch(material: Material, kind: str) -> None:
    def edges(seed: int, epoch: int) -> list[list[list[int]]]:
        changes = {"graph": RADIUS} if kind == "embedding" else {}
        recipe = tiny_recipe(seed=seed, **changes)
        torch.manual_seed(0)
        if kind == "filter":
            batches = material.filter_lesson(recipe).batches(Fixed(), epoch)
        else:
            network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
            batches = material.embedding_lesson(recipe).batches(network, epoch)
        return [batch.edge_index.tolist() for batch in batches]

    assert edges(1, 0) == edges(1, 0)
    assert edges(1, 0) != edges(1, 1)
    assert edges(1, 0) != edges(2, 0)


def test_an_event_without_true_edges_does_no_harm(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    """An event of noise among the training events: the loss is zero, not NaN."""
    material = make_material([make_event(n_particles=0, n_noise=6)], tmp_path)
    lesson = material.filter_lesson(tiny_recipe())
    network = Fixed()
    batches = list(lesson.batches(network, 0))
    assert len(batches) == lesson.n_batches
    for batch in batches:
        loss = lesson.loss(network, batch)
        loss.backward()
        assert float(loss.detach()) == 0.0
    measured = lesson.measure(network, lesson.validation_batch(0))
    assert all(math.isfinite(value) for value in measured.values())

    embedding = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    other = material.embedding_lesson(tiny_recipe(graph=RADIUS))
    for epoch in (0, 1):
        (batch,) = other.batches(embedding, epoch)
        assert float(other.loss(embedding, batch).detach()) == 0.0
    measured = other.measure(embedding, other.validation_batch(0))
    assert all(math.isfinite(value) for value in measured.values())
