"""Scaling of training: efficiencies and their estimate, and a measurement with two ranks."""

import json
from pathlib import Path

import pytest

from hitgraph.cli import OK, main
from hitgraph.errors import SettingsError
from hitgraph.studies.scaling import Scaling
from hitgraph.studies.scaling_output import efficiency, estimated_efficiency


def test_efficiency_is_one_where_nothing_is_lost() -> None:
    assert efficiency("strong", 10.0, 4, 2.5) == 1
    assert efficiency("weak", 10.0, 4, 10.0) == 1
    assert efficiency("strong", 22.0, 8, 22 / 6) == pytest.approx(0.75)


def test_an_estimate_counts_the_slowest_batch_and_the_sums() -> None:
    alike = [1.0] * 5
    assert estimated_efficiency(alike, 0.0, 64) == 1
    assert estimated_efficiency(alike, 0.1, 8) == pytest.approx(1 / 1.3)  # three levels of a tree
    # The slower of two draws from {1, 3} is 1, 3, 3, 3: 2.5 on average, where the mean is 2.
    assert estimated_efficiency([1.0, 3.0], 0.0, 2) == pytest.approx(0.8, abs=0.02)
    assert estimated_efficiency([1.0, 3.0], 0.0, 64) == pytest.approx(2 / 3, abs=0.01)


def test_ranks_on_several_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are started elsewhere, from where no times come back."""
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    with pytest.raises(SettingsError, match="on one machine, and this Slurm job has 2 nodes"):
        Scaling((1, 2), 4, "cpu", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
def test_two_ranks_are_measured(tiny_store: Path, tiny_pipeline: Path, tmp_path: Path) -> None:
    line = ["study", "scaling", str(tiny_store), "--pipeline", str(tiny_pipeline), "--batches", "4"]
    assert main([*line, "--device", "cpu", "--quiet", "--out", str(tmp_path)]) == OK
    content = json.loads((tmp_path / "scaling.json").read_text())
    for kind in ("strong", "weak"):
        (found,) = (each for key, each in content["series"].items() if key.endswith(kind))
        assert [one["ranks"] for one in found] == [1, 2]
        assert len(found[0]["batch_seconds"]) == 4
        assert found[1]["sum_seconds"] > 0 == found[0]["sum_seconds"]
        assert found[0]["efficiency"] == 1
    (estimated,) = content["estimated"].values()
    assert all(0 < value <= 1 for value in estimated.values())
