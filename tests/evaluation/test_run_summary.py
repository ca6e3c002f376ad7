"""The summary of a run as the report reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from hitgraph.errors import InputError
from hitgraph.evaluation.run_summary import read_run


def stage(name: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "seconds": seconds, "edges": None, "scores": None} | more


def write(folder: Path, content: object) -> Path:
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def test_no_file_is_no_run(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    assert read_run(write(tmp_path, {"pipeline": "p", "events": []})) is None


def test_stages_are_averaged_and_scores_added(tmp_path: Path) -> None:
    scores = {"bins": [0.0, 0.5, 1.0], "true": [1, 2], "fake": [3, 4]}
    events = [
        {"event": "a", "stages": [stage("graph", 1.0, edges=10, purity=0.5), stage("tracks", 0.5)]},
        {"event": "b", "stages": [stage("graph", 3.0, edges=30), stage("tracks", 0.5)]},
    ]
    for event in events:
        event["stages"].append(stage("gnn", 1.0, scores=scores))  # type: ignore[attr-defined]
    run = read_run(write(tmp_path, {"pipeline": "quickstart", "events": events}))
    assert run is not None
    assert (run.pipeline, run.n_events) == ("quickstart", 2)
    assert [one.name for one in run.stages] == ["graph", "tracks", "gnn"]
    graph, tracks, gnn = run.stages
    assert graph.seconds == 2.0
    assert graph.quality == {"edges": 20.0, "purity": 0.5}  # purity known in one event only
    assert tracks.quality == {}
    assert gnn.scores is not None
    assert gnn.scores.true == (2, 4)
    assert run.seconds == 3.5


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"events": [{"stages": [stage("graph", 1.0)]}]},
        {"pipeline": "p", "events": [{"stages": [{"name": "graph"}]}]},
        {"pipeline": "p", "events": [{"stages": [stage("graph", 1.0, scores={"bins": []})]}]},
        {"pipeline": "p", "events": 3},
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match=r"run\.json: is not the summary of a run"):
        read_run(write(tmp_path, content))


def test_broken_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"pipeline": ')
    with pytest.raises(InputError, match=r"run\.json"):
        read_run(tmp_path)
