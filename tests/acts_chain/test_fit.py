"""Tracks through the Kalman filter, and the combinatorial Kalman filter beside it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")

from hitgraph.acts import fit_tracks
from hitgraph.acts.algorithms import FoundTrack, track_labels
from hitgraph.acts.geometry import generic_geometry
from hitgraph.acts.measurements import measurements_of
from hitgraph.baseline.ckf import Ckf
from hitgraph.baseline.seeded import SeededCkf, Seeder
from hitgraph.baseline.settings import STIFF
from hitgraph.cli import main
from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation import evaluate, truth_labels
from hitgraph.evaluation.fit_quality import fit_quality
from hitgraph.evaluation.run_summary import read_run
from hitgraph.event.event import Event
from hitgraph.event.field import constant, solenoid
from hitgraph.event.fits import fits_path, read_fits
from hitgraph.event.rows import select_hits
from hitgraph.event.store import write_detectors, write_event
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.settings import parse, to_dict
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator


@pytest.fixture(scope="module")
def event() -> Event:
    """Sixty muons of 1 to 5 GeV and 15 % noise."""
    gun = ParticleGun(particles=60, min_pt=1, max_pt=5, min_eta=-2, max_eta=2)
    settings = SimulationSettings(pileup=0, hard="none", gun=gun, seed=5, preset="plain")
    return Simulator(settings).event(1000)


@pytest.fixture(scope="module")
def store(event: Event, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_event(event, folder)
    assert event.detector is not None
    write_detectors(event.detector, folder)
    return folder


def test_measurements_are_the_hits(event: Event) -> None:
    geometry = generic_geometry()
    measurements = measurements_of(event, geometry)
    assert sorted(measurements.hit.tolist()) == list(range(event.n_hits))
    assert (np.diff(measurements.identifier) >= 0).all()
    module = np.array([geometry.module_of[one] for one in measurements.identifier.tolist()])
    local = np.concatenate([measurements.local, np.zeros((len(measurements), 1))], axis=1)
    table = geometry.table
    position = table.centre[module] + np.einsum("nij,nj->ni", table.rotation[module], local)
    hits = np.stack([event.hits.x, event.hits.y, event.hits.z], 1)[measurements.hit]
    np.testing.assert_allclose(position, hits, atol=2e-3)


def test_measurement_errors_are_those_of_the_hits(event: Event) -> None:
    """Distances from the true positions are as large as the variances say."""
    geometry = generic_geometry()
    measurements = measurements_of(event, geometry)
    assert event.truth is not None
    truth = np.stack([event.truth.tx, event.truth.ty, event.truth.tz], 1)[measurements.hit]
    real = event.truth.particle_id[measurements.hit] > 0
    module = np.array([geometry.module_of[one] for one in measurements.identifier.tolist()])
    table = geometry.table
    local = np.einsum("nji,nj->ni", table.rotation[module], truth - table.centre[module])
    pull = ((measurements.local - local[:, :2]) / np.sqrt(measurements.variance))[real]
    assert np.abs(pull.mean(axis=0)).max() < 0.15
    assert (np.abs(pull.std(axis=0) - 1) < 0.25).all()


def test_true_tracks_have_unit_pulls(event: Event) -> None:
    labels = truth_labels(event)
    fits = fit_tracks(event, labels)
    assert len(fits) >= 0.97 * (labels.max() + 1)
    quality = fit_quality(event, labels, fits)
    for k in range(5):
        assert 0.6 < quality.pull_width(k) < 1.6
        assert abs(quality.pull_mean(k)) < 0.6
    assert quality.resolution(0) < 0.2  # mm
    assert quality.resolution(4) < 0.05  # of the momentum
    assert np.median(fits.chi2 / fits.ndf) == pytest.approx(1, abs=0.3)


def test_each_event_is_fitted_in_its_own_field(event: Event) -> None:
    """In another field the momentum is wrong by its factor: 10 % off in 0.9 of the field."""
    assert event.field == solenoid()
    assert event.particles is not None
    labels = truth_labels(event)
    own = fit_tracks(event, labels)
    told = fit_tracks(replace(event, field=solenoid(0.9)), labels)
    asked = fit_tracks(event, labels, solenoid(0.9))
    for name in ("track_id", "parameters", "field"):
        np.testing.assert_array_equal(getattr(told, name), getattr(asked, name))
    np.testing.assert_allclose(own.field, solenoid().at(0.0, own.parameters[:, 1])[1], rtol=1e-6)
    np.testing.assert_array_equal(own.track_id, told.track_id)
    ratio = own.parameters[:, 4] / told.parameters[:, 4]  # of charge over momentum
    assert np.median(ratio) == pytest.approx(0.9, abs=0.01)
    right = fit_quality(event, labels, own)
    assert abs(np.median(right.residual[:, 4])) < 0.01


def test_pieces_at_the_ends_of_the_solenoid_are_fitted_without_bias() -> None:
    """Muons at |eta| from 2 to 2.5 end where the field is half of what it is at the centre."""
    gun = ParticleGun(particles=150, min_pt=1, max_pt=3, min_eta=2.0, max_eta=2.5)
    settings = SimulationSettings(pileup=0, hard="none", gun=gun, seed=6, preset="plain", noise=0)
    event = Simulator(settings).event(1000)
    labels = truth_labels(event)
    biases = []
    for field in (None, constant(1.983)):
        quality = fit_quality(event, labels, fit_tracks(event, labels, field))
        error = quality.resolution(4) / np.sqrt(len(quality))
        biases.append(abs(np.median(quality.residual[:, 4])) / error)
    assert biases[0] < 4
    assert biases[1] > 8


def test_the_ckf_searches_in_the_event_s_field(event: Event) -> None:
    """In 9 T, which no event had, ACTS refuses to look for seeds of 0.5 GeV."""
    np.testing.assert_array_equal(
        Ckf().run(event).labels, Ckf(field=solenoid()).run(replace(event, field=None)).labels
    )
    strong = replace(event, field=constant(9))
    for finder, taken in ((Ckf(), strong), (Ckf(field=constant(9)), event)):
        with pytest.raises(InputError, match=r"event000001000: ACTS gave up on this event .*minPt"):
            finder.run(taken)
    Ckf(field=solenoid()).run(strong)


def test_in_a_field_turned_around_it_finds_as_much(event: Event) -> None:
    gun = ParticleGun(particles=60, min_pt=1, max_pt=5, min_eta=-2, max_eta=2)
    settings = SimulationSettings(
        pileup=0, hard="none", gun=gun, seed=5, preset="plain", field=solenoid(-1)
    )
    turned = Simulator(settings).event(1000)
    scores = [evaluate(one, Ckf().run(one).labels).score for one in (event, turned)]
    assert scores[1] == pytest.approx(scores[0], abs=0.05)


def test_where_no_track_can_be_fitted_there_are_none(event: Event) -> None:
    nothing = fit_tracks(event, np.full(event.n_hits, -1))
    assert len(nothing) == 0
    assert nothing.parameters.shape == (0, 5)
    assert nothing.covariance.shape == (0, 5, 5)


def test_an_event_without_hits_has_no_tracks_and_ends_no_command(
    event: Event, tmp_path: Path
) -> None:
    nothing = select_hits(event, np.zeros(event.n_hits, bool))
    empty = replace(nothing, name="event000001001")
    folder, tracks = tmp_path / "events", str(tmp_path / "tracks")
    for one in (event, empty):
        write_event(one, folder)
    assert event.detector is not None
    write_detectors(event.detector, folder)
    assert main(["baseline", "ckf", str(folder), "--out", tracks, "--quiet"]) == 0
    assert main(["fit", str(folder), "--tracks", tracks, "--method", "kalman", "--quiet"]) == 0
    assert len(read_fits(fits_path(Path(tracks), empty.name))) == 0


def test_ckf_finds_muons_and_passes_share_nothing(event: Event) -> None:
    result = Ckf().run(event)
    found = evaluate(event, result.labels)
    double = found.matchings["double majority"]
    assert double.efficiency[1].technical.value > 0.93
    assert double.purity.value > 0.93
    assert [stage.name for stage in result.stages][:2] == ["to ACTS", "space points"]
    one = evaluate(event, Ckf((STIFF,)).run(event).labels)
    assert found.n_hits_on_tracks >= one.n_hits_on_tracks  # a pass adds, it never takes away


def test_the_ckf_follows_the_seeds_of_a_pipeline(event: Event) -> None:
    seeder = Seeder(Pipeline.load("quickstart"))
    seeds = seeder(event)
    assert event.truth is not None
    distance = np.hypot(event.hits.x, event.hits.y) ** 2 + event.hits.z.astype(float) ** 2
    assert (np.diff(distance[seeds], axis=1) > 0).all()  # from the inner to the outer hit
    assert len(np.unique(seeds[:, 0])) == len(seeds)  # one a track
    result = SeededCkf(seeder).run(event)
    double = evaluate(event, result.labels).matchings["double majority"]
    assert double.efficiency[1].technical.value > 0.9
    assert double.purity.value > 0.9
    assert [stage.name for stage in result.stages][:2] == ["pipeline", "to ACTS"]


def test_seeds_come_from_edges_with_scores() -> None:
    known = Pipeline.load("quickstart")
    mapping = to_dict(known.recipe) | {"stages": [{"name": "all", "use": "transformer"}]}
    without = replace(known, recipe=parse(Recipe, mapping), stages={})
    with pytest.raises(SettingsError, match="--seeds: no stage of the pipeline quickstart scores"):
        Seeder(without)


def test_tracks_of_other_seeds_are_not_mixed(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["baseline", "ckf", str(store), "--out", str(tmp_path), "--quiet"]
    assert main([*command, "--seeds", "quickstart"]) == 0
    run = read_run(tmp_path)
    assert run is not None
    assert run.pipeline == "ckf seeded by quickstart"
    assert main([*command, "--resume"]) == 2
    assert "that ckf seeded by quickstart" in capsys.readouterr().err


def test_a_hit_goes_to_the_longer_track_then_the_lower_chi2() -> None:
    tracks = [FoundTrack([0, 1, 2], 1.0), FoundTrack([2, 3, 4, 5], 9.0), FoundTrack([5, 6, 0], 0.5)]
    assert track_labels(tracks, 8).tolist() == [1, 2, 0, 0, 0, 0, 1, -1]


def test_another_detector_is_refused(tiny_event: Event) -> None:
    with pytest.raises(InputError, match="only events in the TrackML detector"):
        Ckf().run(tiny_event)


def test_commands_set_both_side_by_side(
    event: Event, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
    ours, ckf = tmp_path / "ours", tmp_path / "ckf"
    assert main(["reconstruct", str(store), "--out", str(ours), "--quiet"]) == 0
    assert main(["baseline", "ckf", str(store), "--out", str(ckf), "--quiet"]) == 0
    run = read_run(ckf)
    assert run is not None
    assert (run.pipeline, run.n_events) == ("ckf", 1)
    for folder in (ours, ckf):
        assert (
            main(["fit", str(store), "--tracks", str(folder), "--method", "kalman", "--quiet"]) == 0
        )
        fits = read_fits(fits_path(folder, event.name))
        assert len(fits) > 50
    table = tmp_path / "metrics.json"
    command = ["evaluate", str(ours), str(ckf), "--truth", str(store), "--json", str(table)]
    assert main(command) == 0
    assert "resolution of d0" in capsys.readouterr().out
    content = json.loads(table.read_text())
    assert set(content["tracks"]) == set(content["fits"]) == {"ours", "ckf"}
    page = tmp_path / "report.html"
    assert main(["report", str(ours), str(ckf), "--truth", str(store), "--out", str(page)]) == 0
    text = page.read_text()
    assert "Fitted tracks" in text
    assert "Resolution against pT" in text


def test_resume_keeps_what_is_there(store: Path, tmp_path: Path) -> None:
    command = ["baseline", "ckf", str(store), "--out", str(tmp_path), "--resume", "--quiet"]
    assert main(command) == 0
    (tracks,) = tmp_path.glob("*-tracks.csv")
    before = tracks.stat().st_mtime_ns
    assert main(command) == 0
    assert tracks.stat().st_mtime_ns == before


def test_fits_are_written_over_only_when_asked_to_or_when_the_tracks_are_newer(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baseline", "ckf", str(store), "--out", str(tmp_path), "--quiet"]) == 0
    command = ["fit", str(store), "--tracks", str(tmp_path), "--method", "kalman"]
    assert main(command) == 0
    (fits,), (tracks,) = tmp_path.glob("*-fits.parquet"), tmp_path.glob("*-tracks.csv")
    found, fitted = 10**9, 2 * 10**9  # long ago, whatever the clock's ticks are
    os.utime(tracks, ns=(found, found))
    os.utime(fits, ns=(fitted, fitted))
    assert main(command) == 2
    assert "already: --resume keeps them and goes on, --force fits again" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert "0 events fitted" in capsys.readouterr().out
    assert fits.stat().st_mtime_ns == fitted
    assert main([*command, "--force"]) == 0
    assert fits.stat().st_mtime_ns > fitted
    os.utime(fits, ns=(found, found))
    os.utime(tracks, ns=(fitted, fitted))  # found again, a second later
    assert main([*command, "--resume"]) == 0
    assert fits.stat().st_mtime_ns > fitted


@pytest.mark.parametrize(
    "command", ["baseline ckf EVENTS --out OUT", "fit EVENTS --tracks OUT --method kalman"]
)
def test_without_acts_the_extra_is_named(
    command: str,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hitgraph.acts.geometry.find_spec", lambda _: None)
    words = {"EVENTS": str(store), "OUT": str(tmp_path)}
    assert main([words.get(word, word) for word in command.split()]) == 2
    assert "pip install 'hitgraph[sim]'" in capsys.readouterr().err
