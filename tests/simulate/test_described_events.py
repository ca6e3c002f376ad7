"""Events in described detectors: what a folder holds, and that it needs nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from hitgraph.cli import main
from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.positions import distances_from_modules
from hitgraph.event.source import read_event
from hitgraph.event.store import read_dataset_info
from hitgraph.settings import parse
from hitgraph.simulate import needs
from hitgraph.simulate.described.description import Description
from hitgraph.simulate.run import simulate
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator

CONTENT = {
    "name": "toy",
    "field": "constant:1.5",
    "cylinders": [
        {"volume": 3, "radius": [30.0, 60.0], "phi_modules": [16, 30], "z_modules": 6}
        | {"width": 15.0, "length": 50.0, "overlap": -0.5, "tilt": 200.0}
        | {"thickness": 0.2, "x0": 0.01, "pitch_u": 0.05, "pitch_v": 0.05},
        {"volume": 5, "radius": [120.0, 180.0], "phi_modules": [60, 90], "z_modules": 6}
        | {"width": 15.0, "length": 50.0, "overlap": -0.5, "tilt": 200.0}
        | {"thickness": 0.2, "x0": 0.01, "pitch_u": 0.08, "stereo": 40.0, "gap": 2.0},
    ],
}
TOY = SimulationSettings(
    pileup=0,
    hard="none",
    gun=ParticleGun(particles=30, min_pt=1, max_pt=5, min_eta=-0.5, max_eta=0.5),
    beam_sigma_z=5.0,
    noise=0.1,
    seed=4,
    preset="plain",
    detector=parse(Description, CONTENT),
    field=parse(Description, CONTENT).field,
)
SameEvent = Callable[[Event, Event], None]


def test_the_gun_in_a_described_detector_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda _: None)
    needs.require_simulation(TOY)
    with pytest.raises(MissingExtraError):
        needs.require_simulation(replace(TOY, pileup=5.0))
    with pytest.raises(MissingExtraError):
        needs.require_simulation(replace(TOY, detector=None))


def test_hits_lie_on_their_modules_and_have_the_cells_of_their_pitch() -> None:
    event = Simulator(TOY).event(7)
    assert event.detector is not None
    assert event.cells is not None
    assert event.truth is not None
    assert distances_from_modules(event, event.detector).max() < 1e-4
    seen = event.truth.particle_id > 0
    volume = event.hits.volume_id
    assert np.bincount(volume[seen], minlength=6)[[3, 5]].min() >= 30 * 2
    # a particle crosses both sides of a layer, a gap of 2 mm apart
    sides = event.hits.module_id[seen & (volume == 5)] % 2
    assert abs(int((sides == 0).sum()) - int((sides == 1).sum())) <= 8
    truth = np.stack([event.truth.tx, event.truth.ty, event.truth.tz], axis=1)
    hits = np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1)
    off = np.linalg.norm(hits - truth, axis=1)
    assert off[seen & (volume == 3)].max() < 0.2  # half a diagonal of a pixel, or wide clusters
    assert off[seen & (volume == 5)].max() < 25.2  # half a strip
    value = event.cells.value[np.isin(event.cells.hit_id, event.hits.hit_id[volume == 5])]
    assert (value == 1).all()
    assert event.cells.ch1[np.isin(event.cells.hit_id, event.hits.hit_id[volume == 5])].max() == 0


def test_an_event_depends_on_settings_and_number_only(assert_same_event: SameEvent) -> None:
    first, second = Simulator(TOY), Simulator(TOY)
    first.event(1)
    assert_same_event(first.event(2), second.event(2))
    with pytest.raises(AssertionError):
        assert_same_event(first.event(2), Simulator(replace(TOY, seed=5)).event(2))


def test_a_folder_goes_on_in_its_detector_only(tmp_path: Path) -> None:
    simulate(TOY, tmp_path / "a", [1])
    assert simulate(TOY, tmp_path / "a", [1, 2], resume=True).skipped == [1]
    settings = read_dataset_info(tmp_path / "a")["settings"]
    assert parse(Description, settings["detector"]) == TOY.detector
    event = read_event(tmp_path / "a" / "event000000002")
    assert event.field is not None
    assert event.field.name == "constant:1.5"
    thicker = dict(CONTENT, cylinders=[CONTENT["cylinders"][0] | {"x0": 0.02}])  # type: ignore
    other = replace(TOY, detector=parse(Description, thicker))
    with pytest.raises(SettingsError, match=r"were made with detector"):
        simulate(other, tmp_path / "a", [3], resume=True)


def test_the_preset_of_trackml_is_for_its_detector() -> None:
    with pytest.raises(SettingsError, match=r"preset = trackml-like: allowed is plain with"):
        replace(TOY, preset="trackml-like")


def test_beams_fly_where_they_are_told() -> None:
    gun = ParticleGun(particles=500, min_eta=0, max_eta=0, min_phi=0.1, max_phi=0.2, spread=2.0)
    made = Simulator(replace(TOY, gun=gun, beam_sigma_xy=0.0, beam_sigma_z=0.0))
    particles = made.event(1).particles
    assert particles is not None
    phi = np.arctan2(particles.py, particles.px)
    assert 0.1 <= phi.min() < 0.11 < 0.19 < phi.max() <= 0.2 + 1e-6
    for column in (particles.vx, particles.vy, particles.vz):
        assert np.std(column) == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("wrong", [{"min_phi": 1.0, "max_phi": 0.5}, {"spread": -1.0}])
def test_impossible_beams_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"gun\.(min_phi|spread)"):
        replace(ParticleGun(), **wrong)


def test_the_command_takes_a_file_and_its_field(tmp_path: Path) -> None:
    path, out = tmp_path / "toy.yaml", tmp_path / "events"
    path.write_text(yaml.safe_dump(CONTENT), encoding="utf-8")
    gun = ["--particle-gun", "3", "--events", "1", "--workers", "1", "--quiet"]
    note = tmp_path / "made.json"
    words = ["simulate", str(out), "--detector", str(path), *gun, "--json", str(note)]
    assert main(words) == 0
    made = json.loads(note.read_text(encoding="utf-8"))["settings"]
    assert made["field"] == made["detector"]["field"] == "constant:1.5"
    assert made["preset"] == "plain"
    assert (
        main(["simulate", str(tmp_path / "b"), "--detector", str(path), "--field", "2", *gun]) == 2
    )
    assert main(["simulate", str(tmp_path / "c"), "--detector", "nothing", *gun]) == 2


@pytest.mark.parametrize(("eta", "hits"), [("-0.001:0.001", True), ("2:3", False)])
def test_particles_that_miss_the_detector_are_spoken_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], eta: str, hits: bool
) -> None:
    gun = ["--particle-gun", "2", f"--gun-eta={eta}", "--gun-phi=-0.001:0.001"]
    gun += ["--beam-spot", "0:0"]
    words = ["simulate", str(tmp_path), "--detector", "telescope", "--events", "1", *gun]
    assert main([*words, "--workers", "1", "--quiet"]) == 0
    assert ("no event has a hit" in capsys.readouterr().err) == (not hits)
    assert bool(read_event(tmp_path / "event000001000").n_hits) == hits
