"""What the preset trackml-like adds: interactions, drift, fluctuations, merging, other settings."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.field import constant
from hitgraph.event.source import read_event
from hitgraph.simulate.card import check_card, read_card
from hitgraph.simulate.crossings import OTHER_MATERIAL, Crossings, Steps, cosine
from hitgraph.simulate.described.description import Description, Planes
from hitgraph.simulate.digitise import Clusters, Response, digitise
from hitgraph.simulate.generator import COLLISION_STRIDE, Generated, Gun
from hitgraph.simulate.merge import merge_touching
from hitgraph.simulate.noise import noise_crossings
from hitgraph.simulate.nuclear import FORWARD, MATERIAL, _around, daughters, interact
from hitgraph.simulate.propagate import propagate
from hitgraph.simulate.settings import PRESETS, Effects, ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator


def _modules(volume: int, half_thickness: float) -> Detector:
    """Two modules in the x-y plane, 100 mm apart, w along z."""
    two = np.ones(2, np.int32)
    pitch_u, pitch_v = (0.05, 0.05625) if volume < 10 else (0.08, 1.2)
    return Detector(
        volume_id=two * volume,
        layer_id=two * 2,
        module_id=np.array([1, 2], np.int32),
        centre=np.array([[30.0, 0.0, 0.0], [100.0, 0.0, 0.0]]),
        # u along z, w along x: normal across the beam, as in a barrel
        rotation=np.tile([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], (2, 1, 1)),
        half_thickness=np.full(2, half_thickness),
        min_half_u=np.full(2, 8.4),
        max_half_u=np.full(2, 8.4),
        half_v=np.full(2, 36.0),
        pitch_u=np.full(2, pitch_u),
        pitch_v=np.full(2, pitch_v),
    )


def _particles(n: int, pdg: int = 211, momentum: float = 2.0) -> Generated:
    return Generated(
        collision=np.ones(n, np.int64),
        pdg=np.full(n, pdg),
        charge=np.ones(n, np.int64),
        vertex=np.zeros((n, 3)),
        momentum=np.tile([momentum, 0.0, 0.0], (n, 1)),
        particle_id=COLLISION_STRIDE + 1 + np.arange(n),
    )


def _steps(n: int, crossings: int, volume: int, slope: float = 0.0) -> Steps:
    """`n` particles that each cross `crossings` cylinders of `volume`, last crossing first."""
    number = np.tile(np.arange(crossings)[::-1], n)
    position = np.stack([30.0 + number, 0 * number, 0 * number], axis=1).astype(float)
    return Steps(
        particle=np.repeat(np.arange(n), crossings),
        number=number,
        volume=np.full(n * crossings, volume),
        module=np.full(n * crossings, OTHER_MATERIAL),
        position=position,
        momentum=np.tile([2.0, 0.0, 2.0 * slope], (n * crossings, 1)),
    )


# ---------------------------------------------------------------- nuclear interactions


@pytest.mark.parametrize("slope", [0.0, 3.0])
def test_chance_grows_with_the_path_through_the_material(slope: float) -> None:
    n, crossings = 20_000, 4
    steps = _steps(n, crossings, volume=8, slope=slope)
    kept, last = interact(steps, _particles(n), _modules(8, 0.15), np.random.default_rng(1))
    survive = math.exp(-MATERIAL[8] * math.hypot(1, slope) * crossings)
    expected = 1 - survive
    error = math.sqrt(expected * survive / n)
    assert len(last) / n == pytest.approx(expected, abs=4 * error)
    assert len(np.unique(last.particle)) == len(last)  # nobody dies twice
    # Who interacts at crossing k keeps the crossings 0 to k, the others keep all.
    count = np.bincount(kept.particle, minlength=n)
    ends = np.full(n, crossings)
    ends[last.particle] = last.number + 1
    np.testing.assert_array_equal(count, ends)


@pytest.mark.parametrize("pdg", [11, -13])
def test_leptons_do_not_interact(pdg: int) -> None:
    steps = _steps(1000, 50, volume=10, slope=9.0)
    kept, last = interact(steps, _particles(1000, pdg), _modules(8, 0.15), np.random.default_rng(1))
    assert len(last) == 0
    assert len(kept) == len(steps)


def test_daughters_start_where_the_parent_ended_and_are_slower() -> None:
    n = 5000
    parents = _particles(n, momentum=0.4)
    last = _steps(n, 1, volume=8)
    last = replace(last, momentum=np.tile([0.4, 0.0, 0.0], (n, 1)))
    born = daughters(last, parents, np.random.default_rng(2))
    assert set(np.unique(born.pdg)) == {-211, 211, 2212}
    np.testing.assert_array_equal(born.charge, np.sign(born.pdg))
    np.testing.assert_array_equal(born.vertex, np.tile([30.0, 0.0, 0.0], (len(born), 1)))
    size = np.linalg.norm(born.momentum, axis=1)
    assert size.max() <= 0.4 + 1e-12
    assert np.hypot(born.momentum[:, 0], born.momentum[:, 1]).min() > 0.1  # visible ones only
    assert (born.collision == 1).all()


def test_direction_of_daughters_has_the_stated_density() -> None:
    n = 40_000
    axis = np.tile([0.6, 0.0, 0.8], (n, 1))
    direction = _around(axis, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.norm(direction, axis=1), 1.0, atol=1e-12)
    cosine_to_axis = (direction * axis).sum(axis=1)
    assert cosine_to_axis.mean() == pytest.approx(FORWARD / 3, abs=0.01)  # of (1 + F c) / 2
    across = direction - cosine_to_axis[:, None] * axis
    np.testing.assert_allclose(across.mean(axis=0), 0.0, atol=0.02)  # no preferred azimuth


class _StoppingFatras:
    """Every particle crosses one thick layer of material, then one module."""

    def simulate(self, particles: Generated, seed: int, material: bool = False) -> Steps:
        n = len(particles)
        assert seed >= 0
        assert material
        return Steps(
            particle=np.tile(np.arange(n), 2),
            number=np.repeat([0, 1], n),
            volume=np.repeat([10, 8], n),
            module=np.repeat([OTHER_MATERIAL, 0], n),
            position=particles.vertex[np.tile(np.arange(n), 2)] + (1.0, 0.0, 0.0),
            momentum=particles.momentum[np.tile(np.arange(n), 2)],
        )


def test_numbers_of_the_daughters_are_new_and_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MATERIAL, 10, 3.0)  # nearly all interact
    collision = np.repeat([1, 2], 100)
    number = np.tile(np.arange(1, 101), 2)
    generated = replace(
        _particles(200),
        collision=collision,
        particle_id=collision * COLLISION_STRIDE + number,
    )
    particles, crossings = propagate(
        _StoppingFatras(),  # type: ignore[arg-type]
        _modules(8, 0.15),
        generated,
        Effects(nuclear_interactions=True, min_start_pt=0.15),
        seed=1,
        rng=np.random.default_rng(4),
    )
    assert len(particles) > 300
    assert (np.diff(particles.particle_id) > 0).all()
    np.testing.assert_array_equal(particles.particle_id // COLLISION_STRIDE, particles.collision)
    assert set(generated.particle_id) <= set(particles.particle_id)
    assert set(crossings.particle_id) <= set(particles.particle_id)
    pt = np.hypot(particles.momentum[:, 0], particles.momentum[:, 1])
    slow = particles.particle_id[pt < 0.15]
    assert len(slow) > 10
    assert not set(slow) & set(crossings.particle_id)  # listed, but they leave no hits


# ---------------------------------------------------------------- sensors


def _cross(detector: Detector, slope: np.ndarray, response: Response, n: int = 1) -> Clusters:
    turn = detector.rotation[0]
    return digitise(
        detector,
        np.zeros(n, np.int64),
        np.tile(turn @ np.array([0.01, 0.02, 0.0]) + detector.centre[0], (n, 1)),
        np.tile(turn @ slope, (n, 1)),
        response,
        np.random.default_rng(5),
    )


@settings(max_examples=40, deadline=None)
@given(along=st.floats(-2, 2), across=st.floats(-2, 2), flip=st.sampled_from([-1.0, 1.0]))
def test_charge_fluctuates_by_the_stated_spread_each_pixel_by_itself(
    along: float, across: float, flip: float
) -> None:
    slope = flip * np.array([along, across, 1.0])
    plain = _cross(_modules(8, 0.15), slope, Response(), n=1)
    wide = _cross(_modules(8, 0.15), slope, Response(charge_spread=0.1), n=2000)
    assert len(wide.value) == 2000 * len(plain.value)
    factor = wide.value.reshape(2000, -1) / plain.value
    np.testing.assert_allclose(factor.mean(axis=0), 1.0, atol=0.015)
    np.testing.assert_allclose(factor.std(axis=0), 0.1, atol=0.01)
    if len(plain.value) > 1:
        together = np.corrcoef(factor[:, 0], factor[:, 1])[0, 1]
        assert abs(together) < 0.1
    # the position is the mean weighted with what was collected
    first = wide.hit == 0
    u = np.average(wide.ch0[first] + 0.5, weights=wide.value[first]) * 0.05 - 8.4
    assert wide.position[0, 2] == pytest.approx(u, abs=1e-6)


def test_strips_do_not_fluctuate() -> None:
    cells = _cross(_modules(13, 0.25), np.array([0.5, 0.0, 1.0]), Response(charge_spread=0.1))
    np.testing.assert_array_equal(cells.value, 1.0)


@pytest.mark.parametrize(("volume", "thickness"), [(8, 0.15), (13, 0.25), (17, 0.35)])
def test_drift_widens_or_narrows_and_turns_with_the_field(volume: int, thickness: float) -> None:
    detector = _modules(volume, thickness)
    straight = np.array([0.0, 0.0, 1.0])
    plain = _cross(detector, straight, Response())
    with_field = _cross(detector, straight, Response(drift_field=constant(2.0)))
    against = _cross(detector, straight, Response(drift_field=constant(-2.0)))
    middle = [c.position[0, 2] for c in (plain, with_field, against)]
    assert abs(middle[1] + middle[2] - 2 * middle[0]) < 0.05  # mirror images, up to a channel
    # A path along the drift direction leaves its charge in one column.
    tangent = {8: 0.1207, 13: 0.12, 17: 0.0803}[volume]
    narrow = _cross(detector, np.array([tangent, 0.0, 1.0]), Response(drift_field=constant(2.0)))
    assert len(set(narrow.ch0.tolist())) == 1


def test_same_cells_as_the_real_event_everywhere(shared_data: Path) -> None:
    """With the drift, the real crossings fire the channels that were recorded, barrels too."""
    event = read_event(shared_data / "trackml_sample/event000000001")
    hits, cells, truth, detector = event.hits, event.cells, event.truth, event.detector
    assert cells is not None
    assert truth is not None
    assert detector is not None
    module = detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    ours = digitise(
        detector,
        module,
        np.stack([truth.tx, truth.ty, truth.tz], axis=1).astype(np.float64),
        np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(np.float64),
        Response(drift_field=constant(2.0)),
    )
    row = np.searchsorted(hits.hit_id, cells.hit_id)
    key = (row << 40) + (cells.ch0.astype(np.int64) << 20) + cells.ch1
    our_key = (ours.hit << 40) + (ours.ch0.astype(np.int64) << 20) + ours.ch1
    shared = np.isin(key, our_key)
    for volume in (7, 8, 9, 12, 13, 14, 16, 17, 18):
        here, mine = hits.volume_id[row] == volume, hits.volume_id[ours.hit] == volume
        assert 2 * shared[here].sum() / (here.sum() + mine.sum()) > 0.98, volume
    step = np.stack([hits.x, hits.y, hits.z], axis=1) - ours.position
    strip = hits.volume_id > 10
    assert np.median(np.linalg.norm(step[strip], axis=1)) < 0.001  # mm: nothing else is missing
    assert np.median(np.linalg.norm(step[~strip], axis=1)) < 0.003  # the charge fluctuates


def test_no_flat_noise() -> None:
    detector = _modules(8, 0.15)
    noise = noise_crossings(detector, 5000, np.random.default_rng(1), min_cosine=0.1)
    assert (cosine(detector, noise) >= 0.1).mean() > 0.999


# ---------------------------------------------------------------- merging


def _hits(uv: list[tuple[float, float]], module: list[int], detector: Detector) -> Crossings:
    module_row = np.array(module)
    local = np.array([(u, v, 0.0) for u, v in uv])
    turn = detector.rotation[module_row]
    return Crossings(
        module=module_row,
        particle_id=np.arange(1, len(uv) + 1),
        position=detector.centre[module_row] + np.einsum("nij,nj->ni", turn, local),
        momentum=np.einsum("nij,nj->ni", turn, np.tile([0.0, 0.0, 1.0], (len(uv), 1))),
    )


def test_touching_clusters_become_one_hit_of_the_larger() -> None:
    detector = _modules(8, 0.15)
    corner = (0.025, 0.028125)  # the middle of a channel
    crossings = _hits(
        [corner, (0.075, 0.028125), (2.0, 2.0), (0.075, 0.028125), (0.125, 0.084375)],
        [0, 0, 0, 1, 1],  # the last two touch at a corner only
        detector,
    )
    clusters = digitise(detector, crossings.module, crossings.position, crossings.momentum)
    assert clusters.hit.tolist() == [0, 1, 2, 3, 4]
    clusters.value[1] = 0.4  # the second left more
    kept, merged = merge_touching(detector, crossings, clusters, Response())
    assert kept.particle_id.tolist() == [2, 3, 4, 5]
    assert merged.hit.tolist() == [0, 0, 1, 2, 3]
    assert merged.value.sum() == pytest.approx(clusters.value.sum())
    weight = 0.15 / 0.55
    u = weight * 0.025 + (1 - weight) * 0.075
    assert merged.position[0, 2] == pytest.approx(u, abs=1e-6)
    np.testing.assert_array_equal(merged.position[1:], clusters.position[2:])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60))
def test_after_merging_nothing_touches(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    detector = _modules(8, 0.15)
    crossings = _hits(
        [tuple(one) for one in rng.uniform(-0.4, 0.4, (n, 2))],
        np.sort(rng.integers(0, 2, n)).tolist(),
        detector,
    )
    clusters = digitise(detector, crossings.module, crossings.position, crossings.momentum)
    kept, merged = merge_touching(detector, crossings, clusters, Response())
    again, same = merge_touching(detector, kept, merged, Response())
    assert len(again) == len(kept)
    np.testing.assert_array_equal(same.ch0, merged.ch0)
    assert merged.value.sum() == pytest.approx(clusters.value.sum(), rel=1e-5)


# ---------------------------------------------------------------- settings that act


def test_a_moved_beam_spot_moves_every_vertex_by_as_much() -> None:
    gun = ParticleGun(particles=20)
    settings = SimulationSettings(pileup=0, hard="none", gun=gun)
    moved = replace(settings, beam_centre=(1.0, -2.0, 100.0))
    here, there = (Gun(gun, one).generate(np.random.default_rng(4)) for one in (settings, moved))
    np.testing.assert_allclose(there.vertex - here.vertex, [[1.0, -2.0, 100.0]] * 20)
    np.testing.assert_array_equal(there.momentum, here.momentum)


def test_displaced_gun_particles_are_born_away_from_the_beam() -> None:
    gun = ParticleGun(particles=4000, displaced=50.0, min_eta=-1, max_eta=1)
    made = Gun(gun, SimulationSettings(pileup=0, hard="none", gun=gun))
    particles = made.generate(np.random.default_rng(1))
    flight = np.hypot(particles.vertex[:, 0], particles.vertex[:, 1])
    assert flight.mean() == pytest.approx(50, rel=0.08)
    out = (particles.vertex[:, :2] * particles.momentum[:, :2]).sum(axis=1)
    assert (out > 0).mean() > 0.99  # they fly on outwards


def test_particles_are_born_as_far_out_as_the_detector_reaches() -> None:
    """TrackML's ends at 1028 mm; another one may be larger, or smaller."""
    for furthest in (2000.0, 300.0):
        planes = Planes(
            volume=1,
            position=(100.0, furthest),
            axis="x",
            width=20.0,
            length=20.0,
            thickness=0.3,
            x0=0.01,
            pitch_u=0.05,
        )
        gun = ParticleGun(particles=2000, displaced=900.0, min_eta=-0.001, max_eta=0.001)
        settings = SimulationSettings(
            pileup=0,
            hard="none",
            gun=gun,
            field=constant(0.0),
            detector=Description("any", constant(0.0), planes=(planes,)),
            preset="plain",
            beam_sigma_z=0.0,
        )
        born = Gun(gun, settings).generate(np.random.default_rng(0)).vertex
        assert furthest < settings.world.r < furthest + 40
        assert 0.9 * furthest < np.hypot(born[:, 0], born[:, 1]).max() < settings.world.r


