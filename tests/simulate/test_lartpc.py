"""Events in liquid argon: wires where geometry has them, hits where charge is, and their truth."""

from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import SettingsError
from hitgraph.event.argon import CLASSES, DIFFUSE, HIP, MIP, classes_of, particle_of, view_number
from hitgraph.event.event import Event
from hitgraph.event.positions import distances_from_modules
from hitgraph.event.source import list_events
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.truth import true_edges
from hitgraph.simulate.worlds.lartpc.argon import charge_left
from hitgraph.simulate.worlds.lartpc.deposits import Deposits
from hitgraph.simulate.worlds.lartpc.geometry import build_detector, planes_of
from hitgraph.simulate.worlds.lartpc.readout import WireHits, read_out
from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings
from hitgraph.simulate.worlds.lartpc.simulator import LartpcSimulator

QUIET = LartpcSettings(noise=0.0)
SMALL = LartpcSettings(drift=300, height=300, length=600, cosmics=1.0, seed=7)


@pytest.fixture(scope="module")
def event() -> Event:
    return LartpcSimulator(SMALL).event(4)


def read(deposits: Deposits, plane: int = 2, late: float = 0.0) -> WireHits:
    n = len(deposits)
    rng = np.random.default_rng(1)
    owner = np.zeros(n, np.int64)
    return read_out(QUIET, planes_of(QUIET)[plane], deposits, np.full(n, late), owner, rng)


def line(start: tuple[float, ...], end: tuple[float, ...], energy: float = 0.21) -> Deposits:
    """A piece a millimetre."""
    first, last = np.array(start), np.array(end)
    n = round(float(np.linalg.norm(last - first)))
    share = (np.arange(n) + 0.5) / n
    position = first + share[:, None] * (last - first)
    return Deposits(position, np.full(n, energy), np.ones(n))


def test_wires_are_where_geometry_has_them() -> None:
    """By hand: 3 mm wires, the vertical ones across z, the others at 60 degrees to them."""
    u, v, y = planes_of(LartpcSettings())
    assert (u.n_wires, v.n_wires, y.n_wires) == (747, 747, 800)  # (1200 sin 60 + 2400 cos 60) / 3
    point = np.array([[500.0, 100.0, 1000.0]])
    assert y.wire(y.coordinate(point)).tolist() == [333]  # 1000 / 3
    # -100 sin 60 + 1000 cos 60 = 413.4; the lowest corner has -600 sin 60 = -519.6
    assert u.wire(u.coordinate(point)).tolist() == [311]
    # +100 sin 60 + 1000 cos 60 = 586.6, from the same lowest corner
    assert v.wire(v.coordinate(point)).tolist() == [368]


def test_the_wires_of_two_planes_tell_the_point() -> None:
    """The coordinates of U and V add up to z, and their difference is height."""
    u, v, y = planes_of(LartpcSettings())
    points = np.random.default_rng(0).uniform((0, -600, 0), (1000, 600, 2400), (50, 3))
    assert u.coordinate(points) + v.coordinate(points) == pytest.approx(y.coordinate(points))
    height = (v.coordinate(points) - u.coordinate(points)) / (2 * np.sin(np.pi / 3))
    assert height == pytest.approx(points[:, 1])


def test_a_track_along_the_beam_has_a_hit_a_wire_and_all_its_charge() -> None:
    track = line((500, 0, 900), (500, 0, 1200))
    hits = read(track)
    inner = (hits.wire > 305) & (hits.wire < 395)
    assert sorted(hits.wire[inner]) == list(range(306, 395))
    assert hits.drift[inner] == pytest.approx(500, abs=0.5)
    freed = charge_left(track.energy, track.path).sum()
    assert hits.charge.sum() == pytest.approx(freed, rel=0.1)  # tails are below the threshold
    assert hits.charge.sum() < freed
    assert (hits.owner == 0).all()


def test_a_track_along_the_drift_is_cut_into_hits_of_the_longest_length() -> None:
    hits = read(line((300, 0, 1000.5), (400, 0, 1000.5)))
    main = hits.wire == 333
    assert hits.n_ticks.max() == QUIET.longest
    assert hits.n_ticks[main].sum() * QUIET.tick == pytest.approx(100, abs=10)


def test_two_tracks_on_a_wire_are_two_hits() -> None:
    both = [line((500 + apart, 0, 900), (500 + apart, 0, 1000)) for apart in (0, 12)]
    deposits = Deposits(
        np.concatenate([one.position for one in both]),
        np.concatenate([one.energy for one in both]),
        np.concatenate([one.path for one in both]),
    )
    hits = read(deposits)
    drifts = hits.drift[hits.wire == 320]
    assert sorted(drifts) == pytest.approx([500, 512], abs=1)


