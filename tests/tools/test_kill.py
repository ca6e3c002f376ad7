"""Commands that are killed and resumed: a short run of tools/kill.py, and that it can fail."""

import json
from pathlib import Path

import pytest
import yaml
from tests.trained import tiny_mapping

import kill


def options(store: Path, pipeline: Path, folder: Path, *commands: str) -> list[str]:
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny_mapping()))
    words = [str(store), "--pipeline", str(pipeline), "--recipe", str(recipe), "--seed", "1"]
    return [*words, "--commands", *commands]


def test_no_event_is_lost_or_doubled(
    tiny_store: Path,
    tiny_pipeline: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = options(tiny_store, tiny_pipeline, tmp_path, "convert", "reconstruct", "study")
    assert kill.main([*words, "--kills", "2"]) == 0, capsys.readouterr().err


@pytest.mark.slow
def test_a_training_comes_to_the_same_weights(
    tiny_store: Path,
    tiny_pipeline: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = options(tiny_store, tiny_pipeline, tmp_path, "train")
    assert kill.main([*words, "--kills", "2"]) == 0, capsys.readouterr().err


def fill(folder: Path, events: list[str], tracks: list[str]) -> Path:
    folder.mkdir()
    for event in tracks:
        (folder / f"{event}-tracks.csv").write_text(event)
    entries = [{"event": event} for event in events]
    (folder / "run.json").write_text(json.dumps({"events": entries, "failed": {}}))
    return folder


@pytest.mark.parametrize(
    ("events", "tracks", "says"),
    [
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], ["a"], ["b-tracks.csv is missing"]),
        (["a", "b"], ["a", "b", "c"], ["c-tracks.csv is too much"]),
        (["a"], ["a", "b"], ["run.json has the events ['a']", "its records has the events"]),
        (["a", "b", "b"], ["a", "b"], ["run.json has the events ['a', 'b', 'b']"]),
    ],
)
def test_what_is_lost_or_doubled_is_found(
    tmp_path: Path, events: list[str], tracks: list[str], says: list[str]
) -> None:
    reference = fill(tmp_path / "reference", ["a", "b"], ["a", "b"])
    out = fill(tmp_path / "out", events, tracks)
    job = kill.Job("reconstruct", lambda _: [], ("*-tracks.*",))
    problems = kill.differences(job, out, reference, ["a", "b"])
    assert len(problems) == len(says)
    for problem, text in zip(problems, says, strict=True):
        assert text in problem


def test_another_content_is_found(tmp_path: Path) -> None:
    reference = fill(tmp_path / "reference", ["a"], ["a"])
    out = fill(tmp_path / "out", ["a"], ["a"])
    (out / "a-tracks.csv").write_text("b")
    (out / ".a-tracks.csv.x.part").touch()  # what a killed process leaves is no result
    job = kill.Job("reconstruct", lambda _: [], ("*-tracks.*",))
    assert kill.differences(job, out, reference, ["a"]) == ["a-tracks.csv differs"]


def test_a_summary_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    for place in ("reference", "out"):
        fill(tmp_path / place, ["a"], ["a"])
    (tmp_path / "out" / "run.json").unlink()
    job = kill.Job("reconstruct", lambda _: [], ("*-tracks.*",))
    found = kill.differences(job, tmp_path / "out", tmp_path / "reference", ["a"])
    assert found == ["run.json is missing"]
