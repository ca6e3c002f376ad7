"""Where the figures of a training are logged: CSV and TensorBoard, and trackers of experiments."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.lessons.settings import TrainingSettings

PROJECT = "hitgraph"  # the name of runs together, where the environment gives no other
# What a tracker is told by the environment, for the message where it cannot begin.
_TOLD_BY = {
    "wandb": "log in with  wandb login , or set WANDB_MODE=offline",
    "mlflow": "let MLFLOW_TRACKING_URI name a server that answers, or unset it",
}


def check_trackers(names: Sequence[str]) -> None:
    """Raise SettingsError where the package of a tracker is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise SettingsError(
                f"training.trackers: {name} is not installed: install it with  pip install {name}"
            )


@contextmanager
def loggers(settings: TrainingSettings, folder: Path) -> Iterator[list[Any]]:
    """Loggers of one training, for Lightning; its run is named by the folder.

    Raises HitgraphError where a tracker cannot begin: no server, no account.
    """
    trackers = []
    try:
        for name in settings.trackers:
            try:
                trackers.append(_TRACKERS[name](folder))
                trackers[-1].log_hyperparams(asdict(settings))
            except Exception as error:  # each package has errors of its own
                raise HitgraphError(
                    f"training.trackers: {name} cannot begin ({error}): {_TOLD_BY[name]}"
                ) from error
        yield [
            CSVLogger(folder, name="csv"),
            TensorBoardLogger(folder, name="tensorboard"),
            *trackers,
        ]
    finally:
        for tracker in trackers:
            if isinstance(tracker, WandbLogger):  # or the next training would go into this run
                tracker.experiment.finish()


def _wandb(folder: Path) -> Any:
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    return WandbLogger(name=str(folder), project=project, save_dir=folder)


def _mlflow(folder: Path) -> Any:
    return MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT),
        run_name=str(folder),
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI")
        or f"sqlite:///{(folder / 'mlflow.db').absolute()}",
    )


_TRACKERS = {"wandb": _wandb, "mlflow": _mlflow}
