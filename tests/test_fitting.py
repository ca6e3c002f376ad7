"""hitgraph fit without ACTS: the helix fit, the stages of a pipeline, and what is refused."""

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from tests.trained import tiny_mapping, train_quietly

import hitgraph
from hitgraph.cli import CANNOT_START, OK, SOME_FAILED, main
from hitgraph.errors import InputError
from hitgraph.evaluation.fit_quality import fit_quality
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.event.event import Event
from hitgraph.event.fits import fits_path, method_of, read_fits
from hitgraph.event.trackml import write_submission
from hitgraph.fitting import LearntFit, helix_fit
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.reconstruct import tracks_path
from hitgraph.settings import parse

DEMO = Path(str(files("hitgraph"))) / "demo_event"


@pytest.fixture(scope="module")
def event() -> Event:
    return hitgraph.read_event(DEMO / "event000001000")


@pytest.fixture
def tracks(event: Event, tmp_path: Path) -> Path:
    """A folder with the tracks of a perfect finder."""
    path = tracks_path(tmp_path, event.name, "csv")
    write_submission(path, event.name, event.hits.hit_id, truth_labels(event) + 1)
    return tmp_path


@pytest.fixture(scope="module")
def taught(tiny_store: Path, tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline with a helix fit and a regression behind it."""
    mapping = tiny_mapping()
    mapping["stages"] += [
        {"name": "fit", "use": "helix_fit"},
        {
            "name": "parameters",
            "use": "regression",
            "network": {"hidden": 8, "layers": 1},
            "training": {"epochs": 1},
        },
    ]
    folder = tmp_path_factory.mktemp("taught")
    start = Pipeline.load(tiny_pipeline)
    train_quietly(parse(Recipe, mapping), tiny_store, folder / "taught", start=start)
    return folder / "taught"


def test_true_tracks_have_unit_pulls_in_the_field_of_the_detector(event: Event) -> None:
    """Full simulation: solenoid, scattering, energy loss, all in the material of ACTS."""
    labels = truth_labels(event)
    fits = helix_fit(event, labels)
    quality = fit_quality(event, labels, fits)
    assert len(quality) > 100
    for k in range(5):
        assert 0.7 < quality.pull_width(k) < 1.4
        assert abs(quality.pull_mean(k)) < 0.4
        assert quality.tail(k) < 0.05
    assert quality.resolution(4) < 0.06  # of the momentum
    assert np.median(fits.chi2 / fits.ndf) == pytest.approx(1, abs=0.3)


def test_track_numbers_are_those_given(event: Event) -> None:
    labels = truth_labels(event)
    one, other = helix_fit(event, labels), helix_fit(event, np.where(labels < 0, -7, 3 * labels))
    np.testing.assert_array_equal(3 * one.track_id, other.track_id)
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_without_its_detector_an_event_is_refused(event: Event) -> None:
    with pytest.raises(InputError, match="event000001000: no detectors table"):
        helix_fit(replace(event, detector=None), truth_labels(event))


def test_the_file_tells_the_method_and_another_is_refused(
    tracks: Path, event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fit", str(DEMO), "--tracks", str(tracks)]
    assert main(command) == OK
    path = fits_path(tracks, event.name)
    assert method_of(path) == "helix"
    shown = capsys.readouterr().out
    assert "resolution of d0" in shown
    assert re.search(r"fitted by\W+helix", shown)
    assert main([*command, "--resume", "--method", "kalman"]) == SOME_FAILED
    assert "was fitted by the method helix, now it is kalman" in capsys.readouterr().err
    assert main([*command, "--resume"]) == OK
    assert "0 events fitted" in capsys.readouterr().out


def test_a_pipeline_that_finds_parameters_writes_what_fit_writes(
    tiny_store: Path, taught: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "ours"
    words = [str(tiny_store), "--pipeline", str(taught), "--quiet"]
    assert main(["reconstruct", *words, "--out", str(ours)]) == OK
    (first, *_) = sorted(ours.glob("*-fits.parquet"))
    before = read_fits(first)
    command = ["fit", *words, "--tracks", str(ours), "--method", "learnt", "--force"]
    assert main(command) == OK
    after = read_fits(first)
    assert method_of(first).startswith("learnt ")
    assert len(before) > 0
    np.testing.assert_array_equal(before.track_id, after.track_id)
    np.testing.assert_allclose(before.parameters, after.parameters, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(before.covariance, after.covariance, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(before.field, after.field, rtol=1e-6)


def test_a_pipeline_without_such_a_stage_is_refused(
    tiny_store: Path, tiny_pipeline: Path, tracks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fit", str(tiny_store), "--tracks", str(tracks), "--method", "learnt"]
    assert main([*command, "--pipeline", str(tiny_pipeline)]) == CANNOT_START
    assert "has no stage that finds parameters of tracks" in capsys.readouterr().err
    assert main(command) == CANNOT_START
    assert "--pipeline: says which pipeline fits" in capsys.readouterr().err
    assert main(["fit", str(tiny_store), "--tracks", str(tracks), "--pipeline", "compact"]) == 2


def test_a_learnt_fit_is_for_the_events_of_its_detector(event: Event, taught: Path) -> None:
    with pytest.raises(InputError, match="detectors table of"):
        LearntFit(str(taught))(event, truth_labels(event))
