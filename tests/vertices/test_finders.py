"""What every vertex finder has to hold: known vertices are found, with their tracks."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.tracks.vertices.beam import TrackCuts, beam_tracks
from hitgraph.tracks.vertices.density import track_density
from hitgraph.vertices.finders import Finder, finder_of

from .conftest import Maker

ACTS = importlib.util.find_spec("acts") is not None
needs_acts = pytest.mark.skipif(not ACTS, reason="needs pyacts (extra sim)")
FINDERS = (
    "stacking",
    "imaging",
    pytest.param("amvf", marks=needs_acts),
    pytest.param("iterative", marks=needs_acts),
)
CUTS = TrackCuts()
PLACES = {-40.0: 12, -3.0: 7, 0.0: 20, 25.0: 5}


@pytest.fixture(params=FINDERS, scope="module")
def finder(request: pytest.FixtureRequest) -> Finder:
    return finder_of(request.param)


def test_vertices_far_apart_are_found_with_all_their_tracks(
    finder: Finder, tracks_from: Maker
) -> None:
    fits = tracks_from(PLACES)
    found = finder(fits, CUTS)
    assert len(found) == len(PLACES)
    np.testing.assert_allclose(found.z, list(PLACES), atol=0.15)  # six errors of a vertex of five
    assert (np.abs(found.z - list(PLACES)) < 6 * found.z_error).all()
    assert found.n_tracks.sum() == len(found.track_id) == len(found.vertex)
    assert len(found.track_id) >= 0.9 * len(fits)  # a cut at four errors of d0 costs some
    true = np.repeat(np.arange(len(PLACES)), list(PLACES.values()))
    assert (found.vertex == true[found.track_id - 1]).all()


def test_the_sum_of_pt2_is_that_of_the_tracks(finder: Finder, tracks_from: Maker) -> None:
    fits = tracks_from({10.0: 9})
    found = finder(fits, CUTS)
    pt = np.abs(np.sin(fits.parameters[:, 3]) / fits.parameters[:, 4])
    assert found.sum_pt2 == pytest.approx([(pt[found.track_id - 1] ** 2).sum()])


def test_an_event_without_tracks_has_no_vertex(finder: Finder, tracks_from: Maker) -> None:
    found = finder(tracks_from({}), CUTS)
    assert len(found) == len(found.track_id) == 0


def test_a_single_track_makes_no_vertex(finder: Finder, tracks_from: Maker) -> None:
    found = finder(tracks_from({7.0: 1}), CUTS)
    assert len(found) == len(found.track_id) == 0


def test_vertices_move_with_the_tracks(finder: Finder, tracks_from: Maker) -> None:
    fits = tracks_from(PLACES)
    moved = fits.parameters.copy()
    moved[:, 1] += 20.0
    first, second = finder(fits, CUTS), finder(replace(fits, parameters=moved), CUTS)
    np.testing.assert_allclose(second.z, first.z + 20.0, atol=0.02)
    np.testing.assert_array_equal(second.vertex, first.vertex)


def test_the_order_of_the_tracks_does_not_matter(finder: Finder, tracks_from: Maker) -> None:
    fits = tracks_from(PLACES)
    order = np.random.default_rng(1).permutation(len(fits))
    names = ("track_id", "n_measurements", "chi2", "ndf", "field", "parameters", "covariance")
    mixed = replace(fits, **{name: getattr(fits, name)[order] for name in names})
    first, second = finder(fits, CUTS), finder(mixed, CUTS)
    np.testing.assert_array_equal(first.track_id, second.track_id)
    np.testing.assert_array_equal(first.vertex, second.vertex)


def test_tracks_that_miss_the_beam_line_are_on_no_vertex(
    finder: Finder, tracks_from: Maker
) -> None:
    fits = tracks_from({0.0: 10})
    away = fits.parameters.copy()
    away[:4, 0] = 3.0  # mm
    found = finder(replace(fits, parameters=away), CUTS)
    assert set(found.track_id.tolist()) <= set(range(5, 11))


def test_the_stack_is_a_density_of_tracks(tracks_from: Maker) -> None:
    """Its integral is the number of tracks, but for what lies beyond four errors."""
    place, density = track_density(beam_tracks(tracks_from(PLACES, error=0.4), CUTS))
    assert density.sum() * np.diff(place)[0] == pytest.approx(sum(PLACES.values()), rel=1e-3)


def test_errors_are_those_of_a_mean(tracks_from: Maker) -> None:
    """Sixteen equal tracks straight across the beam: a quarter of the error of one."""
    fits = tracks_from({0.0: 16}, error=0.2)
    across = fits.parameters.copy()
    across[:, 3] = np.pi / 2
    found = finder_of("stacking")(replace(fits, parameters=across), CUTS)
    assert found.z_error == pytest.approx([0.2 / 4])
    assert found.z == pytest.approx([across[:, 1].mean()], abs=1e-3)


def test_pulls_of_the_places_are_honest(tracks_from: Maker) -> None:
    """Hundred vertices of ten tracks each, one at a time."""
    pulls = []
    for seed in range(100):
        found = finder_of("stacking")(tracks_from({5.0: 10}, error=0.3, seed=seed), CUTS)
        pulls.append((found.z[0] - 5.0) / found.z_error[0])
    assert np.std(pulls) == pytest.approx(1, abs=0.25)
    assert abs(np.mean(pulls)) < 0.4


@needs_acts
def test_the_iterative_finder_is_asked_again_without_soft_tracks(
    tracks_from: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that gives nothing where it is given tracks below 0.7 GeV, as where a fit fails."""
    from hitgraph.acts import vertices

    asked = []

    def found(_tracks: object, _algorithm: object, min_pt: float) -> np.ndarray:
        asked.append(min_pt)
        return np.array([7.0] if min_pt >= 0.7 else [])

    monkeypatch.setattr(vertices, "_found", found)
    tracks = beam_tracks(tracks_from({7.0: 5}), CUTS)
    assert vertices.iterative_vertices(tracks).tolist() == [7.0]
    assert asked == [0.5, 0.7]


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan")])
def test_a_beam_without_size_is_refused(size: float) -> None:
    with pytest.raises(SettingsError, match=r"beam_size: .* is not above 0"):
        TrackCuts(beam_size=size)


def test_without_acts_its_finders_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitgraph.acts.geometry.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"vertex finder amvf .*hitgraph\[sim\]"):
        finder_of("amvf")