def test_card_is_read_without_comments_and_without_what_is_fixed(tmp_path: Path) -> None:
    card = tmp_path / "higgs.cmnd"
    card.write_text("! a comment\n\n HiggsSM:gg2H   = on\n25:onMode = off\n# more\n")
    assert read_card(card) == ("HiggsSM:gg2H = on", "25:onMode = off")
    for text, says in (
        ("Beams:eCM = 13000.\n", "line 1 sets Beams:eCM"),
        ("Top:all = on\nRandom:seed = 3\n", "line 2 sets Random:seed"),
        ("! nothing\n", "no Pythia settings"),
    ):
        card.write_text(text)
        with pytest.raises(SettingsError, match=says):
            read_card(card)
    with pytest.raises(SettingsError, match="no Pythia card file"):
        read_card(tmp_path)


def test_settings_that_pythia_does_not_know_are_refused() -> None:
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    check_card(("HiggsSM:gg2H = on", "25:onMode = off"))
    with pytest.raises(SettingsError, match="'HigsSM:gg2H = on' of the card nor 1 more"):
        check_card(("HigsSM:gg2H = on", "25:onMode = off", "Foo:bar = 1"))


def test_whole_event_of_the_default_preset() -> None:
    """Pions through all the effects: some interact, charges fluctuate, tables fit together."""
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    gun = ParticleGun(particles=400, pdg=211, min_pt=0.5, max_pt=3)
    wanted = SimulationSettings(pileup=0, hard="none", gun=gun, merge=True)
    assert wanted.preset == "trackml-like"
    assert wanted.effects is PRESETS["trackml-like"]
    simulator = Simulator(wanted)
    event = simulator.event(1)
    particles, truth, cells = event.particles, event.truth, event.cells
    assert particles is not None
    assert truth is not None
    assert cells is not None
    born = np.hypot(particles.vx, particles.vy) > 1
    assert (~born).sum() == 400
    assert 20 < born.sum() < 600
    assert (particles.particle_type[born] == 2212).mean() == pytest.approx(0.4, abs=0.2)
    short = particles.nhits[~born] < 8
    assert 0.02 < short.mean() < 0.25
    known = particles.particle_id
    assert set(truth.particle_id.tolist()) <= {0, *known.tolist()}
    counts = np.bincount(np.searchsorted(known, truth.particle_id[truth.particle_id > 0]))
    np.testing.assert_array_equal(counts, particles.nhits[: len(counts)])
    assert truth.weight.sum() == pytest.approx(1, abs=1e-5)
    assert set(event.cells.hit_id.tolist()) == set(event.hits.hit_id.tolist())
    again = simulator.event(1)
    np.testing.assert_array_equal(again.hits.x, event.hits.x)
