"""What the filter is taught: true edges, and fakes as hard as they come."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.trained import tiny_recipe
from tests.training.lessons import Fixed, Material, joined, make_material, pairs_of

from hitgraph.event.event import Event
from hitgraph.graph.filter.lesson import HARD_SCORE
from hitgraph.lessons.samples import Sample, edge_truth, load_sample, make_sample, save_sample
from hitgraph.pairs import pair_features


def test_an_epoch_of_the_filter_shows_all_true_edges_and_as_many_hard_and_easy_fakes(
    material: Material,
) -> None:
    """arXiv 2103.06995, section 5.2."""
    lesson = material.filter_lesson(tiny_recipe())
    network = Fixed()
    batches = list(lesson.batches(network, epoch=0))
    assert len(batches) == lesson.n_batches == 8
    seen = []
    for place in (0, 4):
        batch = joined(batches[place : place + 4])
        number = material.event_of(batch)
        seen.append(number)
        sample = load_sample(material.samples[number])
        truth = {pair for pair in _all_same(sample) if pair in _candidates(material, number)}
        assert pairs_of(batch, batch.y > 0) == truth
        assert int((batch.y > 0).sum()) == len(truth)
        fakes = batch.y == 0
        assert len(pairs_of(batch, fakes)) == int(fakes.sum())  # each once
        assert batch.edge_attr is not None
        scores = torch.sigmoid(network(batch.x, batch.edge_index, batch.edge_attr))
        n_hard = int((fakes & (scores > HARD_SCORE)).sum())
        n_easy = int((fakes & (scores <= HARD_SCORE)).sum())
        assert 0 < n_hard <= len(truth)
        assert n_easy == len(truth)  # there are many more
        assert bool((batch.weight == 1).all())
    assert sorted(seen) == [0, 1]


def test_batches_that_are_not_balanced_are_a_sample_of_all_candidates(material: Material) -> None:
    """As many as of balanced ones; no pair twice, true ones no more often than by chance."""
    lesson = material.filter_lesson(tiny_recipe(filter__balanced=False))
    seen = []
    for epoch in range(10):
        batches = list(lesson.batches(Fixed(), epoch))
        assert len(batches) == lesson.n_batches == 8
        for batch in (joined(batches[:4]), joined(batches[4:])):
            assert len(pairs_of(batch, batch.y >= 0)) == len(batch.y)
            number = material.event_of(batch)
            sample, state = material.read(number)
            y, weight = edge_truth(sample, state.graph(), lesson.truth)
            n_true = int(((y > 0) & (weight > 0)).sum())
            assert len(batch.y) == min(3 * n_true, int((weight > 0).sum()))
            share = n_true / int((weight > 0).sum())
            seen.append((float(batch.y.sum()), share * len(batch.y)))
    found, expected = (sum(column) for column in zip(*seen, strict=True))
    assert abs(found - expected) < 5 * math.sqrt(expected)
    assert len(set(seen)) > 1


@pytest.mark.parametrize("bound", [HARD_SCORE, 0.8])
def test_hard_fakes_are_those_that_score_above_the_bound(
    material: Material, monkeypatch: pytest.MonkeyPatch, bound: float
) -> None:
    """Where all fakes are looked at, every hard one is shown, as long as there is room."""
    monkeypatch.setattr("hitgraph.graph.filter.lesson.N_SCORED", 1000)
    monkeypatch.setattr("hitgraph.graph.filter.lesson.HARD_SCORE", bound)
    lesson = material.filter_lesson(tiny_recipe())
    batch = joined(list(lesson.batches(Fixed(), 0))[:4])
    number = material.event_of(batch)
    sample, edges = load_sample(material.samples[number]), material.read(number).state.graph()
    y, _ = edge_truth(sample, edges, lesson.truth)
    features = pair_features(sample.hits, edges, material.detector)
    score = torch.sigmoid(Fixed()(sample.hits.features, edges, features))
    all_hard = set(map(tuple, edges[:, (y == 0) & (score > bound)].T.tolist()))
    assert batch.edge_attr is not None
    shown = torch.sigmoid(Fixed()(batch.x, batch.edge_index, batch.edge_attr)) > bound
    hard = pairs_of(batch, (batch.y == 0) & shown)
    assert hard <= all_hard
    room = int((y > 0).sum())
    assert len(hard) == min(room, len(all_hard)) > 0
    assert (len(all_hard) < room) == (bound == 0.8)  # there is room for all, and there is none


def _candidates(material: Material, number: int) -> set[tuple[int, int]]:
    return set(map(tuple, material.read(number).state.graph().T.tolist()))


def _all_same(sample: Sample) -> set[tuple[int, int]]:
    """Pairs of one particle, inner layer first."""
    found = set()
    for i in range(len(sample.hits)):
        for j in range(len(sample.hits)):
            same = sample.particle_id[i] == sample.particle_id[j] != 0
            if same and sample.hits.layer[i] < sample.hits.layer[j]:
                found.add((i, j))
    return found


@pytest.mark.parametrize(("skip_edges", "share"), [("true", 6), ("neutral", 3), ("fake", 3)])
def test_neutral_edges_are_not_shown_to_the_filter(
    material: Material, skip_edges: str, share: int
) -> None:
    """Four hits a particle: three edges between neighbours, three that skip some."""
    lesson = material.filter_lesson(tiny_recipe(truth__skip_edges=skip_edges))
    batches = list(lesson.batches(Fixed(), 0))
    assert sum(int((batch.y > 0).sum()) for batch in batches) == 2 * 8 * share
    assert all(bool((batch.weight > 0).all()) for batch in batches)
    if skip_edges != "fake":
        shown = joined(batches[:4])
        fakes = pairs_of(shown, shown.y == 0)
        assert not fakes & _all_same(load_sample(material.samples[material.event_of(shown)]))


def test_no_edge_of_particles_that_are_no_target_is_shown(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    event = make_event(n_particles=8, n_noise=0, seed=3)
    recipe = tiny_recipe(truth__min_pt=1.5, truth__skip_edges="fake")
    material = make_material([event], tmp_path)
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, recipe.truth)
    save_sample(sample, material.samples[0])
    assert bool(sample.target.any())
    assert not bool(sample.target.all())
    batch = joined(list(material.filter_lesson(recipe).batches(Fixed(), 0)))
    other = sample.particle_id[batch.edge_index]
    same = other[0] == other[1]
    assert bool(sample.target[batch.edge_index[0][same]].all())


def test_weights_of_equation_4_reach_the_loss(material: Material) -> None:
    recipe = tiny_recipe(filter__training__trackml_weights=True)
    lesson = material.filter_lesson(recipe)
    batch = joined(list(lesson.batches(Fixed(), 0))[:4])
    weight = load_sample(material.samples[material.event_of(batch)]).weight
    mean = weight[batch.edge_index].mean(0)
    expected = torch.where(batch.y > 0, mean, torch.ones_like(mean))
    torch.testing.assert_close(batch.weight, expected)
