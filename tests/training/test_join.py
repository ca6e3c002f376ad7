"""The join stage: which pairs are true, and a training that ends with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.trained import tiny_recipe, train_quietly, write_store

from hitgraph.evaluation.matching import match_tracks
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.hits import hits_from_event
from hitgraph.pipeline import Pipeline
from hitgraph.tracks.join import JoinNetwork, JoinSettings
from hitgraph.tracks.join.lesson import (
    FAKES_PER_TRUE,
    JoinLesson,
    TaughtPairs,
    are_parts_of_one,
)
from hitgraph.tracks.parts import JOIN_FEATURES
from hitgraph.training.train import train

JOIN = {
    "use": "join",
    "network": {"hidden": 8, "layers": 1, "score_cut": 0.5},
    "training": {"epochs": 3, "learning_rate": 0.02},
}


def test_two_tracks_of_one_particle_are_a_true_pair_noise_never_is(tiny_event: Event) -> None:
    assert tiny_event.truth is not None
    particle = tiny_event.truth.particle_id
    ids = [one for one in np.unique(particle) if one != 0][:2]
    labels = np.full(len(particle), -1, np.int64)
    first, second = np.flatnonzero(particle == ids[0]), np.flatnonzero(particle == ids[1])
    noise = np.flatnonzero(particle == 0)
    labels[first[:2]], labels[first[2:]], labels[second] = 0, 1, 2
    labels[noise[:1]], labels[noise[1:2]] = 3, 4
    one, other = torch.tensor([0, 0, 1, 3]), torch.tensor([1, 2, 2, 4])
    wanted = [True, False, False, False]
    majority = torch.from_numpy(match_tracks(particle, labels).particle_id)
    assert are_parts_of_one(majority, one, other).tolist() == wanted


def test_steps_hold_every_true_pair_once_and_many_times_as_many_others() -> None:
    recipe = tiny_recipe(join=JOIN)
    is_true = torch.zeros(30000, dtype=torch.bool)
    is_true[:1000] = True
    features = torch.arange(30000.0)[:, None].repeat(1, 2)
    pairs = TaughtPairs(features, torch.full((30000,), 0.5), is_true)
    lesson = JoinLesson(0.5, recipe.seed, pairs, pairs)
    network = JoinNetwork(JoinSettings(hidden=2, layers=1))
    batches = list(lesson.batches(network, 0))
    assert len(batches) == lesson.n_batches
    x = torch.cat([batch.x[:, 0] for batch in batches])
    y = torch.cat([batch.y for batch in batches])
    assert sorted(x[y > 0].tolist()) == list(range(1000))
    assert int((y == 0).sum()) == FAKES_PER_TRUE * 1000
    assert x.unique().numel() == len(x)
    assert all((batch.x[:, -1] == 0.5).all() for batch in batches)


def test_a_denser_event_asks_for_better_pairs() -> None:
    """The odds of a pair go as one over the density: logits are learnt with that taken off."""
    network = JoinNetwork(JoinSettings(hidden=2, layers=1))
    features = torch.randn(40, len(JOIN_FEATURES), generator=torch.Generator().manual_seed(1))
    is_true = torch.arange(40) % 2 == 0
    for shift in (-1.0, 0.0, 2.0):
        pairs = TaughtPairs(features, torch.full((40,), shift), is_true)
        lesson = JoinLesson(0.5, 1, pairs, pairs)
        logits = network(features) - shift
        expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, is_true.float())
        loss = lesson.loss(network, lesson.validation_batch(0))
        assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)


def test_a_recipe_with_join_trains_runs_and_is_read_back(tiny_store: Path, tmp_path: Path) -> None:
    # A strict network cut breaks tracks into parts of few hits, down to one.
    recipe = tiny_recipe(join=JOIN, tracks__min_hits=1, gnn__target_efficiency=0.3)
    training = train_quietly(recipe, tiny_store, tmp_path)
    assert {"val_loss", "val_efficiency"} <= training.stages["join"].keys()  # not left out
    pipeline = Pipeline.load(tmp_path)
    event = list_events([tiny_store])[-1].read()
    result = pipeline.run(event)
    assert [stage.name for stage in result.stages][-2:] == ["tracks", "join"]
    np.testing.assert_array_equal(result.labels, training.pipeline.run(event).labels)
    sizes = np.bincount(result.labels[result.labels >= 0])
    assert len(sizes) > 0
    assert sizes.min() >= 3
    module = hits_from_event(event, pipeline.detector).module.numpy()
    for track in range(len(sizes)):
        on = module[result.labels == track]
        assert len(np.unique(on)) == len(on)


def test_validation_events_without_anything_to_join_leave_the_stage_out(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    events = [make_event(n_particles=20, n_noise=10, seed=seed) for seed in range(3)]
    events += [make_event(n_particles=1, n_noise=0, seed=seed) for seed in range(3, 5)]
    store = write_store(tmp_path / "store", events)
    recipe = tiny_recipe(join=JOIN, tracks__min_hits=4, gnn__target_efficiency=0.3)
    said: list[str] = []
    training = train(recipe, list_events([store]), tmp_path / "out", quiet=True, report=said.append)
    assert any("join: left out, because" in line for line in said)
    assert "score_cut" not in training.stages["join"]
    event = list_events([store])[0].read()
    result = Pipeline.load(tmp_path / "out").run(event, keep=["tracks"])
    before = result.kept["tracks"].labels
    assert before is not None
    np.testing.assert_array_equal(result.labels, before)
