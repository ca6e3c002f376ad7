"""Simulated events: geometry, digitisation, noise, whole events, and many of them in a folder."""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hitgraph.cli import main
from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.known_detectors import ENDCAP_RINGS, trackml_module_numbers
from hitgraph.event.source import read_event
from hitgraph.event.store import read_dataset_info, write_dataset_info, write_detectors
from hitgraph.event.trackml import read_detectors
from hitgraph.simulate import generator, needs
from hitgraph.simulate.digitise import Clusters, digitise
from hitgraph.simulate.folder import dataset_info
from hitgraph.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.simulate.run import simulate
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator
from hitgraph.workers import Workers, hire

GUN = SimulationSettings(
    pileup=0,
    hard="none",
    gun=ParticleGun(particles=40, min_pt=1, max_pt=5),
    seed=7,
    field=constant(2.0),
    preset="plain",
)
SameEvent = Callable[[Event, Event], None]


@pytest.fixture(scope="module")
def gun() -> Simulator:
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    return Simulator(GUN)


@pytest.fixture(scope="module")
def muons(gun: Simulator) -> Event:
    return gun.event(1000)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"pileup": -1.0}, "pileup = -1"),
        ({"pileup": float("nan")}, "pileup = nan"),
        ({"pileup": 1e30}, r"pileup = 1e\+30: allowed is a number of collisions from 0 to 10000"),
        ({"noise": 1.0}, "noise = 1"),
        ({"noise": -0.1}, "noise"),
        ({"seed": -1}, "seed"),
        ({"hard": "higgs"}, "hard = higgs: allowed is ttbar or none"),
        ({"preset": "fancy"}, "preset = fancy: allowed is plain or trackml-like"),
        ({"pileup_spread": "fixed", "pileup": 2.5}, "a whole number of collisions"),
        ({"pileup_spread": "uniform"}, "pileup_spread = uniform: allowed is poisson or fixed"),
        ({"hard": "card"}, "card = 0 lines"),
        ({"card": ("Top:all = on",)}, "card = 1 lines"),
        ({"min_pt": 0.05}, "pt = 0.05:inf"),
        ({"min_pt": 2.0, "max_pt": 1.0}, "pt = 2:1"),
        ({"min_eta": 1.0, "max_eta": -1.0}, "eta = 1:-1"),
        ({"max_eta": 5.0}, "eta = -4:5"),
        ({"beam_sigma_xy": -0.1}, "beam_sigma"),
        ({"beam_sigma_z": 5000.0}, "beam_sigma"),
        ({"beam_centre": (0.0, 20.0, 0.0)}, "beam_centre"),
        ({"beam_centre": (0.0, 0.0, -2000.0)}, "beam_centre"),
        ({"pileup": 0.0, "hard": "none"}, "pileup"),
        ({"gun": ParticleGun()}, "gun"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        replace(SimulationSettings(), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"particles": 0},
        {"pdg": 22},
        {"min_pt": 0.01},
        {"min_pt": 3.0, "max_pt": 2.0},
        {"max_eta": 5.0},
        {"displaced": -1.0},
        {"displaced": 1e9},
    ],
)
def test_impossible_guns_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"gun\."):
        replace(ParticleGun(), **wrong)


# ---------------------------------------------------------------- geometry


