"""Which trainings end early."""

from typing import Any

import pytest
from tests.trained import tiny_recipe

pytest.importorskip("optuna", reason="Optuna is not installed (extra search)")

from hitgraph.search.pruning import is_worse, reported
from hitgraph.training.epochs import Epoch


def epoch(share: float, **figures: float) -> Epoch:
    return Epoch(1, None, share, figures, seconds=1.0, cpu_seconds=2.0)


def others(*reports: tuple[float, float]) -> list[dict[str, list[float]]]:
    return [{"key": list(one)} for one in reports]


def test_below_the_median_of_those_that_are_no_slower_it_ends() -> None:
    rivals = others((0.9, 1.0), (0.8, 1.0), (0.7, 1.0), (0.6, 1.0))  # the median is 0.75
    assert is_worse("key", [0.74, 1.0], rivals)
    assert not is_worse("key", [0.76, 1.0], rivals)


def test_a_faster_one_is_not_compared_with_slower_ones() -> None:
    rivals = others((0.9, 1.0), (0.8, 1.0), (0.7, 1.0), (0.6, 1.0))
    assert not is_worse("key", [0.1, 0.5], rivals)
    assert is_worse("key", [0.1, 0.95], rivals)  # CPU times scatter by some per cents


def test_few_say_nothing() -> None:
    assert not is_worse("key", [0.1, 1.0], others((0.9, 1.0), (0.8, 1.0), (0.7, 1.0)))
    assert not is_worse("another", [0.1, 1.0], others(*[(0.9, 1.0)] * 9))


def test_only_the_same_stage_on_the_same_graph_is_compared() -> None:
    def key(**changes: Any) -> str:
        return reported(tiny_recipe(**changes), "gnn", epoch(0.5, val_loss=0.1))[1]

    assert key() == key(gnn__network__hidden=4, gnn__training__learning_rate=0.1)
    keys = {key(), key(filter__target_efficiency=0.9), key(truth__min_hits=4)}
    assert len(keys) == 3


def test_a_quarter_of_the_budget_counts_and_the_area_before_the_loss() -> None:
    recipe = tiny_recipe()
    quarter, _, found = reported(recipe, "gnn", epoch(0.55, val_loss=0.1, val_auc=0.9))
    assert (quarter, found) == (2, [0.9, 2.0])
    assert reported(recipe, "gnn", epoch(0.1, val_loss=0.1))[2] == [-0.1, 2.0]
