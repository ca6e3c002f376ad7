"""The command that lists what a recipe can name."""

import json
from pathlib import Path

import pytest

from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.stage import NETWORKS, STAGES


def test_every_stage_and_network_stands_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stages", "--json", str(tmp_path / "stages.json")]) == OK
    text = capsys.readouterr().out
    content = json.loads((tmp_path / "stages.json").read_text())
    assert [entry["name"] for entry in content] == [*STAGES, *NETWORKS]
    for entry in content:
        assert f"{entry['name']} ({entry['kind']}" in text
        assert entry["summary"]
        for key in entry["keys"]:
            assert f"    {key['name']}: {key['default']}" in text
    kinds = {entry["name"]: entry["kind"] for entry in content}
    assert kinds["scored"] == "builder"
    assert kinds["triplets"] == kinds["network"] == "filter"
    assert kinds["condensation"] == kinds["merge"] == "labeller"
    assert kinds["join"] == "refiner"
    assert kinds["attention"] == "network"


def test_one_of_them_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", "attention"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "attention (network, arXiv 1810.06111)"
    assert "    hidden: 64      width of every hidden layer" in lines


def test_a_name_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", "no_such_stage"]) == CANNOT_START
    assert "no_such_stage: no such stage or network; one of windows," in capsys.readouterr().err