def test_endcap_numbers_are_a_permutation() -> None:
    for volume, rings in ENDCAP_RINGS.items():
        n = len(rings)
        numbers = trackml_module_numbers(np.full(n, volume), np.arange(1, n + 1))
        assert sorted(numbers.tolist()) == list(range(1, n + 1))
        # Rings take turns: none is missing in the first or the last eighth.
        assert set(rings[: n // 8]) == set(rings[-(n // 8) :]) == set(rings)


def test_barrel_numbers_stay() -> None:
    module_id = np.arange(1, 100)
    numbers = trackml_module_numbers(np.full(99, 13), module_id)
    np.testing.assert_array_equal(numbers, module_id)


def test_every_module_is_trackml_s(gun: Simulator, shared_data: Path) -> None:
    theirs, ours = read_detectors(shared_data / "trackml_sample/detectors.csv.gz"), gun.detector
    assert ours.n_modules == theirs.n_modules == 18_728
    for name in ("volume_id", "layer_id", "module_id", "half_thickness", "min_half_u"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
    for name in ("max_half_u", "half_v", "pitch_u", "pitch_v"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
    np.testing.assert_allclose(ours.centre, theirs.centre, atol=0.004)  # mm
    np.testing.assert_allclose(ours.rotation, theirs.rotation, atol=1e-6)


# ---------------------------------------------------------------- digitisation


def _module(volume: int, half_thickness: float, half_u: float, half_v: float) -> Detector:
    one = np.ones(1, np.int32)
    pitch_u, pitch_v = (0.05, 0.05625) if volume < 10 else (0.08, 1.2)
    return Detector(
        volume_id=one * volume,
        layer_id=one * 2,
        module_id=one,
        centre=np.array([[10.0, -20.0, 30.0]]),
        rotation=np.array([[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]),
        half_thickness=np.array([half_thickness]),
        min_half_u=np.array([half_u]),
        max_half_u=np.array([half_u]),
        half_v=np.array([half_v]),
        pitch_u=np.array([pitch_u]),
        pitch_v=np.array([pitch_v]),
    )


PIXEL, STRIP = _module(8, 0.15, 8.4, 36.0), _module(13, 0.25, 24.0, 54.0)


def _cross(detector: Detector, local: np.ndarray, slope: np.ndarray) -> Clusters:
    turn = detector.rotation[0]
    return digitise(
        detector,
        np.zeros(1, np.int64),
        (turn @ local + detector.centre[0])[None],
        (turn @ slope)[None],
    )


directions = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 1)).map(np.array)


@settings(max_examples=60, deadline=None)
@given(
    u=st.floats(-7, 7), v=st.floats(-30, 30), slope=directions, side=st.sampled_from([-1.0, 1.0])
)
def test_cells_share_out_the_path_through_the_sensor(
    u: float, v: float, slope: np.ndarray, side: float
) -> None:
    slope = slope * side
    for w, s, half, pitch in ((u, slope[0], 8.4, 0.05), (v, slope[1], 36, 0.05625)):
        ends = (w + np.array([-0.075, 0.075]) * s / slope[2] + half) / pitch
        assume(np.abs(ends - np.round(ends)).max() > 1e-3)  # along a border rounding decides
    cells = _cross(PIXEL, np.array([u, v, 0.0]), slope)
    cosine = abs(slope[2]) / np.linalg.norm(slope)
    np.testing.assert_allclose(cells.value.sum(), 0.15 / cosine, rtol=1e-4)
    # One line of channels: none is left out between the first and the last along u.
    assert set(np.diff(np.unique(cells.ch0)).tolist()) <= {1}
    # Against a brute-force walk in small steps, each charged to the channel it is in.
    t = (np.arange(20_000) + 0.5) / 20_000 - 0.5
    path_u, path_v = (w + t * 0.15 * s / slope[2] for w, s in ((u, slope[0]), (v, slope[1])))
    channel = np.floor((path_u + 8.4) / 0.05) * 10_000 + np.floor((path_v + 36) / 0.05625)
    wanted, count = np.unique(channel.astype(np.int64), return_counts=True)
    keys = cells.ch0.astype(np.int64) * 10_000 + cells.ch1
    found = dict(zip(keys.tolist(), cells.value.tolist(), strict=True))
    for key, steps_in_it in zip(wanted.tolist(), count.tolist(), strict=True):
        length = steps_in_it / 20_000 * 0.15 / cosine
        assert abs(found.get(key, 0.0) - length) < 2e-4 / cosine


@settings(max_examples=50, deadline=None)
@given(u=st.floats(-8.39, 8.39), v=st.floats(-35.9, 35.9), slope=directions)
def test_position_is_the_mean_of_the_channel_centres_and_near_the_crossing(
    u: float, v: float, slope: np.ndarray
) -> None:
    cells = _cross(PIXEL, np.array([u, v, 0.0]), slope)
    local = PIXEL.rotation[0].T @ (cells.position[0] - PIXEL.centre[0])
    share = cells.value.astype(np.float64) / cells.value.astype(np.float64).sum()
    np.testing.assert_allclose(local[0], (share * (cells.ch0 + 0.5)).sum() * 0.05 - 8.4, atol=1e-5)
    np.testing.assert_allclose(
        local[1], (share * (cells.ch1 + 0.5)).sum() * 0.05625 - 36, atol=1e-5
    )
    assert local[2] == pytest.approx(0, abs=1e-9)
    assert 0 <= cells.ch0.min() <= cells.ch0.max() < 336
    assert 0 <= cells.ch1.min() <= cells.ch1.max() < 1280
    half_shadow = 0.075 / slope[2]
    if abs(u) + half_shadow < 8.4 and abs(v) + half_shadow < 36:  # not cut off by the rim
        assert abs(local[0] - u) <= 0.5 * 0.05 + 1e-6
        assert abs(local[1] - v) <= 0.5 * 0.05625 + 1e-6


def test_strips_say_one_whatever_the_path() -> None:
    cells = _cross(STRIP, np.array([3.0, 5.0, 0.0]), np.array([0.7, 0.1, 1.0]))
    assert len(cells.value) == 3  # 0.25 mm x 0.7 = 0.175 mm over a pitch of 0.08 mm, centred
    np.testing.assert_array_equal(cells.value, 1.0)


def test_same_cells_as_the_real_event(gun: Simulator, shared_data: Path) -> None:
    """The real event's true crossings, digitised here, fire the channels it recorded.

    In the endcaps, that is: in the barrels the real charge drifts sideways in the field.
    """
    event = read_event(shared_data / "trackml_sample/event000000001")
    hits, cells, truth = event.hits, event.cells, event.truth
    assert cells is not None
    assert truth is not None
    module = gun.detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    ours = digitise(
        gun.detector,
        module,
        np.stack([truth.tx, truth.ty, truth.tz], axis=1).astype(np.float64),
        np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(np.float64),
    )
    endcap = ~np.isin(hits.volume_id, (8, 13, 17))
    row = np.searchsorted(hits.hit_id, cells.hit_id)
    key = (row << 40) + (cells.ch0.astype(np.int64) << 20) + cells.ch1
    our_key = (ours.hit << 40) + (ours.ch0.astype(np.int64) << 20) + ours.ch1
    both = np.intersect1d(key[endcap[row]], our_key[endcap[ours.hit]])
    union = np.union1d(key[endcap[row]], our_key[endcap[ours.hit]])
    assert len(both) / len(union) > 0.99
    pixel = endcap & (hits.volume_id < 10)
    theirs = np.bincount(row, cells.value, len(hits))[pixel]
    charge = np.bincount(ours.hit, ours.value, len(hits))[pixel]
    assert np.median(theirs / charge) == pytest.approx(1, abs=0.02)
    barrel = ~endcap
    count = np.bincount(row, minlength=len(hits))[barrel].mean()
    our_count = np.bincount(ours.hit, minlength=len(hits))[barrel].mean()
    assert our_count == pytest.approx(count, rel=0.05)


# ---------------------------------------------------------------- noise


@given(n_signal=st.integers(0, 10**6), fraction=st.floats(0, 0.9))
def test_noise_is_the_asked_fraction_of_all_hits(n_signal: int, fraction: float) -> None:
    n_noise = number_of_noise_hits(n_signal, fraction)
    assert n_noise == pytest.approx(fraction * (n_noise + n_signal), abs=1)


def test_noise_is_spread_evenly_over_a_trapezoid() -> None:
    detector = replace(STRIP, min_half_u=np.array([10.0]))  # 10 at -v, 24 at +v
    noise = noise_crossings(detector, 40_000, np.random.default_rng(1))
    u, v, w = detector.rotation[0].T @ (noise.position - detector.centre[0]).T
    assert np.abs(w).max() < 1e-9
    assert (np.abs(u) <= 17 + 7 * v / 54 + 1e-9).all()
    assert (np.abs(v) <= 54).all()
    upper = (v > 0).mean()  # the upper half has (17 + 24) / (10 + 17 + 17 + 24) of the area
    assert upper == pytest.approx(41 / 68, abs=0.01)
    assert (noise.particle_id == 0).all()


# ---------------------------------------------------------------- one event


def test_tables_fit_together(muons: Event) -> None:
    hits, cells, particles, truth = muons.hits, muons.cells, muons.particles, muons.truth
    assert cells is not None
    assert particles is not None
    assert truth is not None
    n = len(hits)
    np.testing.assert_array_equal(hits.hit_id, np.arange(1, n + 1))
    np.testing.assert_array_equal(truth.hit_id, hits.hit_id)
    assert (np.diff(cells.hit_id) >= 0).all()
    assert set(cells.hit_id.tolist()) == set(hits.hit_id.tolist())  # a cell for every hit
    assert truth.weight.sum() == pytest.approx(1, abs=1e-5)
    assert (truth.weight[truth.particle_id == 0] == 0).all()
    assert (truth.particle_id == 0).mean() == pytest.approx(0.15, abs=1 / n)
    assert len(set(particles.particle_id.tolist())) == len(particles) == 40
    for one, listed in zip(particles.particle_id, particles.nhits, strict=True):
        assert (truth.particle_id == one).sum() == listed
    assert set(truth.particle_id.tolist()) <= {0, *particles.particle_id.tolist()}
    np.testing.assert_array_equal(particles.q, -np.sign(particles.particle_type))  # muons


def test_hits_lie_on_a_helix_of_the_generated_momentum(muons: Event) -> None:
    truth, particles = muons.truth, muons.particles
    assert truth is not None
    assert particles is not None
    checked = 0
    for row in np.flatnonzero(particles.nhits >= 8):
        mine = truth.particle_id == particles.particle_id[row]
        x, y = truth.tx[mine].astype(float), truth.ty[mine].astype(float)
        # x^2 + y^2 = 2 a x + 2 b y + c is a circle about (a, b)
        solution = np.linalg.lstsq(np.stack([x, y, np.ones_like(x)], 1), x * x + y * y)[0]
        a, b, c = solution[0] / 2, solution[1] / 2, solution[2]
        radius = np.sqrt(c + a * a + b * b)
        pt = np.hypot(particles.px[row], particles.py[row])
        if np.hypot(x, y).max() < 400:
            continue  # too short an arc to measure
        checked += 1
        assert radius == pytest.approx(pt / (0.000299792 * 2), rel=0.1)  # mm, in 2 T
        # A positive particle turns clockwise seen from +z: its centre is on its right.
        right = np.array([particles.py[row], -particles.px[row]])
        assert np.sign(np.dot(right, [a, b])) == particles.q[row]
    assert checked > 10


def test_hits_are_where_the_particle_was(muons: Event) -> None:
    hits, truth = muons.hits, muons.truth
    assert truth is not None
    distance = np.sqrt(
        (hits.x - truth.tx) ** 2 + (hits.y - truth.ty) ** 2 + (hits.z - truth.tz) ** 2
    )
    # Half the channel's diagonal; paths at the rim of a module may lose a part.
    for volumes, limit in (((7, 8, 9), 0.05), ((12, 13, 14), 0.65), ((16, 17, 18), 5.6)):
        here = np.isin(hits.volume_id, volumes)
        assert (distance[here] < limit).mean() > 0.98


def test_an_event_depends_on_seed_and_number_only(
    gun: Simulator, muons: Event, assert_same_event: SameEvent
) -> None:
    other = gun.event(1001)
    assert not np.array_equal(other.hits.x[:100], muons.hits.x[:100])
    assert_same_event(gun.event(1000), muons)


@pytest.mark.usefixtures("gun")
def test_pile_up_event_does_not_remember_the_one_before(assert_same_event: SameEvent) -> None:
    collisions = Simulator(SimulationSettings(pileup=2, seed=3, preset="plain"))
    first, second = collisions.event(1), collisions.event(2)
    assert_same_event(collisions.event(1), first)
    for event in (first, second):
        particles, truth = event.particles, event.truth
        assert particles is not None
        assert truth is not None
        assert 50 < len(particles) < 2000
        pt = np.hypot(particles.px, particles.py)
        assert pt.min() >= 0.1
        assert np.abs(np.arcsinh(particles.pz / pt)).max() <= 4.0001
        assert set(np.unique(particles.q)) == {-1, 1}
        assert np.abs(particles.vz).max() < 3000
        assert truth.weight.sum() == pytest.approx(1, abs=1e-5)


def test_pythia_forgets_with_two_heavy_systems_on_each_beam() -> None:
    """The masses of the four resetting collisions differ, so that none of them is passed over."""
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")

    class Particle:
        def __init__(self, mass: float) -> None:
            self.mass = mass

        def m(self) -> float:
            return self.mass

        def id(self) -> int:
            return generator.DIFFRACTIVE_PROTON if self.mass > 1 else 2212

    class Pythia:
        """Beam masses by seed: light, heavy A, the same A, heavy B, another A, another B."""

        masses = ((0, 0), (300, 0), (301, 0), (0, 200), (500, 5), (0, 900))
        event: list[Particle]

        @property
        def rndm(self) -> "Pythia":
            return self

        def init(self, seed: int) -> None:
            self.event = [Particle(0)] * 3 + [Particle(m) for m in self.masses[seed - 1]]

        def next(self) -> bool:
            return True

    assert generator._forgetting_seeds(Pythia()) == [2, 5, 4, 6]


# ---------------------------------------------------------------- many events


@pytest.fixture
def spawned(gun: Simulator) -> Iterator[None]:  # noqa: ARG001
    """After the test no worker process is left."""
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("spawned")
def test_two_workers_give_the_same_events_even_if_one_dies(
    gun: Simulator, tmp_path: Path, assert_same_event: SameEvent
) -> None:
    killed: list[int | None] = []

    def kill_one_once() -> None:
        if not killed:
            child = multiprocessing.active_children()[0]
            killed.append(child.pid)
            child.kill()

    write_detectors(gun.detector, tmp_path)
    result = simulate(GUN, tmp_path, range(1000, 1004), Workers(2), advance=kill_one_once)
    assert len(killed) == 1
    assert [one.number for one in result.done] == [1000, 1001, 1002, 1003]
    assert not result.failed
    for number in range(1000, 1004):
        event = read_event(tmp_path / f"event{number:09d}.hits.parquet")
        assert_same_event(replace(event, detector=None), replace(gun.event(number), detector=None))
    assert read_dataset_info(tmp_path)["events"] == [1000, 1001, 1002, 1003]


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_cluster_writes_the_same_files(gun: Simulator, scheduler: str, tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for out in (alone, shared):
        out.mkdir()
        write_detectors(gun.detector, out)
    simulate(GUN, alone, range(5, 7))
    with hire(dask=scheduler) as workers:
        result = simulate(GUN, shared, range(5, 7), workers)
    assert [one.number for one in result.done] == [5, 6]
    files = {path.name: path.read_bytes() for path in shared.iterdir()}
    assert len(files) == 2 * 4 + 2
    assert files == {path.name: path.read_bytes() for path in alone.iterdir()}


def test_a_start_that_made_no_event_does_not_bind_the_folder(
    gun: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_detectors(gun.detector, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Workers, "share", lambda *_, **__: (one for one in ()))  # all failed
        simulate(GUN, tmp_path, [1000])
    assert read_dataset_info(tmp_path)["events"] == []
    other = replace(GUN, seed=GUN.seed + 1)
    for resume in (False, True):
        simulate(other, tmp_path, [1000], resume=resume)
    assert read_dataset_info(tmp_path)["seed"] == other.seed
    with pytest.raises(SettingsError, match="made with seed"):
        simulate(GUN, tmp_path, [1001], resume=True)


@pytest.mark.usefixtures("spawned")
def test_interrupted_then_resumed(
    gun: Simulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    write_detectors(gun.detector, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        simulate(GUN, tmp_path, range(1000, 1005), advance=interrupt)
    complete = {path.name[:14] for path in tmp_path.glob("*.hits.parquet")}
    assert "event000001000" in complete
    assert {path.name[:14] for path in tmp_path.glob("event*")} == complete  # nothing half-made
    assert not list(tmp_path.glob(".*"))
    assert read_dataset_info(tmp_path)["events"][0] == 1000

    blocked = tmp_path / "event000001003.truth.parquet"  # cannot be written: is a folder
    blocked.mkdir()
    arguments = ["--events", "5", "--particle-gun", "40", "--gun-pt", "1:5", "--seed", "7"]
    arguments += ["--preset", "plain", "--field", "constant:2", "--workers", "1"]
    status = main(
        [
            "simulate",
            str(tmp_path),
            *arguments,
            "--resume",
            "--quiet",
            "--json",
            str(tmp_path / "run.json"),
        ]
    )
    said = capfd.readouterr()
    assert status == 1
    summary = json.loads((tmp_path / "run.json").read_text())
    assert list(summary["failed"]) == ["1003"]
    assert summary["skipped"] == sorted(int(name[5:]) for name in complete)
    assert len(summary["events"]) + len(summary["skipped"]) == 4
    assert read_dataset_info(tmp_path)["events"] == [1000, 1001, 1002, 1004]
    assert not list(tmp_path.glob("event000001003.[hcp]*"))
    assert "event 1003" in said.err
    assert len(said.out.splitlines()) <= 3  # ACTS and Pythia are silent


def _write_info(folder: Path, wanted: SimulationSettings) -> None:
    write_dataset_info(folder, dataset_info(wanted))


@pytest.mark.usefixtures("gun")
def test_other_settings_do_not_mix(tmp_path: Path) -> None:
    _write_info(tmp_path, GUN)
    with pytest.raises(SettingsError, match="add --resume"):
        simulate(GUN, tmp_path, [1])
    with pytest.raises(SettingsError, match=r"noise 0\.15 \(now 0\.1\)"):
        simulate(replace(GUN, noise=0.1), tmp_path, [1], resume=True)
    with pytest.raises(SettingsError, match=r"seed 7 \(now 8\)"):
        simulate(replace(GUN, seed=8), tmp_path, [1], resume=True)


@pytest.mark.usefixtures("gun")
def test_a_folder_from_before_a_setting_was_there_is_gone_on_with(tmp_path: Path) -> None:
    info = dataset_info(GUN)
    del info["settings"]["beam_centre"]
    write_dataset_info(tmp_path, info)
    moved = replace(GUN, beam_centre=(0.0, 0.0, 100.0))
    with pytest.raises(SettingsError, match=r"beam_centre \[0\.0, 0\.0, 0\.0\] \(now"):
        simulate(moved, tmp_path, [1], resume=True)
    assert simulate(GUN, tmp_path, [], resume=True).failed == {}


@pytest.mark.usefixtures("gun")
def test_events_of_unknown_origin_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "event000000001.hits.parquet").touch()
    with pytest.raises(SettingsError, match=r"no dataset\.json"):
        simulate(GUN, tmp_path, [1], resume=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pileup", "-3"], "pileup = -3"),
        (["--noise", "1"], "noise = 1"),
        (["--preset", "other"], "preset = other"),
        (["--gun-pt", "1:2"], "add --particle-gun"),
        (["--particle-gun", "3", "--hard", "ttbar"], "--hard"),
        (["--pileup", "fixed:2.5"], "whole number"),
        (["--pileup", "many"], "--pileup many"),
        (["--hard", "no-such-file"], "no-such-file: is no Pythia card"),
        (["--pt", "0.01:"], "pt = 0.01:inf"),
        (["--eta=-9:9"], "eta = -9:9"),
        (["--beam-spot", "0.1:"], "--beam-spot needs two numbers"),
        (["--field", "2"], "write constant:2"),
        (["--field", "constant:99"], "99 T is not allowed"),
        (["--field", "no-such-file"], "field no-such-file: there is no such file"),
        (["--particle-gun", "3", "--gun-displaced", "-1"], "gun.displaced"),
        (["--dask", "tcp://nowhere:1", "--workers", "2"], "--workers"),
    ],
)
def test_command_refuses_before_any_work(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "out"), "--events", "1", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", ["0", "1.5", "many", str(2**63), "9" * 5000])
def test_a_number_of_an_event_that_no_table_holds_is_refused(
    number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["simulate", str(tmp_path / "out"), "--events", "1", "--first", number])
    assert "is not a whole number from 1 to 2^63 - 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_events_is_an_argument_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", str(tmp_path), "--events", "0"])
    assert stopped.value.code == 2


@pytest.mark.usefixtures("gun")
def test_a_file_in_the_way_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    for place in ("out", "out/deeper"):
        assert main(["simulate", str(tmp_path / place), "--events", "1", "--quiet"]) == 2
        assert "out" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[sim\]"):
        simulate(GUN, tmp_path / "out", [1])
    assert not (tmp_path / "out").exists()
