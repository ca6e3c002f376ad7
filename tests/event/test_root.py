"""Events and tracks as ROOT files: read back, from files made by hand, and what is no event."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.cli import main
from hitgraph.errors import InputError, MissingExtraError
from hitgraph.event.event import Event
from hitgraph.event.field import solenoid
from hitgraph.event.root import write_root
from hitgraph.event.source import list_events, read_event
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.trackml import read_tracks, write_submission

uproot = pytest.importorskip("uproot", reason="the extra root is not installed")

SameEvent = Callable[[Event, Event], None]
HITS = {
    "hit_id": np.array([4, 1], np.uint32),
    "x": np.array([30.5, -31.0]),  # of other types than ours, in another order
    "y": np.array([1.0, 2.0]),
    "z": np.array([0.0, 7.0]),
    "volume_id": np.array([8, 8], np.int16),
    "layer_id": np.array([2, 2], np.uint8),
    "module_id": np.array([3.0, 5.0]),
    "time": np.array([0.1, 0.2]),  # not asked for
}


def write_tree(path: Path, name: str, columns: dict[str, Any]) -> Path:
    with uproot.recreate(path) as file:
        kinds = {key: np.dtype((values.dtype, values.shape[1:])) for key, values in columns.items()}
        file.mktree(name, kinds).extend(columns)
    return path


def test_an_event_comes_back_with_field_hard_process_and_detector(
    tmp_path: Path, tiny_event: Event, assert_same_event: SameEvent
) -> None:
    event = replace(tiny_event, field=solenoid(0.9), hard_collision=7)
    write_root(event, tmp_path)
    write_detectors(event.detector, tmp_path)
    read = read_event(tmp_path)
    assert_same_event(read, event)
    assert read.hard_collision == 7
    (source,) = list_events([tmp_path / f"{event.name}.event.root"])
    assert source.read(cells=False).cells is None


def test_root_sees_trees_of_numbers_named_like_the_columns(
    tmp_path: Path, tiny_event: Event
) -> None:
    write_root(tiny_event, tmp_path)
    with uproot.open(tmp_path / f"{tiny_event.name}.event.root") as file:
        trees = file.classnames(cycle=False)
        assert trees == dict.fromkeys(("hits", "cells", "particles", "truth"), "TTree")
        hits = file["hits"]
        assert hits.num_entries == tiny_event.n_hits
        assert {name: hits[name].typename for name in hits.keys()} == {  # noqa: SIM118
            "hit_id": "int64_t",
            **dict.fromkeys("xyz", "float"),
            **dict.fromkeys(("volume_id", "layer_id", "module_id"), "int32_t"),
        }


def test_a_tree_made_by_hand_is_an_event(tmp_path: Path) -> None:
    event = read_event(write_tree(tmp_path / "event000000007.event.root", "hits", HITS))
    assert (event.name, event.number, event.truth) == ("event000000007", 7, None)
    assert event.hits.hit_id.tolist() == [1, 4]
    assert event.hits.x.tolist() == [-31.0, 30.5]
    assert event.hits.module_id.tolist() == [5, 3]
    assert event.hits.x.dtype == np.float32


def test_the_store_comes_before_root(tmp_path: Path, tiny_event: Event) -> None:
    write_root(tiny_event, tmp_path)
    (source,) = list_events([tmp_path])
    assert [table for table, _ in source.files] == ["root"]
    write_event(tiny_event, tmp_path)
    (source,) = list_events([tmp_path])
    assert "hits" in dict(source.files)


def with_column(**changed: Any) -> dict[str, Any]:
    return HITS | changed


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("tracks", HITS, r"is no event: it has no TTree hits \(found: TTree tracks\)"),
        ("hits", {"hit_id": HITS["hit_id"]}, "missing columns x, y, z"),
        ("hits", with_column(x=np.zeros((2, 3))), r"root:hits: branch x holds double\[3\] where"),
        ("hits", with_column(x=np.array([0, np.nan])), "root:hits: row 2: column x is nan"),
        ("hits", with_column(hit_id=np.array([3, 3])), "row 2: hit_id 3 is already in row 1"),
        ("hits", with_column(layer_id=np.array([1.0, 1.5])), "row 2: column layer_id is 1.5"),
    ],
)
def test_something_else_is_refused_by_name(
    tmp_path: Path, name: str, columns: dict[str, Any], message: str
) -> None:
    path = write_tree(tmp_path / "event1.event.root", name, columns)
    with pytest.raises(InputError, match=message):
        read_event(path)


def test_what_is_no_root_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "event1.event.root"
    path.write_text("hit_id,x,y,z\n")
    with pytest.raises(InputError, match=r"event1\.event\.root: is no ROOT file"):
        read_event(path)
    path.unlink()
    with uproot.recreate(tmp_path / "performance.root") as file:
        file["trackeff"] = np.histogram([1.0], bins=2)
    with pytest.raises(InputError, match="no event in there"):
        list_events([tmp_path])


@pytest.mark.parametrize("keep", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_refused(
    tmp_path: Path, tiny_event: Event, keep: float
) -> None:
    write_root(tiny_event, tmp_path)
    path = tmp_path / f"{tiny_event.name}.event.root"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(InputError, match=r"\.event\.root.* damaged or cut short"):
        read_event(path)


def test_it_needs_the_extra(
    tmp_path: Path, tiny_event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_root(tiny_event, tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "uproot", None)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[root\]"):
        read_event(tmp_path)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[root\]"):
        write_root(tiny_event, tmp_path / "more")
    assert not (tmp_path / "more").exists()


@given(
    hits=st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.integers(-5, 2**40), max_size=20),
    number=st.integers(0, 10**9),
)
@settings(deadline=None, max_examples=30)
def test_tracks_come_back(
    tmp_path_factory: pytest.TempPathFactory, hits: dict[int, int], number: int
) -> None:
    path = tmp_path_factory.mktemp("tracks") / f"event{number:09d}-tracks.root"
    hit_id, track_id = np.array(list(hits), np.int64), np.array(list(hits.values()), np.int64)
    write_submission(path, f"event{number:09d}", hit_id, track_id)
    order = np.argsort(hit_id)
    read = read_tracks(path)
    assert read[0].tolist() == hit_id[order].tolist()
    assert read[1].tolist() == np.maximum(track_id[order], 0).tolist()


def test_convert_goes_there_and_back(
    tmp_path: Path, tiny_event: Event, assert_same_event: SameEvent
) -> None:
    write_event(tiny_event, tmp_path / "store")
    write_detectors(tiny_event.detector, tmp_path / "store")
    for source, to in (("store", "root"), ("root", "parquet")):
        words = ["convert", str(tmp_path / source), "--to", to, "--out", str(tmp_path / to)]
        assert main([*words, "--quiet"]) == 0
        assert main([*words, "--quiet"]) == 2, "it is there"
        assert_same_event(read_event(tmp_path / to), tiny_event)
