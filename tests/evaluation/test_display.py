"""What an event display shows: the right tracks as found, missed and fake."""

from collections.abc import Callable

import numpy as np
import pytest

from hitgraph.evaluation import truth_labels
from hitgraph.event.event import Event

pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")

from hitgraph.evaluation import display
from hitgraph.evaluation.style import BLUE, PURPLE, VERMILION

EventMaker = Callable[..., Event]


@pytest.fixture(scope="module")
def event(straight_event: EventMaker) -> Event:
    """Ten stiff particles at eta 0 and one soft one; a straight line of noise."""
    return straight_event([6] * 11, noise=4, pt=[2.0] * 10 + [0.3])


@pytest.fixture(scope="module")
def labels(event: Event) -> np.ndarray:
    """Particle 3 is missed, the noise is a track."""
    labels = truth_labels(event)
    labels[labels == 2] = -1
    labels[-4:] = 99
    return labels


def test_found_missed_and_true(event: Event, labels: np.ndarray) -> None:
    view = display.transverse_view(event, labels)
    assert len(view.particles) == 10  # the soft one is not shown
    assert len(view.found) == 9
    assert [track.tolist() for track in view.missed] == [list(range(12, 18))]
    assert len(view.hits) == event.n_hits
    assert "9 of 10 found" in view.title
    assert "1 GeV" in view.title


def test_tracks_are_walked_from_inside_out(event: Event, labels: np.ndarray) -> None:
    view = display.transverse_view(event, labels)
    r = np.hypot(event.hits.x, event.hits.y)
    for track in [*view.found, *view.particles, *view.missed, *view.fakes]:
        assert (np.diff(r[track]) > 0).all()


def test_only_stiff_fakes_are_shown(straight_event: EventMaker) -> None:
    """Three noise hits in line are stiff; on a circle of 100 mm radius they have 60 MeV."""
    event = straight_event([6] * 8, noise=6)
    hits, noise = event.hits, slice(48, 54)
    angle = np.array([0.0, 0.5, 1.0])
    hits.x[noise] = [100, 200, 300, *(100 * np.sin(angle))]
    hits.y[noise] = [100, 200, 300, *(100 * (1 - np.cos(angle)))]
    labels = truth_labels(event)
    labels[48:51], labels[51:54] = 50, 51
    view = display.transverse_view(event, labels)
    assert [track.tolist() for track in view.fakes] == [[48, 49, 50]]


def test_crowded_events_are_cut_to_a_window(straight_event: EventMaker) -> None:
    rng = np.random.default_rng(1)
    event = straight_event([6] * 400, eta=rng.uniform(-3, 3, 400))
    labels = truth_labels(event)
    for view in (display.transverse_view(event, labels), display.longitudinal_view(event, labels)):
        assert 10 < len(view.particles) <= display.MOST_PARTICLES
        assert len(view.hits) < event.n_hits
        assert view.missed == []


def test_softer_particles_where_there_are_few(straight_event: EventMaker) -> None:
    event = straight_event([6, 6], pt=[0.3, 2.0])
    assert len(display.transverse_view(event, truth_labels(event)).particles) == 2


def test_figure(event: Event, labels: np.ndarray) -> None:
    figure = display.display_figure(event, labels)
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("x [mm]", "y [mm]")
    assert (right.get_xlabel(), right.get_ylabel()) == ("z [mm]", "r [mm]")
    names = ["hits", "true particle", "found track", "missed particle", "fake track"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    lines = {line.get_label(): line for line in left.lines}
    assert [lines[name].get_color() for name in names[2:]] == [BLUE, VERMILION, PURPLE]
    x = np.asarray(lines["found track"].get_xdata())
    assert np.isnan(x).sum() == 9  # one gap after each of the nine tracks
    assert np.isfinite(x).sum() == 9 * 6


def test_noise_only(straight_event: EventMaker) -> None:
    event = straight_event([], noise=5)
    figure = display.display_figure(event, np.zeros(5, int))
    assert len(figure.axes) == 2
