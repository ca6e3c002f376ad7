"""The learnt finder: taught on tracks of known vertices, written, read, and its pairs."""

from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import InputError, SettingsError
from hitgraph.vertices.finders import finder_of
from hitgraph.vertices.similarity import REACH, Similarity, pairs_of, write_similarity
from hitgraph.vertices.teach import accuracy, teach
from hitgraph.vertices.tracks import TrackCuts, beam_tracks

from .conftest import Maker

CUTS = TrackCuts()
PLACES = {-2.0: 12, 0.0: 20, 1.0: 9, 4.0: 7}


@pytest.fixture(scope="module")
def network(tracks_from: Maker) -> Similarity:
    """Taught on vertices of ten tracks, a few errors of z0 apart."""
    events = []
    for seed in range(4):
        places = np.cumsum(np.random.default_rng(seed).uniform(0.2, 3, 20))
        fits = tracks_from(dict.fromkeys(places.tolist(), 10), error=0.2, seed=seed)
        tracks = beam_tracks(fits, CUTS)
        events.append((tracks, 1 + (tracks.track_id - 1) // 10))
    return teach(events, steps=150)


def test_pairs_are_those_within_four_errors(tracks_from: Maker) -> None:
    tracks = beam_tracks(tracks_from(PLACES, error=0.3), CUTS)
    pull = np.abs(tracks.z0[:, None] - tracks.z0) / np.hypot(tracks.error[:, None], tracks.error)
    near = (pull <= REACH) & ~np.eye(len(tracks), dtype=bool)
    pairs, columns = pairs_of(tracks)
    assert pairs.shape[1] == near.sum() // 2 == len({frozenset(pair) for pair in pairs.T.tolist()})
    np.testing.assert_allclose(pull[tuple(pairs)], columns[:, 0], rtol=1e-5)


def test_it_tells_near_vertices_apart(network: Similarity, tracks_from: Maker) -> None:
    fits = tracks_from(dict.fromkeys([0.0, 1.5, 3.0], 10), error=0.2, seed=99)
    tracks = beam_tracks(fits, CUTS)
    assert accuracy(network, (tracks, 1 + (tracks.track_id - 1) // 10)) > 0.8


def test_the_finder_finds_them_from_its_file(
    network: Similarity, tracks_from: Maker, tmp_path: Path
) -> None:
    write_similarity(network, tmp_path / "network")
    finder = finder_of("learnt", tmp_path / "network")
    found = finder(tracks_from(PLACES, error=0.05), CUTS)
    np.testing.assert_allclose(found.z, list(PLACES), atol=0.15)
    for count in (0, 1):
        assert len(finder(tracks_from({0.0: count}), CUTS)) == 0


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="is no network that benchmarks/vertex_similarity"):
        finder_of("learnt", path)


@pytest.mark.parametrize(("name", "model"), [("learnt", None), ("stacking", Path("network"))])
def test_a_model_goes_with_the_learnt_finder_only(name: str, model: Path | None) -> None:
    with pytest.raises(SettingsError, match="--model: names the network of --finder learnt"):
        finder_of(name, model)
