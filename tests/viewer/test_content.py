"""What is in a page: columns that come back as they were, kinds of tracks, edges that stay."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hitgraph import viewer
from hitgraph.errors import InputError
from hitgraph.evaluation import truth_labels
from hitgraph.event.event import Event
from hitgraph.hits import Hits
from hitgraph.state import State
from hitgraph.viewer.arrays import packed
from hitgraph.viewer.content import Kind, content_of
from hitgraph.viewer.edges import graph_columns
from hitgraph.viewer.page import COLOURS, SCRIPTS, corners, page_of
from hitgraph.viewer.phoenix import phoenix_event

EventMaker = Callable[..., Event]


def unpacked(data: dict[str, Any]) -> dict[str, np.ndarray]:
    content = zlib.decompress(base64.b64decode(data["bytes"]))
    return {
        name: np.frombuffer(content, np.dtype(kind).newbyteorder("<"), length, offset)
        for name, kind, offset, length in data["columns"]
    }


@given(arrays(np.int64, st.integers(0, 9)), arrays(np.float32, 3), arrays(np.bool_, 5))
def test_columns_come_back(whole: np.ndarray, real: np.ndarray, flags: np.ndarray) -> None:
    data = packed({"flags": flags, "whole": whole, "real": real})
    found = unpacked(data)
    np.testing.assert_array_equal(found["whole"], whole)
    np.testing.assert_array_equal(found["real"], real)
    np.testing.assert_array_equal(found["flags"], flags)
    for _, kind, offset, _ in data["columns"]:  # JavaScript reads from such places only
        assert offset % np.dtype(kind).itemsize == 0


def test_integers_are_as_narrow_as_they_can_be() -> None:
    columns = {str(high): np.array([low, high]) for low, high in ((0, 255), (0, 256), (-1, 1))}
    columns["id"] = np.array([2**62])
    kinds = [kind for _, kind, _, _ in packed(columns)["columns"]]
    assert kinds == ["uint8", "uint16", "int32", "int64"]


def graph(scores: list[float], cut: float | None = None) -> State:
    """Edge k goes from hit k to hit k + 1."""
    n = len(scores) + 1
    hits = Hits(torch.zeros(n, 0), torch.zeros(n, 3), *torch.zeros(2, n, dtype=torch.int64))
    edges = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    state = State(hits).with_edges(edges, logit=torch.logit(torch.tensor(scores)))
    return state if cut is None else state.cut(cut)


def test_edges_below_the_cut_are_there_too() -> None:
    columns = graph_columns(graph([0.2, 0.8, 0.6], cut=0.5), None, np.zeros(0))
    assert columns["inner"].tolist() == [0, 1, 2]
    assert columns["outer"].tolist() == [1, 2, 3]
    assert columns["score"].tolist() == [51, 204, 153]


def test_of_many_edges_those_at_the_stiffest_particles_stay() -> None:
    """Hits of particles 0, 0, 1, noise, 1; the second is stiffer. Without truth the best stay."""
    state, particle = graph([0.9, 0.1, 0.3, 0.8]), np.array([0, 0, 1, -1, 1])
    assert graph_columns(state, particle, np.array([1.0, 5.0]), 3)["inner"].tolist() == [1, 2, 3]
    assert graph_columns(state, None, np.zeros(0), 2)["inner"].tolist() == [0, 3]


def test_tracks_with_truth_and_without(straight_event: EventMaker) -> None:
    event = straight_event([6, 6], noise=4)
    labels = np.r_[np.full(6, 7), np.full(6, -1), np.full(4, 9)]
    judged = content_of(event, {"a": labels}, {}).tracks["a"]
    assert judged["label"].tolist() == [7, 9]
    assert judged["kind"].tolist() == [Kind.FOUND, Kind.FAKE]
    assert judged["particle"].tolist() == [0, -1]
    assert judged["missed"].tolist() == [False, True]
    assert judged["track"].tolist() == [0] * 6 + [-1] * 6 + [1] * 4
    content = content_of(replace(event, truth=None, particles=None), {"a": labels}, {})
    assert not content.judged
    assert content.tracks["a"]["kind"].tolist() == [Kind.TRACK] * 2
    with pytest.raises(InputError, match="one label a hit"):
        content_of(event, {"a": labels[1:]}, {})


def test_corners_are_those_of_the_module(make_event: EventMaker) -> None:
    """In a module's own coordinates they are (+-half u, +-half v, 0)."""
    detector = make_event(n_particles=2, seed=1).detector
    assert detector is not None
    local = np.einsum(
        "mji,mkj->mki", detector.rotation, corners(detector) - detector.centre[:, None]
    )
    np.testing.assert_allclose(local[:, :, 2], 0, atol=1e-3)
    np.testing.assert_allclose(np.abs(local[:, :2, 0]), detector.min_half_u[:, None].repeat(2, 1))
    np.testing.assert_allclose(np.abs(local[:, 2:, 0]), detector.max_half_u[:, None].repeat(2, 1))
    np.testing.assert_allclose(np.abs(local[:, :, 1]), detector.half_v[:, None].repeat(4, 1))


def test_a_page_holds_all_of_itself(make_event: EventMaker) -> None:
    """Two events of one detector name it once; nothing is loaded; names cannot end the script."""
    events = [make_event(n_particles=4, seed=seed) for seed in (1, 2)]
    name = "</script><b>"
    page = page_of([content_of(event, {name: truth_labels(event)}, {}) for event in events])
    assert not re.search(r"https?://|\bsrc=|@import|{{", page)
    assert name not in page
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    tree = json.loads(data)
    assert [list(event["tracks"]) for event in tree["events"]] == [[name]] * 2
    assert len(tree["detectors"]) == 1
    hits = unpacked(tree["events"][1]["hits"])
    np.testing.assert_array_equal(hits["x"], events[1].hits.x)
    np.testing.assert_array_equal(hits["id"], events[1].hits.hit_id)


def test_every_script_is_in_the_page_and_every_colour_known() -> None:
    folder = Path(viewer.__file__).parent
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    style = (folder / "style.css").read_text(encoding="utf-8")
    assert set(re.findall(r"{{(\w+)}}", style)) <= COLOURS.keys()


def test_phoenix(straight_event: EventMaker) -> None:
    """The keys of its event format; a track passes its hits from inside out."""
    event = straight_event([4, 3], noise=1, name="event000000012")
    labels = np.r_[np.full(4, 5), np.full(4, -1)]
    tree = json.loads(json.dumps(phoenix_event(event, {"mine": labels}), allow_nan=False))
    assert tree["event number"] == 12
    assert len(tree["Hits"]["hits"]) == 8
    (track,) = tree["Tracks"]["mine"]
    assert track["track_id"] == 5
    assert np.hypot(*np.array(track["pos"])[:, :2].T) == pytest.approx([50, 100, 150, 200])
