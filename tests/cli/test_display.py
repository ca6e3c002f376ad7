"""hitgraph display."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hitgraph.cli import CANNOT_START, OK, SOME_FAILED, main
from hitgraph.evaluation import truth_labels
from hitgraph.event.event import Event
from hitgraph.event.store import write_event
from hitgraph.event.trackml import write_submission

EventMaker = Callable[..., Event]


@pytest.fixture
def folder(make_event: EventMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two events, with tracks in good/ of both and in half/ of the first."""
    monkeypatch.setattr("hitgraph.threads.set_threads", lambda _number: 1)
    for seed in (1, 2):
        event = make_event(n_particles=8, seed=seed)
        write_event(event, tmp_path / "events")
        for name in ("good", "half")[: 3 - seed]:
            path = tmp_path / name / f"{event.name}-tracks.csv"
            write_submission(path, event.name, event.hits.hit_id, truth_labels(event) + 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_of(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    return json.loads(text.partition('id="data">')[2].partition("</script>")[0])


def test_page_and_phoenix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["display", "events", "--tracks", "good", "--out", "e.html", "--phoenix", "e.json"]
    assert main(command) == OK
    assert "e.html: " in capsys.readouterr().out
    assert [list(event["tracks"]) for event in data_of(folder / "e.html")["events"]] == [
        ["good"]
    ] * 2
    events = json.loads((folder / "e.json").read_text())
    assert list(events) == ["event000001001", "event000001002"]
    assert [len(event["Tracks"]["good"]) for event in events.values()] == [8, 8]


def test_an_event_without_tracks_is_named_and_the_others_are_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["display", "events", "--tracks", "good", "half", "--out", "e.html"]
    assert main(command) == SOME_FAILED
    assert "event000001002: has no tracks in half" in capsys.readouterr().err
    assert [event["name"] for event in data_of(folder / "e.html")["events"]] == ["event000001001"]


def test_graphs_of_a_pipeline(
    tiny_store: Path, tiny_pipeline: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own tracks where none are given; by default the last stage that cuts on a score."""
    given = ["display", str(tiny_store / "event000001000"), "--device", "cpu", "--out", "e.html"]
    assert main([*given, "--pipeline", str(tiny_pipeline)]) == OK
    (event,) = data_of(folder / "e.html")["events"]
    assert list(event["tracks"]) == ["tiny"]
    assert list(event["graphs"]) == ["gnn"]
    assert event["n_edges"]["gnn"] > 0
    assert main([*given, "--pipeline", str(tiny_pipeline), "--stage", "filter", "gnn"]) == OK
    (event,) = data_of(folder / "e.html")["events"]
    assert list(event["graphs"]) == ["filter", "gnn"]
    capsys.readouterr()
    for stage, message in (("magic", "'magic' is no stage"), ("features", "no edges to show")):
        assert main([*given, "--pipeline", str(tiny_pipeline), "--stage", stage]) == CANNOT_START
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["events", "--tracks", "nowhere"], "no such folder of tracks"),
        (["events", "--tracks", "good", "good"], "given twice"),
        (["nowhere", "--tracks", "good"], "no such file or folder"),
        (["events", "--tracks", "good", "--stage", "gnn"], "give it with --pipeline"),
        (["events", "--tracks", "good", "--select", "pt=1"], "unknown key"),
        (["events", "--events", "1002", "--tracks", "half"], "no event can be shown"),
    ],
)
def test_what_cannot_start(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["display", *arguments, "--out", "e.html"]) == CANNOT_START
    assert message in capsys.readouterr().err
    assert not (folder / "e.html").exists()


def test_too_many_events(make_event: EventMaker, folder: Path, capsys) -> None:
    for seed in range(3, 25):
        write_event(make_event(n_particles=1, seed=seed), folder / "events")
    assert main(["display", "events", "--out", "e.html"]) == CANNOT_START
    assert "24 events are too many for one page" in capsys.readouterr().err


def test_labels_of_another_event(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "half" / "event000001002-tracks.csv"
    write_submission(path, "event000001002", np.array([10**6]), np.array([1]))
    command = ["display", "events", "--tracks", "half", "--out", "e.html"]
    assert main(command) == SOME_FAILED
    assert "these are tracks of another event" in capsys.readouterr().err
