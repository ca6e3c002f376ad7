"""A liquid-argon TPC through the commands, small: from simulate to report."""

import json
from pathlib import Path

import pytest
import yaml

from hitgraph.cli import OK, main

ROOT = Path(__file__).parents[2]
SMALL = ["drift=300", "height=300", "length=600", "cosmics=1"]


@pytest.mark.slow
def test_from_argon_to_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [word for setting in SMALL for word in ("--set", setting)]
    for name, seed, events in (("train", "1", "5"), ("test", "2", "2")):
        command = ["simulate", str(tmp_path / name), "--world", "lartpc", "--seed", seed]
        assert main([*command, "--events", events, "--workers", "1", "--quiet", *options]) == OK
    recipe = yaml.safe_load((ROOT / "recipes" / "worlds" / "lartpc.yaml").read_text())
    recipe["data"] = {"train_events": 4, "validation_events": 1}
    (classes,) = (stage for stage in recipe["stages"] if stage["use"] == "classes")
    classes |= {"network": {"hidden": 16, "mlp_hidden": 16, "steps": 2}}
    classes["training"] = {"epochs": 8, "learning_rate": 0.02}
    (join,) = (stage for stage in recipe["stages"] if stage["use"] == "join_pieces")
    join["training"] = {"epochs": 3, "learning_rate": 0.01}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe))
    pipeline, tracks = str(tmp_path / "pipeline"), str(tmp_path / "tracks")
    command = ["train", str(tmp_path / "small.yaml"), "--data", str(tmp_path / "train")]
    assert main([*command, "--out", pipeline, "--quiet"]) == OK
    test = str(tmp_path / "test")
    assert main(["reconstruct", test, "--pipeline", pipeline, "--out", tracks, "--quiet"]) == OK
    capsys.readouterr()
    found = tmp_path / "found.json"
    assert main(["evaluate", tracks, "--truth", test, "--json", str(found)]) == OK
    text = " ".join(capsys.readouterr().out.split())
    assert "Clusters and classes on wire planes (world lartpc)" in text
    content = json.loads(found.read_text())
    assert content["world"] == "lartpc"
    quality = content["of_world"]["tracks"]
    assert quality["completeness"] > 0.3
    assert quality["purity"] > 0.3
    recalls = [value for value in quality["recall"].values() if value is not None]
    assert sum(recalls) / len(recalls) > 0.3  # by chance 0.2, as with one class for all hits
    out = tmp_path / "report.html"
    assert main(["report", tracks, "--truth", test, "--out", str(out), "--quiet"]) == OK
    assert "Clusters and classes on wire planes" in out.read_text()
