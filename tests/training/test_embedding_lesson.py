"""What the embedding is taught: pairs that attract and repel, and its radius."""

import math

import numpy as np
import pytest
import torch
from tests.trained import RADIUS, tiny_recipe
from tests.training.lessons import Material, pairs_of

from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings
from hitgraph.graph.radius.lesson import MARGIN, N_HARD, N_RANDOM, radius_at_efficiency
from hitgraph.hits import FEATURES
from hitgraph.lessons.lesson import Batch
from hitgraph.lessons.samples import Sample, load_sample


def test_an_epoch_of_the_embedding_shows_all_true_edges_then_hard_negatives(
    material: Material,
) -> None:
    recipe = tiny_recipe(graph=RADIUS | {"random_epochs": 1})
    lesson = material.embedding_lesson(recipe)
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    network.learn_inputs(load_sample(material.samples[0]).hits.features)
    n_negative = []
    for epoch in (0, 1):
        batches = list(lesson.batches(network, epoch))
        assert len(batches) == lesson.n_batches == 2
        n_true = sum(int((batch.y > 0).sum()) for batch in batches)
        assert n_true == 2 * 8 * 3  # three edges between the four hits of each particle
        n_negative.append(sum(int((batch.y == 0).sum()) for batch in batches))
    assert n_negative[0] <= N_RANDOM * n_true
    assert n_negative[0] < n_negative[1] <= (N_RANDOM + N_HARD) * n_true


def test_the_sectors_of_an_epoch_have_each_hit_once(material: Material) -> None:
    """And the true edges with both ends in them."""
    n_sectors = 4
    lesson = material.embedding_lesson(tiny_recipe(graph=RADIUS | {"sectors": n_sectors}))
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    batches = list(lesson.batches(network, 0))
    assert len(batches) == lesson.n_batches == n_sectors * len(material.samples)
    rows = torch.cat([batch.x for batch in batches])
    samples = [load_sample(path) for path in material.samples]
    features = torch.cat([sample.hits.take(FEATURES) for sample in samples])
    assert len(rows) == len(features)
    assert torch.equal(rows.unique(dim=0), features.unique(dim=0))
    n_true = sum(sample.true_edges.shape[1] for sample in samples)
    assert 0 < sum(int((batch.y > 0).sum()) for batch in batches) <= n_true
    for batch in batches:
        turn = batch.x[:, FEATURES.index("phi")].sort().values
        gap = torch.diff(turn, append=turn[:1] + 2 * math.pi).max()
        assert float(gap) > 2 * math.pi * (1 - 1 / n_sectors) - 1e-4


def test_all_pairs_of_a_track_are_true_where_the_recipe_says_so(material: Material) -> None:
    recipe = tiny_recipe(graph=RADIUS | {"true_pairs": "track"})
    lesson = material.embedding_lesson(recipe)
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    for batch in lesson.batches(network, 0):
        sample = load_sample(material.samples[material.event_of(batch)])
        hits = range(len(sample.hits))
        same = {(i, j) for i in hits for j in hits if i < j and _of_one(sample, i, j)}
        assert pairs_of(batch, batch.y > 0) == same
        assert int((batch.y > 0).sum()) == len(same) == 8 * 6  # of four hits of each particle
        assert not pairs_of(batch, batch.y == 0) & same


def _of_one(sample: Sample, i: int, j: int) -> bool:
    return bool(sample.target[i]) and bool(sample.particle_id[i] == sample.particle_id[j])


def test_most_mined_pairs_lie_within_the_margin(material: Material) -> None:
    """Random pairs of an untrained network lie anywhere, mined ones where the loss pushes."""
    lesson = material.embedding_lesson(tiny_recipe(graph=RADIUS | {"random_epochs": 0}))
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    with torch.no_grad():
        network.layers[-1].weight *= 20  # spread the hits out
    sample = load_sample(material.samples[0])
    random = torch.Generator().manual_seed(0)
    latents = network(sample.hits.features).detach()
    mined = lesson._batch(network, sample, True, random)
    plain = lesson._batch(network, sample, False, random)

    def share(batch: Batch) -> float:
        ends = latents[batch.edge_index[:, batch.y == 0]]
        return float(((ends[0] - ends[1]).norm(dim=1) < MARGIN).float().mean())

    assert share(mined) > 2 * share(plain)


@pytest.mark.parametrize(("skip_edges", "weight"), [("true", 0.0), ("neutral", 0.0), ("fake", 1.0)])
def test_other_pairs_of_a_particle_repel_only_if_the_recipe_says_so(
    material: Material, skip_edges: str, weight: float
) -> None:
    recipe = tiny_recipe(graph=RADIUS, truth__skip_edges=skip_edges)
    lesson = material.embedding_lesson(recipe)
    sample = load_sample(material.samples[0])
    chain = sample.true_edges[:, :1]
    onward = sample.true_edges[:, sample.true_edges[0] == chain[1, 0]]
    pairs = torch.cat([chain, torch.stack([chain[0], onward[1]])], dim=1)  # an edge, a skip
    batch = lesson._labelled(sample, pairs, torch.tensor([True, False]))
    assert batch.y.tolist() == [1.0, 0.0]
    assert batch.weight.tolist() == [1.0, weight]


def test_the_radius_holds_the_wanted_share_of_true_edges(material: Material) -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    distances = []
    for path in material.samples:
        sample = load_sample(path)
        ends = network(sample.hits.features).detach()[sample.true_edges]
        distances.append((ends[0] - ends[1]).norm(dim=1))
    distance = torch.cat(distances)
    for efficiency in (0.5, 0.9, 1.0):
        radius = radius_at_efficiency(network, material.reads, efficiency)
        share = float((distance <= radius * (1 + 1e-6)).float().mean())
        assert share == pytest.approx(efficiency, abs=1.01 / len(distance))


def test_the_embedding_is_judged_by_neighbours_a_hit_at_that_radius(material: Material) -> None:
    lesson = material.embedding_lesson(tiny_recipe(graph=RADIUS))
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    with torch.no_grad():
        measured = lesson.measure(network, lesson.validation_batch(0))
    latents = network(load_sample(material.samples[0]).hits.features).detach().numpy()
    distance = np.linalg.norm(latents[:, None] - latents[None, :], axis=2)
    near = (distance <= measured["val_radius"]).sum(1).mean()
    assert measured["val_loss"] == pytest.approx(near, rel=0.02)
