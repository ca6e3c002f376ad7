"""The learning rate that a range test finds (Smith, arXiv 1506.01186)."""

import contextlib
import io
import tempfile
from typing import Any

import lightning as L
from lightning.pytorch.tuner import Tuner

from hitgraph.errors import HitgraphError

LOWEST = 1e-6  # of the test
STEPS = 100  # of the test


def find_rate(module: Any, highest: float, **how: Any) -> float:
    """The rate at which the loss of `module` falls steepest while the rate grows up to `highest`.

    The module, a LightningModule, is left as it was; `how` are arguments of the Trainer. Raises
    HitgraphError where the loss falls nowhere.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        trainer = L.Trainer(
            max_epochs=-1,
            default_root_dir=folder,  # the weights from before the test stand here meanwhile
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            **how,
        )
        found = Tuner(trainer).lr_find(
            module, min_lr=LOWEST, max_lr=highest, num_training=STEPS, update_attr=False
        )
    rate = None if found is None else found.suggestion()
    if rate is None:
        raise HitgraphError(
            "training.range_test: the loss falls at no learning rate between "
            f"{LOWEST:g} and {highest:g}: switch it off, or raise training.learning_rate"
        )
    return float(rate)
