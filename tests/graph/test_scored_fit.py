"""Scored windows: how their logits are fitted, a pipeline with them, settings that are refused."""

from pathlib import Path

import numpy as np
import pytest
from tests.trained import tiny_recipe, train_quietly

from hitgraph.errors import SettingsError
from hitgraph.event.source import list_events
from hitgraph.graph.scored.regression import fit_tables, scores_of
from hitgraph.graph.scored.stage import ScoredSettings, ScoredStage
from hitgraph.graph.scored.values import SCORE_VARIABLES
from hitgraph.graph.windows.cpu import VARIABLES
from hitgraph.lessons.settings import TruthSettings
from hitgraph.pipeline import Pipeline

ALL_PARTICLES = TruthSettings(min_hits=2)


def test_fitted_logits_are_those_of_independent_coins() -> None:
    """Two variables that shift the logit by known amounts: the sum of both is found."""
    rng = np.random.default_rng(0)
    n = 200_000
    bins = rng.integers(0, 4, (2, n)).astype(np.uint8)
    shift = np.array([[-1.0, 0.0, 1.0, 2.0], [0.5, -0.5, 0.0, -1.0]])
    logit = -1.0 + shift[0, bins[0]] + shift[1, bins[1]]
    known = rng.choice([-1.5, 0.0, 1.5], n).astype(np.float32)  # beforehand, of each coin
    truth = (rng.random(n) < 1 / (1 + np.exp(-logit - known))).astype(np.float32)
    window = np.zeros(n, np.int64)
    base, table = fit_tables(bins, truth, np.ones_like(truth), window, 1, known)
    assert np.abs(scores_of(bins, window, base, table) - logit).max() < 0.1


def test_a_variable_seen_twice_counts_once() -> None:
    """The sum over two copies of a variable is what one of them says: no double counting."""
    rng = np.random.default_rng(1)
    one = rng.integers(0, 3, 100_000).astype(np.uint8)
    logit = np.array([-2.0, 0.0, 2.0])[one]
    truth = (rng.random(len(one)) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    window = np.zeros(len(one), np.int64)
    bins = np.stack([one, one])
    base, table = fit_tables(bins, truth, np.ones_like(truth), window, 1, np.zeros_like(truth))
    assert np.abs(scores_of(bins, window, base, table) - logit).max() < 0.1


def test_a_pipeline_is_trained_saved_and_run_with_them(tiny_store: Path, tmp_path: Path) -> None:
    graph = {"use": "scored", "pair_coverage": 1.0, "tail": 0.0, "target_efficiency": 0.95}
    train_quietly(tiny_recipe(graph=graph), tiny_store, tmp_path / "pipeline")
    pipeline = Pipeline.load(tmp_path / "pipeline")
    assert isinstance(pipeline.stages["graph"], ScoredStage)
    event = list_events([tiny_store])[-1].read()
    assert pipeline.run(event).labels.shape == (event.n_hits,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target_efficiency", 0.0),
        ("target_efficiency", 1.1),
        ("pair_coverage", 0.0),
        ("skip_weight", -0.1),
        ("tail", 0.5),
        ("events", 0),
    ],
)
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"{key}: {value} is"):
        ScoredSettings(**{key: value})  # type: ignore[arg-type]


def test_windows_hold_the_documented_variables() -> None:
    assert VARIABLES[:4] == ("sin_dphi", "z0", "curvature", "deta")
    assert len(set(SCORE_VARIABLES)) == len(SCORE_VARIABLES) == 12