def test_diffusion_widens_what_drifts_far() -> None:
    near, far = (
        read(line((x, 0, 900), (x, 0, 1200), energy=1.0)).n_ticks.mean() for x in (20.0, 980.0)
    )
    assert far > near + 1


def test_late_charge_seems_to_have_drifted_farther_and_beyond_the_window_is_not_seen() -> None:
    track = line((500, 0, 900), (500, 0, 1000))
    assert read(track, late=200.0).drift.mean() == pytest.approx(700, abs=1)
    assert len(read(track, late=600.0)) == len(read(track, late=-600.0)) == 0


def test_no_charge_no_noise_no_hit() -> None:
    assert len(read(line((500, 0, 900), (500, 0, 900)))) == 0


def test_noise_hits_are_as_many_as_the_threshold_lets_through() -> None:
    settings = LartpcSettings(cosmics=0.0)
    plane = planes_of(settings)[2]
    nothing = Deposits(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    empty = np.zeros(0)
    rng = np.random.default_rng(3)
    hits = read_out(settings, plane, nothing, empty, empty.astype(np.int64), rng)
    expected = 800 * 1250 * 3.17e-5  # ticks above four standard deviations
    assert len(hits) == pytest.approx(expected, abs=5 * expected**0.5)
    assert (hits.owner == -1).all()


def test_an_event_is_one_of_the_store(event: Event, tmp_path: Path) -> None:
    assert event.detector is not None
    write_event(event, tmp_path)
    write_detectors(event.detector, tmp_path)
    (source,) = list_events([tmp_path])
    again = source.read()
    assert np.array_equal(again.hits.x, event.hits.x)
    assert distances_from_modules(again, build_detector(SMALL)).max() < 0.01
    assert again.hard_collision == 1


def test_an_event_depends_on_its_number_and_the_seed_only(event: Event) -> None:
    simulator = LartpcSimulator(SMALL)
    other = simulator.event(5)
    same = simulator.event(4)
    assert np.array_equal(same.hits.x, event.hits.x)
    assert np.array_equal(same.truth.particle_id, event.truth.particle_id)  # type: ignore[union-attr]
    assert not np.array_equal(other.hits.x[:5], event.hits.x[:5])


def test_hits_lie_where_their_particle_went(event: Event) -> None:
    truth, hits = event.truth, event.hits
    assert truth is not None
    signal = truth.particle_id != 0
    off = np.stack([hits.x - truth.tx, hits.y - truth.ty, hits.z - truth.tz])[:, signal]
    assert np.median(np.linalg.norm(off, axis=0)) < 1.5  # half a wire


def test_views_of_a_particle_share_its_class_and_its_momentum(event: Event) -> None:
    table = event.particles
    assert table is not None
    kinds = classes_of(table.particle_id)
    heavy = np.abs(table.particle_type)
    assert (kinds[np.isin(heavy, (13, 211))] == MIP).all()
    assert (kinds[heavy == 2212] == HIP).all()
    assert set(table.particle_id & 3) == {0, 1, 2}
    for particle in np.unique(particle_of(table.particle_id)):
        rows = particle_of(table.particle_id) == particle
        assert len(np.unique(table.px[rows])) == len(np.unique(table.vx[rows])) == 1


def test_true_edges_stay_on_a_plane(event: Event) -> None:
    inner, outer = true_edges(event)
    assert len(inner) > 0
    assert np.array_equal(event.hits.layer_id[inner], event.hits.layer_id[outer])


def test_a_view_number_says_all_it_was_made_of() -> None:
    for kind in range(len(CLASSES)):
        number = view_number(3, 1234, kind, 2)
        assert classes_of(number) == kind
        assert number >> 24 == 3
        assert particle_of(number) == particle_of(view_number(3, 1234, kind, 0))
        assert number != view_number(3, 1235, kind, 2)
    assert classes_of(0) == -1
    assert CLASSES[DIFFUSE] == "diffuse"


@pytest.mark.parametrize(
    ("key", "value"),
    {
        "pitch": 0.0,
        "drift": -1.0,
        "tick": 5.0,
        "noise": -0.1,
        "threshold": 0.5,
        "longest": 1,
        "cosmics": -1.0,
        "height": 1e6,
        "length": 10.0,
    }.items(),
)
def test_settings_that_make_no_sense_are_refused(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"lartpc setting {key} = "):
        LartpcSettings(**{key: value})  # type: ignore[arg-type]


def test_a_box_with_too_many_wires_and_ticks_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"tick = 0\.05: allowed is 50,000,000 wires times"):
        LartpcSettings(tick=0.05, drift=5000, length=5000)
