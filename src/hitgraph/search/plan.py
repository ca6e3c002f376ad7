"""What a search is: a recipe, what varies, what each trial may take, and what counts as good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hitgraph.compare.plan import Budget, Plan, Run, make_plan, run_of, settings_of
from hitgraph.event.source import EventSource
from hitgraph.recipe import Recipe
from hitgraph.search.space import Space
from hitgraph.settings import to_dict


@dataclass(frozen=True)
class Search:
    """All that a worker has to know; the same for all that share a store."""

    space: Space
    plan: Plan  # its one run is the recipe itself, which teaches the shared stages
    budget: Budget
    quality: str  # one of hitgraph.search.quality.QUALITIES
    store: str  # a file, or the URL of a database
    n_trials: int  # that end, beside the recipe itself
    device: str = "cpu"
    quiet: bool = False

    @property
    def own(self) -> Run:
        """The recipe itself."""
        return self.plan.runs[0]

    @property
    def name(self) -> str:
        """Of the search in the store."""
        return self.space.recipe.name

    def run_of(self, recipe: Recipe) -> Run:
        """One trial."""
        return run_of(self.name, recipe, self.budget, len(self.plan.shared))

    def lock(self, key: str) -> Path:
        """The file that is locked by whoever works on a run, or with the key "store" counts."""
        return self.plan.out / "locks" / key

    def identity(self, templates: Mapping[str, Any]) -> dict[str, Any]:
        """JSON-able; `templates` is the content of the space's file."""
        return {
            "recipe": to_dict(self.space.recipe),
            "space": dict(templates),
            "quality": self.quality,
            **settings_of(self.plan, self.budget),
        }


def plan_of(
    space: Space,
    train: Sequence[EventSource],
    judge: Sequence[EventSource],
    out: Path,
    budget: Budget,
    start: str | None = None,
) -> Plan:
    """The recipe itself as the only run; the stages that no trial changes are shared.

    Raises SettingsError as `make_plan` does, which tells the events that judge from those that
    train.
    """
    recipes = {space.recipe.name: space.recipe} | dict(space.corners())
    plan = make_plan(recipes, train, judge, out, budget, start=start)
    return replace(plan, runs=plan.runs[:1])
