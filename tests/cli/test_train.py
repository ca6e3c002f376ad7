"""hitgraph train."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.trained import N_TRAIN, tiny_mapping

from hitgraph.cli import CANNOT_START, INTERRUPTED, OK, main
from hitgraph.gnn.lesson import GraphLesson
from hitgraph.pipeline import Pipeline


def write_recipe(folder: Path, **changes: Any) -> Path:
    path = folder / "tiny.yaml"
    small = {"filter__training__epochs": 1, "gnn__training__epochs": 1}
    path.write_text(yaml.safe_dump(tiny_mapping(**(small | changes))))
    return path


@pytest.fixture(autouse=True)
def _keep_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands set the number of threads for the whole process."""
    monkeypatch.setattr("hitgraph.threads.set_threads", lambda _number: 1)


def test_from_recipe_and_events_to_a_pipeline_with_its_card(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = write_recipe(tmp_path), tmp_path / "[out]"
    arguments = ["train", str(recipe), "--data", str(tiny_store), "--out", str(out)]
    assert main([*arguments, "--seed", "5", "--device", "cpu", "--threads", "1"]) == OK
    shown = capsys.readouterr().out
    for line in ("learning windows from 3 events", "training gnn: 1 epochs of 3 steps"):
        assert line in shown
    assert f"pipeline tiny written to {out}" in shown

    names = {path.name for path in out.iterdir()}
    assert names == {
        "pipeline.yaml",
        "weights.safetensors",
        "detectors.parquet",
        "CARD.md",
        "metrics.json",
        "training",
    }
    kept = {path.name for path in (out / "training").iterdir()}
    assert not kept & {"samples", "candidates", "graphs"}
    assert Pipeline.load(out).recipe.seed == 5

    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["seed"] == 5
    assert len(metrics["data"]["train_events"]) == N_TRAIN
    assert metrics["data"]["dataset"]["preset"] == "tiny"
    assert set(metrics["stages"]) == {"graph", "filter", "gnn", "tracks"}
    card = (out / "CARD.md").read_text()
    assert card.startswith("# tiny\n")
    assert "--seed 5" in card
    assert "3 events to train (event000001000 to event000001002)" in card
    assert (
        f"| tracks | trackml_score | {metrics['stages']['tracks']['trackml_score']:.5g} |" in card
    )
    assert "| tracks | trackml_score_primaries | " in card

    assert main(arguments) == CANNOT_START
    assert "go on with --resume" in capsys.readouterr().err
    assert main([*arguments, "--seed", "5", "--resume", "--quiet"]) == OK
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""
    assert (out / "CARD.md").read_text() == card


def test_ctrl_c_says_how_to_go_on(
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def batches(self: object, network: object, epoch: int) -> object:
        del self, network, epoch
        raise KeyboardInterrupt

    arguments = ["train", str(write_recipe(tmp_path)), "--data", str(tiny_store), "--quiet"]
    arguments += ["--out", str(tmp_path / "out"), "--keep"]
    with monkeypatch.context() as patch:
        patch.setattr(GraphLesson, "batches", batches)
        assert main(arguments) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "out" / "pipeline.yaml").exists()
    assert main([*arguments, "--resume"]) == OK
    assert (tmp_path / "out" / "training" / "gnn" / "cached").is_dir()  # --keep
    Pipeline.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"gnn__network__steps": 0}, [], r"tiny.yaml: stages.gnn.network.steps: 0 is not allowed"),
        ({}, ["--device", "cuda:99"], "device: cuda:99 is not there"),
        ({}, ["--events", "5000:6000"], "no event has a number from 5000 to 5999"),
        ({"data__train_events": 50}, [], "wants 50 events to train"),
        ({}, ["--seed", "-1"], "seed: -1 is not allowed"),
    ],
    ids=["recipe", "device", "numbers", "events", "seed"],
)
def test_what_cannot_start_writes_nothing(
    tiny_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    options: list[str],
    message: str,
) -> None:
    recipe = write_recipe(tmp_path, **changes)
    out = tmp_path / "out"
    status = main(
        ["train", str(recipe), "--data", str(tiny_store), "--out", str(out), "--quiet", *options]
    )
    assert status == CANNOT_START
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_without_the_extra_the_command_that_installs_it_is_named(
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in sys.modules if name.startswith("hitgraph.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning", None)
    recipe = write_recipe(tmp_path)
    arguments = ["train", str(recipe), "--data", str(tiny_store), "--out", str(tmp_path / "out")]
    assert main(arguments) == CANNOT_START
    assert "pip install 'hitgraph[train]'" in capsys.readouterr().err
