"""Trackers of experiments: told which package to install, and what they are told."""

from pathlib import Path

import pytest
from tests.trained import tiny_recipe
from tests.training.test_fit import Larger, network, settings

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.training import trackers
from hitgraph.training.fit import fit
from hitgraph.training.train import train


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_one_that_is_not_installed_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    message = rf"stages.gnn.training.trackers: {name} is not .* with  pip install {name}"
    with pytest.raises(SettingsError, match=message):
        train(tiny_recipe(gnn__training__trackers=[name]), [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_known_ones_can_be_named() -> None:
    with pytest.raises(SettingsError, match=r"stages.gnn.training.trackers: \['neptune'\] is not"):
        tiny_recipe(gnn__training__trackers=["neptune"])


def test_one_that_cannot_begin_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise ConnectionError("nobody answers at http://tracker:5000")

    monkeypatch.setitem(trackers._TRACKERS, "mlflow", refuse)
    with pytest.raises(HitgraphError, match=r"mlflow cannot begin \(nobody .* MLFLOW_TRACKING_URI"):
        fit(network(), Larger(), settings(trackers=("mlflow",)), tmp_path, quiet=True)


@pytest.mark.filterwarnings("ignore")  # its own
def test_mlflow_gets_settings_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="needs mlflow")
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    chosen = settings(epochs=2, trackers=("mlflow",))
    merit = fit(network(), Larger(), chosen, tmp_path / "gnn", quiet=True)
    client = tracking.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("hitgraph").experiment_id])
    assert run.info.run_name == str(tmp_path / "gnn")
    assert run.data.params["learning_rate"] == "0.02"
    history = client.get_metric_history(run.info.run_id, "val_loss")
    assert len(history) == 2
    assert min(one.value for one in history) == pytest.approx(merit["val_loss"], rel=1e-4)


@pytest.mark.filterwarnings("ignore")  # its own
def test_each_training_is_a_run_of_its_own_in_wandb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("filter", "gnn"):
        chosen = settings(epochs=1, trackers=("wandb",))
        fit(network(), Larger(n_batches=1), chosen, tmp_path / name, quiet=True)
        assert len(list((tmp_path / name).glob("wandb/offline-run-*/*.wandb"))) == 1
