"""The magnetic field and the material that simulated particles go through."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")

from hitgraph.cli import main
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import (
    CURVATURE,
    MagneticField,
    constant,
    read_field,
    solenoid,
    write_field,
)
from hitgraph.event.modules import read_detectors
from hitgraph.event.source import read_event
from hitgraph.event.store import read_dataset_info
from hitgraph.event.truth import particle_rows
from hitgraph.simulate.digitise import Response, digitise
from hitgraph.simulate.fatras import build_detector
from hitgraph.simulate.material import TUNED
from hitgraph.simulate.run import simulate
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator
from hitgraph.workers import Workers

MUONS = ParticleGun(particles=300, min_pt=1, max_pt=3, min_eta=-2.5, max_eta=2.5)


def gun_settings(gun: ParticleGun = MUONS, **more: object) -> SimulationSettings:
    base = SimulationSettings(pileup=0, hard="none", gun=gun, noise=0, seed=11, preset="plain")
    return replace(base, **more)


def segments(event: Event) -> tuple[np.ndarray, np.ndarray]:
    """Hits (n, 2) that follow each other on one particle, on different layers."""
    hits, truth = event.hits, event.truth
    assert truth is not None
    rows = particle_rows(event)
    distance = np.sqrt(truth.tx.astype(float) ** 2 + truth.ty**2 + truth.tz**2)
    order = np.lexsort((distance, rows))
    a, b = order[:-1], order[1:]
    layer = hits.volume_id * 100 + hits.layer_id
    keep = (rows[a] == rows[b]) & (rows[a] >= 0) & (layer[a] != layer[b])
    return a[keep], b[keep]


def columns(event: Event, names: str) -> np.ndarray:
    return np.stack([getattr(event.truth, name) for name in names.split()], 1).astype(float)


# ---------------------------------------------------------------- the way of the particles


@pytest.mark.parametrize("field", [solenoid(), solenoid(-0.5), constant(1)])
def test_particles_turn_by_the_field_along_their_way(field: MagneticField) -> None:
    """dphi/ds = -0.3 q / pT (Bz - cot(theta) (Br along the direction)), s in the x-y plane."""
    event = Simulator(gun_settings(field=field)).event(1)
    particles = event.particles
    assert particles is not None
    a, b = segments(event)
    x, p = columns(event, "tx ty tz"), columns(event, "tpx tpy tpz")
    q = particles.q[particle_rows(event)[a]]
    pt = np.hypot(p[a, 0], p[a, 1])
    phi = np.arctan2(p[:, 1], p[:, 0])
    turn = np.angle(np.exp(1j * (phi[b] - phi[a])))
    length = np.hypot(*(x[b] - x[a])[:, :2].T)
    mean = np.zeros(len(a))
    steps = (np.arange(40) + 0.5) / 40
    for step in steps:  # straight on from hit to hit: these are stiff
        place = x[a] + step * (x[b] - x[a])
        r = np.hypot(place[:, 0], place[:, 1])
        direction = phi[a] + step * turn
        br, bz = field.at(r, place[:, 2])
        along = (place[:, 0] * np.cos(direction) + place[:, 1] * np.sin(direction)) / r
        mean += (bz - p[a, 2] / pt * br * along) / len(steps)
    expected = -CURVATURE * q / pt * mean * length
    long = length > 20
    turned, expected = turn[long], expected[long]
    assert len(turned) > 1000
    slope = (turned * expected).sum() / (expected**2).sum()
    assert slope == pytest.approx(1, abs=0.01)  # scattering averages out
    assert np.median(np.abs(turned - expected)) < 0.003  # rad


@pytest.mark.parametrize("pdg", [321, 2212])
def test_every_hadron_loses_what_a_pion_loses(
    pdg: int, assert_same_event: Callable[[Event, Event], None]
) -> None:
    pions, others = (
        Simulator(gun_settings(replace(MUONS, pdg=one, particles=40))).event(1)
        for one in (211, pdg)
    )
    assert pions.particles is not None
    assert others.particles is not None
    assert set(np.abs(others.particles.particle_type).tolist()) == {pdg}
    renamed = replace(others.particles, particle_type=pions.particles.particle_type)
    assert_same_event(replace(others, particles=renamed), pions)


def test_muons_and_electrons_are_not_stepped_as_pions() -> None:
    hits = [
        Simulator(gun_settings(replace(MUONS, pdg=one, particles=40))).event(1).hits.x
        for one in (211, 13, 11)
    ]
    assert not np.array_equal(hits[0], hits[1])
    assert not np.array_equal(hits[0], hits[2])


# ---------------------------------------------------------------- material


def most_probable_loss(beta_gamma: float, millimetres: float) -> float:
    """MeV in silicon, of the density of the layers. PDG review 2024, equation 34.12 and table."""
    mass, excitation, j = 0.511e6, 173.0, 0.2  # eV, eV
    beta2 = beta_gamma**2 / (1 + beta_gamma**2)
    xi = 0.307075e6 / 2 * 14 / 28.085 * TUNED * 2.329 * millimetres / 10 / beta2  # eV
    x = np.log10(beta_gamma)
    density = 2 * np.log(10) * x - 4.4355 + 0.14921 * (2.8715 - x) ** 3.2546
    logs = np.log(2 * mass * beta_gamma**2 / excitation) + np.log(xi / excitation)
    return float(xi * (logs + j - beta2 - density)) / 1e6


def test_muons_lose_what_the_layers_of_silicon_take() -> None:
    """The median of a Landau distribution lies 1.36 xi above the most probable loss, 8 % here.

    From one layer to the next it is a module and a slab beside the next layer, as thick as the
    geometry of ACTS says.
    """
    muons = replace(MUONS, min_pt=1.9, max_pt=2.1, particles=600, min_eta=-0.3, max_eta=0.3)
    event = Simulator(gun_settings(muons)).event(1)
    a, b = segments(event)
    momentum = np.linalg.norm(columns(event, "tpx tpy tpz"), axis=1)
    lost = 1000 * (momentum[a] - momentum[b])
    hits = event.hits
    for volume, layer, silicon in ((8, 2, 0.15 + 1.5), (8, 4, 0.15 + 1.5), (13, 2, 0.25 + 2.0)):
        here = (hits.volume_id[a] == volume) & (hits.layer_id[a] == layer)
        assert here.sum() > 500
        expected = 1.08 * most_probable_loss(2.0 / 0.10566, silicon)
        assert np.median(lost[here]) == pytest.approx(expected, rel=0.12), (volume, layer)


def test_only_the_density_of_the_modules_is_another() -> None:
    import acts
    from acts.examples import GenericDetector

    def modules(detector: object) -> dict[int, str]:
        surfaces = detector.trackingGeometry().extractMaterialSurfaces()  # type: ignore[attr-defined]
        return {
            one.geometryId.value: one.surfaceMaterial.toString()
            for one in surfaces
            if one.geometryId.sensitive
        }

    thin, ours = GenericDetector(logLevel=acts.logging.ERROR), build_detector()
    before, after = modules(thin), modules(ours)
    assert len(before) == 18_728
    assert before.keys() == after.keys()
    for key, text in before.items():
        facts, mine = (dict(_facts(one)) for one in (text, after[key]))
        assert {name for name in facts if facts[name] != mine[name]} == {"molar_rho", "molar_e_rho"}
        assert float(mine["molar_rho"]) == pytest.approx(TUNED * 2.32e-3 / 28.03, rel=1e-4)


def _facts(material: str) -> list[tuple[str, str]]:
    """('x0', '95.7') and so on, of what ACTS prints of a slab."""
    words = material.replace("\n", "|").replace(" ", "").replace(":", "|").split("|")
    return [tuple(word.split("=")) for word in words if word.count("=") == 1]  # type: ignore[misc]


# ---------------------------------------------------------------- charge in the sensors


@pytest.mark.parametrize("volume", [8, 13, 17])
def test_charge_drifts_as_the_field_is_where_the_module_stands(volume: int) -> None:
    """A module near the end of the solenoid, in the same field as one in the middle of a weaker."""
    z = 2400.0
    detector = _barrel_module(volume, z)
    here = float(solenoid().at(100.0, z)[1])
    assert 0 < here < 0.75 * solenoid().centre
    far, middle, strong, none = (
        _digitise(detector, field).position[0]
        for field in (solenoid(), constant(here), constant(2.0), constant(0.0))
    )
    np.testing.assert_allclose(far, middle, atol=1e-9)
    assert not np.allclose(far, strong, atol=1e-4)
    assert not np.allclose(far, none, atol=1e-4)


def _barrel_module(volume: int, z: float) -> Detector:
    one = np.ones(1)
    pitch_u, pitch_v = (0.05, 0.05625) if volume < 10 else (0.08, 1.2)
    return Detector(
        volume_id=one.astype(np.int32) * volume,
        layer_id=one.astype(np.int32),
        module_id=one.astype(np.int32),
        centre=np.array([[100.0, 0.0, z]]),
        rotation=np.array([[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]),
        half_thickness=one * 0.3,
        min_half_u=one * 8.4,
        max_half_u=one * 8.4,
        half_v=one * 36.0,
        pitch_u=one * pitch_u,
        pitch_v=one * pitch_v,
    )


def _digitise(detector: Detector, field: MagneticField):
    return digitise(
        detector,
        np.zeros(1, np.int64),
        detector.centre + np.array([[0.0, 0.011, 0.0]]),
        np.array([[1.0, 0.3, 0.0]]),
        Response(drift_field=field),
    )


# ---------------------------------------------------------------- the command


GUN_OPTIONS = ("--events", "1", "--particle-gun", "5", "--workers", "1", "--quiet")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "measured.txt"
    write_field(solenoid(0.8), path)
    return path


@pytest.mark.usefixtures("one_import")
@pytest.mark.parametrize("text", [None, "solenoid", "solenoid:-1", "constant:2", "table"])
def test_every_kind_of_field_is_kept_with_its_events(
    text: str | None, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    option = [] if text is None else ["--field", str(table) if text == "table" else text]
    assert main(["simulate", str(out), *GUN_OPTIONS, *option]) == 0
    expected = read_field(table) if text == "table" else None
    name = expected.name if expected else text or "solenoid"
    assert read_dataset_info(out)["settings"]["field"] == name
    event = read_event(out)
    for kept in (event.field, read_detectors(out / "detectors.parquet").field):
        assert kept is not None
        assert kept.name == name
        if expected:
            np.testing.assert_allclose(kept.at(700, 1234), expected.at(700, 1234), rtol=1e-12)
    capsys.readouterr()
    assert main(["info", str(out)]) == 0
    assert f"magnetic field: {name}" in capsys.readouterr().out
    again = ["simulate", str(out), *GUN_OPTIONS, "--resume"]
    assert main([*again, *option]) == 0
    assert main([*again, "--field", "solenoid:0.5"]) == 2
    assert f"field {name} (now solenoid:0.5)" in capsys.readouterr().err


def test_a_bad_table_is_refused_before_any_work(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:700] + lines[701:]))
    command = ["simulate", str(tmp_path / "out"), *GUN_OPTIONS, "--field", str(table)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"{table}: line 701 has r, z" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_worker_processes_get_the_table(
    table: Path, tmp_path: Path, assert_same_event: Callable[[Event, Event], None]
) -> None:
    settings = gun_settings(replace(MUONS, particles=20), field=read_field(table))
    out = tmp_path / "out"
    result = simulate(settings, out, range(1, 3), Workers(2))
    assert not result.failed
    simulator = Simulator(settings)
    for number in (1, 2):
        event = read_event(out / f"event{number:09d}")
        assert_same_event(replace(event, detector=simulator.detector), simulator.event(number))
