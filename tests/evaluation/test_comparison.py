"""Folders of tracks against folders of events: what belongs together, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.evaluation import comparison as comparison_module
from hitgraph.evaluation import truth_labels
from hitgraph.evaluation.comparison import compare, find_tracks, name_columns, read_labels
from hitgraph.evaluation.metrics import Metrics, evaluate
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource, list_events
from hitgraph.event.store import write_dataset_info, write_event
from hitgraph.event.trackml import write_submission

EventMaker = Callable[..., Event]
NAMES = ("event000000001", "event000000002", "event000000003")


@pytest.fixture
def events(straight_event: EventMaker, tmp_path: Path) -> list[Event]:
    """Three events, also as a store in tmp_path/truth."""
    made = [straight_event([6, 7, 8], noise=4, name=name) for name in NAMES]
    for event in made:
        write_event(event, tmp_path / "truth")
    return made


@pytest.fixture
def sources(events: list[Event], tmp_path: Path) -> list[EventSource]:
    assert events
    return list_events([tmp_path / "truth"])


def write(folder: Path, event: Event, labels: np.ndarray, suffix: str = "csv") -> Path:
    path = folder / f"{event.name}-tracks.{suffix}"
    write_submission(path, event.name, event.hits.hit_id, labels + 1)
    return path


def write_perfect(folder: Path, events: list[Event], suffix: str = "csv") -> Path:
    for event in events:
        write(folder, event, truth_labels(event), suffix)
    return folder


def test_columns_over_the_same_events(
    events: list[Event], sources: list[EventSource], tmp_path: Path
) -> None:
    write_dataset_info(tmp_path / "truth", {"preset": "trackml-like"})
    good = write_perfect(tmp_path / "good", events)
    none = tmp_path / "none"
    for event in events:
        write(none, event, np.full(event.n_hits, -1), "parquet")
    comparison = compare([good, none], sources)
    assert list(comparison.metrics) == ["good", "none"]
    assert comparison.metrics["good"].score == pytest.approx(1.0)
    assert comparison.metrics["none"].score == 0.0
    assert comparison.events == NAMES
    assert comparison.problems == ()
    assert comparison.preset == "trackml-like"
    tree = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert tree["tracks"]["good"]["trackml_score"]["value"] == pytest.approx(1.0)
    assert tree["tracks"]["none"]["folder"] == str(none)
    assert tree["preset"] == "trackml-like"


def test_a_missing_hit_is_on_no_track(events: list[Event], tmp_path: Path) -> None:
    event = events[0]
    path = tmp_path / f"{event.name}-tracks.csv"
    hit_id = event.hits.hit_id
    path.write_text(
        f"event_id,hit_id,track_id\n1,{hit_id[3]},4\n1,{hit_id[0]},4\n1,{hit_id[1]},0\n"
    )
    labels = read_labels(event, path)
    assert labels[[0, 3]].tolist() == [4, 4]
    assert (np.delete(labels, [0, 3]) == -1).all()


def test_one_bad_event_leaves_all_columns(
    events: list[Event], sources: list[EventSource], tmp_path: Path
) -> None:
    good = write_perfect(tmp_path / "good", events)
    bad = write_perfect(tmp_path / "bad", events)
    (bad / f"{NAMES[1]}-tracks.csv").write_text("event_id,hit_id,track_id\n2,10,1\n2,10,2\n")
    seen: list[None] = []
    comparison = compare([good, bad], sources, on_event=lambda: seen.append(None))
    assert comparison.events == (NAMES[0], NAMES[2])
    assert len(seen) == 3
    (problem,) = comparison.problems
    assert problem.where == NAMES[1]
    assert "hit_id 10 is already in row 1" in problem.message
    assert comparison.to_dict()["skipped"] == [{"where": NAMES[1], "reason": problem.message}]


def test_an_event_that_memory_is_too_small_for_costs_itself_only(
    events: list[Event],
    sources: list[EventSource],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def judged(event: Event, *rest: Any) -> Metrics:
        if event.name == NAMES[1]:
            raise MemoryError
        return evaluate(event, *rest)

    monkeypatch.setattr(comparison_module, "evaluate", judged)
    comparison = compare([write_perfect(tmp_path / "good", events)], sources)
    assert comparison.events == (NAMES[0], NAMES[2])
    assert [(one.where, one.message) for one in comparison.problems] == [
        (NAMES[1], "ran out of memory")
    ]


def test_unknown_hit_names_file_and_hit(
    events: list[Event], sources: list[EventSource], tmp_path: Path
) -> None:
    folder = write_perfect(tmp_path / "tracks", events)
    (folder / f"{NAMES[0]}-tracks.csv").write_text("event_id,hit_id,track_id\n1,10,1\n1,11,1\n")
    (problem,) = compare([folder], sources).problems
    assert f"{NAMES[0]}-tracks.csv: hit_id 11 is no hit of {NAMES[0]}" in problem.message
    assert "1 of 2" in problem.message


def test_event_missing_in_one_folder(
    events: list[Event], sources: list[EventSource], tmp_path: Path
) -> None:
    full = write_perfect(tmp_path / "full", events)
    part = write_perfect(tmp_path / "part", events[:2])
    comparison = compare([full, part], sources)
    assert comparison.events == NAMES[:2]
    assert [(p.where, p.message) for p in comparison.problems] == [
        (NAMES[2], "has no tracks in part: left out of every column")
    ]


def test_events_without_tracks_and_tracks_without_event(
    straight_event: EventMaker, events: list[Event], sources: list[EventSource], tmp_path: Path
) -> None:
    other = straight_event([6], name="event000000009")
    folder = write_perfect(tmp_path / "tracks", [events[0], other])
    comparison = compare([folder], sources)
    assert comparison.events == NAMES[:1]
    lost, stray = comparison.problems
    assert lost.where == f"{NAMES[1]}, {NAMES[2]}"
    assert "--events" in lost.message
    assert stray.where == "event000000009"


def test_nothing_in_common_is_refused(
    straight_event: EventMaker, sources: list[EventSource], tmp_path: Path
) -> None:
    folder = write_perfect(tmp_path / "tracks", [straight_event([6], name="event000000009")])
    with pytest.raises(InputError, match=r"the tracks are of event000000009"):
        compare([folder], sources)


def test_only_bad_events_are_refused(sources: list[EventSource], tmp_path: Path) -> None:
    folder = tmp_path / "tracks"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}-tracks.csv").write_text("event_id,hit_id,track_id\n1,11,1\n")
    with pytest.raises(InputError, match=r"no event could be evaluated.*hit_id 11"):
        compare([folder], sources)


def test_truth_without_truth(events: list[Event], tmp_path: Path) -> None:
    for path in (tmp_path / "truth").glob("*.truth.parquet"):
        path.unlink()
    folder = write_perfect(tmp_path / "tracks", events)
    with pytest.raises(InputError, match=r"event000000001: no truth table"):
        compare([folder], list_events([tmp_path / "truth"]))


def test_folders_without_tracks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_tracks(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"no tracks in there.*EVENT-tracks\.csv"):
        find_tracks(tmp_path)
    for suffix in ("csv", "parquet"):
        (tmp_path / f"event000000001-tracks.{suffix}").touch()
    with pytest.raises(InputError, match="tracks of the same event"):
        find_tracks(tmp_path)


def test_column_names_are_as_short_as_they_can_be() -> None:
    assert list(name_columns([Path("a/x"), Path("a/y")])) == ["x", "y"]
    assert list(name_columns([Path("a/x"), Path("b/x")])) == ["a/x", "b/x"]
    assert list(name_columns([Path("a/x/")])) == ["x"]
    with pytest.raises(InputError, match="given twice"):
        name_columns([Path("a/x"), Path("a/../a/x")])
