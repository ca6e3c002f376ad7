"""hitgraph vertices, and the vertices in hitgraph evaluate."""

import json
import os
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

import hitgraph
from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.event.fits import fits_path, write_fits
from hitgraph.event.trackml import write_submission
from hitgraph.event.vertices import find_vertices, read_vertices
from hitgraph.fitting import helix_fit
from hitgraph.reconstruct import tracks_path

DEMO = Path(str(files("hitgraph"))) / "demo_event"


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tracks of a perfect finder, fitted."""
    folder = tmp_path_factory.mktemp("perfect")
    event = hitgraph.read_event(DEMO / "event000001000")
    labels = truth_labels(event) + 1
    write_submission(tracks_path(folder, event.name, "csv"), event.name, event.hits.hit_id, labels)
    fits = helix_fit(event, labels - (labels == 0))
    write_fits(fits, fits_path(folder, event.name), "helix")
    return folder


def test_most_collisions_of_a_simulated_event_are_found(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At pile-up 200, where collisions lie 0.7 mm apart and soft tracks are known to as much."""
    outs = {finder: tmp_path / finder for finder in ("stacking", "imaging")}
    for finder, out in outs.items():
        assert main(["vertices", str(tracks), "--finder", finder, "--out", str(out)]) == OK
    assert "vertices of 1 events" in capsys.readouterr().out
    found = ["--vertices", *map(str, outs.values()), "--json", str(tmp_path / "quality.json")]
    assert main(["evaluate", str(tracks), "--truth", str(DEMO), *found]) == OK
    judged = json.loads((tmp_path / "quality.json").read_text())["vertices"]
    assert list(judged) == list(outs)
    for quality in judged.values():
        assert quality["n_collisions"] > 50
        assert quality["efficiency"] > 0.6
        assert quality["purity"] > 0.5
        assert quality["resolution_z"] < 0.3
    text = capsys.readouterr().out
    assert text.index("score") < text.index("Primary vertices") < text.index("split vertices")


def test_what_is_there_stays_unless_it_is_forced(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["vertices", str(tracks), "--out", str(tmp_path), "--quiet"]
    assert main(line) == OK
    (path,) = find_vertices(tmp_path).values()
    before = path.stat().st_mtime_ns
    assert main(line) == CANNOT_START
    assert "holds vertices of event000001000 already" in capsys.readouterr().err
    assert main([*line, "--resume"]) == OK
    assert path.stat().st_mtime_ns == before
    assert main([*line, "--resume", "--finder", "imaging"]) == CANNOT_START
    assert "was found by stacking, now it is imaging" in capsys.readouterr().err
    assert main([*line, "--force", "--finder", "imaging"]) == OK
    assert len(read_vertices(path)) > 0


def test_tracks_without_parameters_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracks = tmp_path / "event000001000-tracks.csv"
    tracks.write_text("hit_id,track_id\n1,1\n")
    assert main(["vertices", str(tmp_path), "--out", str(tmp_path / "out")]) == CANNOT_START
    error = capsys.readouterr().err
    assert f"{tracks}: its tracks have no parameters" in error
    assert "hitgraph fit" in error
    assert not (tmp_path / "out").exists()


def test_parameters_of_older_tracks_are_refused(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in tracks.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    os.utime(fits_path(tmp_path, "event000001000"), (0, 0))
    assert main(["vertices", str(tmp_path), "--out", str(tmp_path / "out")]) == CANNOT_START
    assert "is older than event000001000-tracks.csv" in capsys.readouterr().err


def test_vertices_are_judged_with_the_one_folder_they_are_from(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", str(tracks), str(tmp_path), "--truth", str(DEMO)]
    assert main([*line, "--vertices", str(tmp_path)]) == CANNOT_START
    assert "give one TRACKS_DIR, not 2" in capsys.readouterr().err


def test_vertices_of_other_tracks_of_the_event_are_refused(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have the same numbers, and one hit less."""
    others, out = tmp_path / "others", tmp_path / "out"
    assert main(["vertices", str(tracks), "--out", str(out), "--quiet"]) == OK
    shutil.copytree(tracks, others)
    path = tracks_path(others, "event000001000", "csv")
    path.write_text(re.sub(r",[1-9]\d*\n", ",0\n", path.read_text(), count=1))
    fits_path(others, "event000001000").touch()
    line = ["evaluate", str(others), "--truth", str(DEMO), "--vertices", str(out)]
    assert main(line) == CANNOT_START
    assert f"was not found from {path}" in capsys.readouterr().err


def test_vertices_of_other_events_are_refused(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vertices", str(tracks), "--out", str(tmp_path), "--quiet"]) == OK
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("1000-", "1001-"))
    line = ["evaluate", str(tracks), "--truth", str(DEMO), "--vertices", str(tmp_path)]
    assert main(line) == CANNOT_START
    error = capsys.readouterr().err
    assert "no event of the truth has vertices" in error
    assert "they are of event000001001" in error


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_tracks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "empty").mkdir()
    line = ["vertices", str(tmp_path / name), "--out", str(tmp_path / "out")]
    assert main(line) == CANNOT_START
    assert str(tmp_path / name) in capsys.readouterr().err
