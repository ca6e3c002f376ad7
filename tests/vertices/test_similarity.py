"""The learnt finder: pairs of tracks, what it is taught with, and the vertices of its groups."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hitgraph.event.fits import FittedTracks
from hitgraph.event.truth import COLLISION_BITS
from hitgraph.tracks.components import ComponentsSettings
from hitgraph.tracks.contraction import ContractionSettings
from hitgraph.tracks.dbscan import DbscanSettings
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.vertices.beam import TrackCuts, beam_tracks
from hitgraph.tracks.vertices.lesson import SimilarityLesson, pairs_to_teach, share_found
from hitgraph.tracks.vertices.similarity import (
    REACH,
    Similarity,
    SimilaritySettings,
    SimilarTracks,
    pairs_of,
    track_columns,
)
from hitgraph.tracks.vertices.stage import VertexStage

from .conftest import Maker

CUTS = TrackCuts()
PLACES = {-2.0: 12, 0.0: 20, 1.0: 9, 4.0: 7}
LABELLERS = (
    ContractionSettings(min_hits=2, max_hits=1000),
    ComponentsSettings(min_hits=2),
    DbscanSettings(min_hits=2),
)


def lesson_event(fits: FittedTracks, size: int) -> dict[str, torch.Tensor]:
    """What is taught by tracks of which `size` in a row are of one collision."""
    particle = (1 + np.arange(len(fits) + 1) // size) << COLLISION_BITS
    return pairs_to_teach(
        beam_tracks(replace(fits, track_id=fits.track_id - 1), CUTS), torch.from_numpy(particle)
    )


@pytest.fixture(scope="module")
def network(tracks_from: Maker) -> Similarity:
    """Taught on vertices of ten tracks, a few errors of z0 apart."""
    events = []
    for seed in range(4):
        places = np.cumsum(np.random.default_rng(seed).uniform(0.2, 3, 20))
        fits = tracks_from(dict.fromkeys(places.tolist(), 10), error=0.2, seed=seed)
        events.append(lesson_event(fits, 10))
    torch.manual_seed(0)
    network = Similarity(SimilaritySettings(hidden=16))
    network.of_tracks.learn(torch.cat([event["tracks"] for event in events]))
    network.of_pairs.learn(torch.cat([event["columns"] for event in events]))
    lesson = SimilarityLesson(1, events, events[:1], pairs_per_event=2000)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for epoch in range(20):
        for batch in lesson.batches(network, epoch):
            optimiser.zero_grad()
            lesson.loss(network, batch).backward()
            optimiser.step()
    return network.eval()


def test_pairs_are_those_within_four_errors(tracks_from: Maker) -> None:
    tracks = beam_tracks(tracks_from(PLACES, error=0.3), CUTS)
    pull = np.abs(tracks.z0[:, None] - tracks.z0) / np.hypot(tracks.error[:, None], tracks.error)
    near = (pull <= REACH) & ~np.eye(len(tracks), dtype=bool)
    pairs, columns = pairs_of(tracks)
    assert pairs.shape[1] == near.sum() // 2 == len({frozenset(pair) for pair in pairs.T.tolist()})
    np.testing.assert_allclose(pull[tuple(pairs.numpy())], columns[:, 0], rtol=1e-5)


def test_where_on_the_beam_line_and_in_which_direction_does_not_matter(tracks_from: Maker) -> None:
    fits = tracks_from(PLACES, error=0.3)
    moved = fits.parameters + np.array([0, 64.0, 1.0, 0, 0])  # binary, so that rounding is alike
    tracks, others = (beam_tracks(one, CUTS) for one in (fits, replace(fits, parameters=moved)))
    torch.testing.assert_close(track_columns(tracks), track_columns(others))
    (pairs, columns), (other_pairs, other_columns) = pairs_of(tracks), pairs_of(others)
    assert torch.equal(pairs, other_pairs)
    torch.testing.assert_close(columns, other_columns, rtol=0, atol=0.02)  # a grid of 0.05 mm


def test_pairs_of_one_collision_are_the_same(tracks_from: Maker) -> None:
    event = lesson_event(tracks_from({0.0: 6}), 3)
    one, other = event["pairs"]
    assert len(event["same"]) > 0
    assert torch.equal(event["same"] > 0, one // 3 == other // 3)


def test_tracks_of_noise_are_of_no_vertex(tracks_from: Maker) -> None:
    tracks = beam_tracks(tracks_from({0.0: 6}), CUTS)
    assert not pairs_to_teach(tracks, torch.zeros(7, dtype=torch.int64))["same"].any()


def test_an_epoch_takes_at_most_so_many_pairs_of_an_event(tracks_from: Maker) -> None:
    event = lesson_event(tracks_from({0.0: 30}), 30)
    lesson = SimilarityLesson(1, [event], [event], pairs_per_event=100)
    (batch,) = lesson.batches(Similarity(SimilaritySettings()), 0)
    assert len(batch.y) == 100 < len(event["same"])
    everything = replace(lesson, pairs_per_event=10**6)
    whole = list(everything.batches(Similarity(SimilaritySettings()), 0))
    assert len(whole) == everything.n_batches
    assert sum(len(one.y) for one in whole) == len(event["same"])


@pytest.mark.parametrize(
    ("vertex", "share"),
    [
        ([0, 0, 1, 1], 1.0),
        ([0, 0, 0, 0], 2 / 3),  # one of two collisions, one of one vertices
        ([0, 0, 1, 2], 4 / 5),  # a collision in two vertices
        ([-1, -1, -1, -1], 0.0),
    ],
)
def test_the_share_found_counts_collisions_and_vertices(vertex: list[int], share: float) -> None:
    particle = np.array([1, 1, 2, 2]) << COLLISION_BITS
    assert share_found(np.array(vertex), particle) == pytest.approx(share)


def test_nothing_to_find_has_no_share() -> None:
    assert np.isnan(share_found(np.array([-1]), np.array([0])))


@pytest.mark.parametrize("labeller", LABELLERS, ids=lambda one: type(one).__name__)
def test_groups_of_a_labeller_are_the_vertices(
    network: Similarity, tracks_from: Maker, labeller: TrackSettings
) -> None:
    stage = VertexStage(SimilarTracks(network, labeller), CUTS)
    fits = tracks_from({-5.0: 10, 0.0: 10, 5.0: 10}, error=0.1, seed=99)
    found = stage.vertices(beam_tracks(fits, CUTS))
    np.testing.assert_allclose(found.z, [-5, 0, 5], atol=0.2)
    true = np.repeat([0, 1, 2], 10)
    assert (found.vertex == true[found.track_id - 1]).all()


def test_it_tells_near_vertices_apart(network: Similarity, tracks_from: Maker) -> None:
    """A millimetre and a half apart, where tracks are known to 0.2."""
    event = lesson_event(tracks_from(dict.fromkeys([0.0, 1.5, 3.0], 10), 0.2, seed=99), 10)
    lesson = SimilarityLesson(1, [event], [event], 1000)
    with torch.inference_mode():
        assert lesson.measure(network, lesson.validation_batch(0))["val_accuracy"] > 0.8


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_tracks_have_no_vertex(network: Similarity, tracks_from: Maker, count: int) -> None:
    stage = VertexStage(SimilarTracks(network, LABELLERS[0]), CUTS)
    assert len(stage.vertices(beam_tracks(tracks_from({0.0: count}), CUTS))) == 0
