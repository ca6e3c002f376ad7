"""A calorimeter through the commands, small: from simulate to evaluate, learnt and classical."""

import json
from pathlib import Path

import pytest
import yaml

from hitgraph.cli import OK, main

ROOT = Path(__file__).parents[2]
SMALL = ["showers=2", "density=0.1", "min_energy=20", "max_energy=30", "hadrons=0"]


@pytest.mark.slow
def test_from_showers_to_their_energies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Few electrons far from each other: CLUE finds nearly all of them."""
    options = [word for setting in SMALL for word in ("--set", setting)]
    for name, seed, events in (("train", "1", "4"), ("test", "2", "8")):
        command = ["simulate", str(tmp_path / name), "--world", "hgcal", "--seed", seed]
        assert main([*command, "--events", events, "--workers", "1", "--quiet", *options]) == OK
    test, folders = str(tmp_path / "test"), []
    for name in ("hgcal", "hgcal_clue"):
        recipe = yaml.safe_load((ROOT / "recipes" / "worlds" / f"{name}.yaml").read_text())
        recipe["data"] = {"train_events": 2, "validation_events": 2}
        for stage in recipe["stages"]:
            if "training" in stage:
                stage["training"] = {"epochs": 2}
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe))
        pipeline, tracks = str(tmp_path / f"{name}-pipeline"), str(tmp_path / name)
        command = ["train", str(tmp_path / "small.yaml"), "--data", str(tmp_path / "train")]
        assert main([*command, "--out", pipeline, "--quiet"]) == OK
        run = ["reconstruct", test, "--pipeline", pipeline, "--out", tracks, "--workers", "1"]
        assert main([*run, "--quiet"]) == OK
        folders.append(tracks)
    capsys.readouterr()
    found = tmp_path / "found.json"
    assert main(["evaluate", *folders, "--truth", test, "--json", str(found)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    assert "Showers (world hgcal)" in text
    assert "response," in text  # the lines of a narrow table break
    content = json.loads(found.read_text())["of_world"]
    groups = content["hgcal_clue"]["groups"]
    assert content["hgcal"]["showers"] == content["hgcal_clue"]["showers"] == 16
    assert groups["hadrons"]["efficiency"]["total"] == 0
    assert groups["all"]["efficiency"]["value"] > 0.7
    assert groups["all"]["response"] == pytest.approx(1, abs=0.15)
    assert content["hgcal_clue"]["completeness"] > 0.8
