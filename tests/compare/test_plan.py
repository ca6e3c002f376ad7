"""What a comparison is going to do, before it does it."""

from pathlib import Path
from typing import Any

import pytest
from tests.trained import tiny_recipe

from hitgraph.compare.plan import Budget, Plan, make_plan
from hitgraph.errors import SettingsError
from hitgraph.event.source import list_events

GCN = {"gnn__network": {"use": "gcn"}}


@pytest.fixture
def plan_of(tiny_store: Path, tmp_path: Path) -> Any:
    def make(budget: Budget, seeds: tuple[int, ...] = (), **recipes: dict[str, Any]) -> Plan:
        made = {name: tiny_recipe(**changes) for name, changes in recipes.items()}
        return make_plan(made, list_events([tiny_store]), (), tmp_path, budget, seeds)

    return make


def test_what_all_begin_with_is_shared_and_the_rest_shares_the_budget(plan_of: Any) -> None:
    plan = plan_of(Budget(cpu_seconds=60.0), one={}, two=GCN)
    assert plan.shared == ("graph", "filter")
    assert [run.cpu_seconds for run in plan.runs] == [{"gnn": 60.0}] * 2
    apart = plan_of(Budget(cpu_seconds=60.0), one={}, two={"graph__tail": 0.01})
    assert apart.shared == ()
    assert [run.cpu_seconds for run in apart.runs] == [{"filter": 30.0, "gnn": 30.0}] * 2


def test_every_network_has_the_same_share(plan_of: Any) -> None:
    """A triplet filter has two."""
    changes = {"graph": {"use": "scored"}, "filter": {"use": "triplets"}}
    plan = plan_of(Budget(cpu_seconds=60.0), one=changes, two=changes | {"graph__tail": 0.01})
    assert [run.cpu_seconds for run in plan.runs] == [{"filter": 20.0, "gnn": 20.0}] * 2


def test_nothing_is_shared_by_recipes_with_another_truth(plan_of: Any) -> None:
    assert plan_of(Budget(epochs=1), one={}, two=GCN | {"truth__min_hits": 4}).shared == ()


def test_epochs_are_those_of_the_budget_behind_what_is_shared(plan_of: Any) -> None:
    for run in plan_of(Budget(epochs=7), one={}, two=GCN).runs:
        steps: dict[str, Any] = {step.name: step.settings for step in run.recipe.stages}
        assert steps["gnn"].training.epochs == 7
        assert steps["filter"].training.epochs == 2
        assert not run.cpu_seconds


def test_every_recipe_runs_with_every_seed(plan_of: Any) -> None:
    runs = plan_of(Budget(epochs=1), seeds=(4, 5), one={}, two=GCN).runs
    names = ["one-4", "one-5", "two-4", "two-5"]
    assert [run.key.rpartition("-")[0] for run in runs] == names
    assert [run.recipe.seed for run in runs] == [4, 5, 4, 5]


def test_a_recipe_that_has_changed_is_another_run(plan_of: Any) -> None:
    (one,), (other,) = (
        plan_of(Budget(epochs=1), one=changes).runs for changes in ({}, {"gnn__sectors": 2})
    )
    assert one.name == other.name
    assert one.key != other.key


def test_events_that_train_do_not_judge(tiny_store: Path, tmp_path: Path, plan_of: Any) -> None:
    plan = plan_of(Budget(epochs=1), one={})
    assert not {source.name for source in plan.train} & {source.name for source in plan.test}
    sources = list_events([tiny_store])
    for test, message in (
        (sources[:1], "trains or validates, so it cannot judge as well"),
        ((), "all 5 events train or validate: give more of them, or others with --test"),
    ):
        with pytest.raises(SettingsError, match=message):
            make_plan({"one": tiny_recipe()}, sources[:5], test, tmp_path, Budget(epochs=1))


def test_recipes_on_different_events_are_refused(plan_of: Any) -> None:
    with pytest.raises(
        SettingsError, match=r"two: data.train_events 2 .* not those of one \(3 and"
    ):
        plan_of(Budget(epochs=1), one={}, two={"data__train_events": 2})


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "either --seconds or --epochs"),
        ({"cpu_seconds": 1.0, "epochs": 1}, "either --seconds or --epochs"),
        ({"cpu_seconds": 0.0}, "--seconds: 0.0 is not allowed, above 0"),
    ],
)
def test_a_budget_is_one_of_two(budget: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Budget(**budget)
