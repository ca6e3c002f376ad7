"""Records of events: which event they are of, and what they are together."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.event.trackml import write_trackml
from hitgraph.records import (
    digest,
    read_record,
    read_summary,
    require_same_event,
    write_record,
)

EventMaker = Callable[..., Event]
TINY, OTHER = ({"pipeline": name, "fingerprint": name[:1]} for name in ("tiny", "other"))


def record(event: str, **more: Any) -> dict[str, Any]:
    return TINY | {"event": event, "n_hits": 3, "digest": "d", "stages": []} | more


def test_the_digest_tells_events_apart_and_not_their_formats(
    make_event: EventMaker, tmp_path: Path
) -> None:
    event = make_event(seed=1)
    digests = {digest(make_event(seed=seed)) for seed in range(20)}
    assert len(digests) == 20
    write_trackml(event, tmp_path)
    assert digest(read_event(tmp_path)) == digest(event)
    rounded = replace(event.hits, x=np.round(event.hits.x, 1))
    assert digest(replace(event, hits=rounded)) == digest(event)


def test_tracks_of_another_event_of_that_name_are_refused(
    make_event: EventMaker, tmp_path: Path
) -> None:
    event, other = make_event(seed=1), replace(make_event(seed=2), name=make_event(seed=1).name)
    tracks = tmp_path / f"{event.name}-tracks.csv"
    require_same_event(tracks, other)  # nobody noted whose tracks they are
    write_record(tmp_path, record(event.name, n_hits=event.n_hits, digest=digest(event)))
    require_same_event(tracks, event)
    assert other.n_hits == event.n_hits  # told apart by their modules
    with pytest.raises(InputError, match=f"are tracks of another {event.name}"):
        require_same_event(tracks, other)
    fewer = make_event(seed=1, n_noise=3)
    with pytest.raises(InputError, match=rf"of {event.n_hits} hits where this one has"):
        require_same_event(tracks, fewer)


@pytest.mark.parametrize("damage", ["", "[]", '{"event": 3}', '{"event": "NAME"}'])
def test_tracks_whose_record_is_damaged_are_not_judged(
    make_event: EventMaker, tmp_path: Path, damage: str
) -> None:
    event = make_event(seed=1)
    write_record(tmp_path, record(event.name, n_hits=event.n_hits, digest=digest(event)))
    path = tmp_path / "records" / f"{event.name}.json"
    path.write_text(damage.replace("NAME", event.name))
    with pytest.raises(InputError, match=f"{path}: is damaged, .*--resume, or remove it"):
        require_same_event(tmp_path / f"{event.name}-tracks.csv", event)


def test_records_stand_above_the_summary_that_was_written_before(tmp_path: Path) -> None:
    old = {"events": [record("a", n_hits=1), record("b", n_hits=1)], "failed": {"c": "old"}}
    (tmp_path / "run.json").write_text(json.dumps(TINY | old))
    write_record(tmp_path, record("b", n_hits=2))
    write_record(tmp_path, record("c", n_hits=2))
    write_record(tmp_path, TINY | {"event": "d", "failed": "why"})
    write_record(tmp_path, OTHER | {"event": "e", "n_hits": 9})  # what was here before
    content = read_summary(tmp_path)
    assert [(entry["event"], entry["n_hits"]) for entry in content["events"]] == [
        ("a", 1),
        ("b", 2),
        ("c", 2),
    ]
    assert content["failed"] == {"d": "why"}
    assert content["pipeline"] == "tiny"


def test_records_alone_are_a_summary_and_nothing_is_none(tmp_path: Path) -> None:
    assert read_summary(tmp_path) == {}
    write_record(tmp_path, record("a"))
    content = read_summary(tmp_path)
    assert (content["pipeline"], [entry["event"] for entry in content["events"]]) == ("tiny", ["a"])


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"event": 3}', "[" * 10**5, '{"event": "b"'])
def test_a_damaged_record_is_named_or_passed_over(tmp_path: Path, damage: str) -> None:
    write_record(tmp_path, record("a"))
    (tmp_path / "records" / "b.json").write_text(damage)
    assert read_record(tmp_path, "b") is None
    with pytest.raises(InputError, match=r"records/b.json: is not the summary of a run"):
        read_summary(tmp_path)
    content = read_summary(tmp_path, tolerant=True)
    assert [entry["event"] for entry in content["events"]] == ["a"]


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"events": 3}', '{"events": [3]}', '{"events": [{}]}', '{"failed": []}']
)
def test_a_damaged_summary_is_named_or_passed_over(tmp_path: Path, damage: str) -> None:
    write_record(tmp_path, record("a"))
    (tmp_path / "run.json").write_text(damage)
    with pytest.raises(InputError, match=r"run.json: is not the summary of a run"):
        read_summary(tmp_path)
    content = read_summary(tmp_path, tolerant=True)
    assert [entry["event"] for entry in content["events"]] == ["a"]
