"""The study `vertices`: numbers of events add up, samples are told by their pile-up."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.trained import training_events, write_store

from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.event.event import Event
from hitgraph.event.store import write_dataset_info


@pytest.fixture(scope="module")
def samples(make_event: Callable[..., Event], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One event each of two pile-ups."""
    folder = tmp_path_factory.mktemp("samples")
    for pileup, event in zip((5, 9), training_events(make_event), strict=False):
        out = write_store(folder / str(pileup), [event])
        write_dataset_info(out, {"preset": "tiny", "settings": {"pileup": pileup}, "events": []})
    return folder


def test_every_finder_has_a_number_at_every_pileup(
    samples: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "vertices", str(samples / "5"), str(samples / "9")]
    words += ["--pipeline", str(tiny_pipeline), "--finders", "stacking", "imaging"]
    words += ["--device", "cpu", "--threads", "1", "--out", str(tmp_path)]
    assert main(words) == OK
    content = json.loads((tmp_path / "vertices.json").read_text())
    (finders,) = content["series"].values()
    assert list(finders) == ["stacking", "imaging"]
    for values in finders.values():
        assert [one["pileup"] for one in values] == [5, 9]
        assert all(one["n_events"] == 1 for one in values)
    assert (tmp_path / "vertices.png").stat().st_size > 1000
    table = capsys.readouterr().out
    assert "Vertices from the tracks of" in table
    assert main([*words, "--resume"]) == OK
    assert json.loads((tmp_path / "vertices.json").read_text()) == content


def test_without_a_taught_finder_it_cannot_be_asked_for(
    samples: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "vertices", str(samples / "5"), "--finders", "learnt"]
    words += ["--pipeline", str(tiny_pipeline), "--out", str(tmp_path)]
    assert main(words) == CANNOT_START
    assert "no --pipeline has a stage that finds vertices" in capsys.readouterr().err
