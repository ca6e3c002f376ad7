"""`hitgraph evaluate` and `hitgraph report` as a user meets them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hitgraph.cli import CANNOT_START, OK, SOME_FAILED, main
from hitgraph.evaluation import evaluate, truth_labels
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.source import read_event
from hitgraph.event.store import write_event
from hitgraph.event.trackml import write_submission
from hitgraph.settings import to_dict

EventMaker = Callable[..., Event]


def write_tracks(folder: Path, event: Event, labels: np.ndarray) -> Path:
    path = folder / f"{event.name}-tracks.csv"
    write_submission(path, event.name, event.hits.hit_id, labels + 1)
    return path


@pytest.fixture
def folders(make_event: EventMaker, tmp_path: Path) -> Path:
    """tmp_path with truth/ (two events), good/ (all their particles) and none/ (no tracks)."""
    for seed in (1, 2):
        event = make_event(n_particles=8, seed=seed)
        write_event(event, tmp_path / "truth")
        write_tracks(tmp_path / "good", event, truth_labels(event))
        write_tracks(tmp_path / "none", event, np.full(event.n_hits, -1))
    return tmp_path


def test_table_and_json(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folders / "metrics.json"
    command = ["evaluate", str(folders / "good"), str(folders / "none")]
    assert main([*command, "--truth", str(folders / "truth"), "--json", str(out)]) == OK
    text = capsys.readouterr().out
    assert "2 events" in text
    assert "tracks of at least 3 hits" in text
    for name in ("score ", "score, primaries"):
        (score,) = [line for line in text.splitlines() if line.strip(" │").startswith(name)]
        assert "1.000 ± 0.000" in score
        assert "0.000 ± 0.000" in score
    tree = json.loads(out.read_text())
    assert tree["events"] == ["event000001001", "event000001002"]
    efficiency = tree["tracks"]["good"]["matchings"]["double majority"]["efficiency"][0]
    assert efficiency["physics"]["passed"] == efficiency["physics"]["total"] == 16
    assert tree["tracks"]["none"]["matchings"]["double majority"]["purity"]["value"] is None


def test_which_particles_count(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--select is named in the table and in JSON, and what it cannot mean is refused at once."""
    out = folders / "metrics.json"
    command = ["evaluate", str(folders / "good"), "--truth", str(folders / "truth"), "--select"]
    assert main([*command, "min_pt=1000", "primary_only", "--json", str(out)]) == OK
    table = " ".join(capsys.readouterr().out.split())
    assert "particles: pT > 1000 GeV, |eta| < 4, primary; " in table
    tree = json.loads(out.read_text())
    assert tree["selection"] == to_dict(Selection(min_pt=1000.0, primary_only=True))
    double = tree["tracks"]["good"]["matchings"]["double majority"]
    assert double["efficiency"][0]["physics"]["total"] == double["purity_selected"]["passed"] == 0
    assert double["purity_others"]["passed"] == double["purity"]["passed"] == 16
    for words, message in (
        (["min_pt=2", "max_pt=1"], "select.max_pt: 1 GeV is not above min_pt, 2"),
        (["pt=2"], "select.pt: unknown key"),
        (["pdg=muon"], "select.pdg: ['muon'] is not allowed"),
        (["hard_process_only"], "does not tell which particles are of the hard process"),
    ):
        assert main([*command, *words]) == CANNOT_START
        assert message in capsys.readouterr().err


def test_min_hits_and_events(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tracks here have four hits: with a minimum of five there is none."""
    command = ["evaluate", str(folders / "good"), "--truth", str(folders / "truth")]
    assert main([*command, "--min-hits", "5", "--events", "1002"]) == OK
    text = capsys.readouterr().out
    assert "event000001002" in text
    (tracks,) = [line for line in text.splitlines() if line.startswith("│ tracks of")]
    assert tracks.split()[-2] == "0"


def test_a_bad_event_is_named_and_the_others_go_on(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "good" / "event000001001-tracks.csv").write_text("event_id,hit_id\n1,1\n")
    command = ["evaluate", str(folders / "good"), "--truth", str(folders / "truth")]
    assert main(command) == SOME_FAILED
    captured = capsys.readouterr()
    assert "event000001001" in captured.err
    assert "track_id" in captured.err
    assert "event000001002" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--truth", "truth"], "no such folder of tracks"),
        (["good", "--truth", "nowhere"], "nowhere"),
        (["truth", "--truth", "truth"], "no tracks in there"),
        (["good", "good", "--truth", "truth"], "given twice"),
    ],
)
def test_what_cannot_start(
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folders)
    assert main(["evaluate", *arguments]) == CANNOT_START
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("hitgraph evaluate: ")


def test_events_without_truth_are_refused(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folders / "truth").glob("*.truth.parquet"):
        path.unlink()
    command = ["evaluate", str(folders / "good"), "--truth", str(folders / "truth")]
    assert main(command) == CANNOT_START
    assert "no truth table" in capsys.readouterr().err


def test_evaluate_imports_neither_torch_nor_matplotlib(folders: Path) -> None:
    program = (
        "import sys; from hitgraph.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'torch', 'matplotlib', 'lightning'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    command = ["evaluate", str(folders / "good"), "--truth", str(folders / "truth"), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_report(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
    out = folders / "sub" / "report.html"
    command = ["report", str(folders / "good"), "--truth", str(folders / "truth")]
    (folders / "good" / "run.json").write_text("no JSON")
    assert main([*command, "--out", str(out)]) == SOME_FAILED
    captured = capsys.readouterr()
    assert str(out) in captured.out.replace("\n", "")
    assert "run.json" in captured.err
    text = out.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "Event display: event000001001" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figures", "gif", "figures"], "--figures gif: is no format of figures: pdf, svg, png"),
        (["--style", "NOBODY"], "--style NOBODY: is no file and no style of mplhep"),
    ],
)
def test_what_figures_cannot_be(
    folders: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
    command = ["report", str(folders / "good"), "--truth", str(folders / "truth"), *words]
    assert main([*command, "--out", str(folders / "report.html")]) == CANNOT_START
    assert message in capsys.readouterr().err
    assert not (folders / "report.html").exists()


def test_report_without_its_extra(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("hitgraph.evaluation.")]:
        if name.rsplit(".", 1)[1] in ("style", "plots", "display", "report"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mplhep", None)
    command = ["report", str(folders / "good"), "--truth", str(folders / "truth")]
    assert main([*command, "--out", str(folders / "report.html")]) == CANNOT_START
    assert "hitgraph[plot]" in capsys.readouterr().err
    assert not (folders / "report.html").exists()


def test_the_real_event_against_itself(shared_data: Path) -> None:
    """Its own particles as tracks: everything that can be found is."""
    event = read_event(shared_data / "trackml_sample" / "event000000001")
    metrics = evaluate(event, truth_labels(event))
    assert metrics.score == pytest.approx(1.0)
    for matched in metrics.matchings.values():
        assert matched.fakes.passed == matched.duplicates.passed == 0
        for efficiency in matched.efficiency:
            assert efficiency.technical.passed == efficiency.technical.total > 0
            assert efficiency.physics.passed < efficiency.physics.total  # some have two hits
