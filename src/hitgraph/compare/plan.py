"""What is compared: recipes on the same events, the stages that they share, and the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from hitgraph.errors import SettingsError
from hitgraph.event.source import EventSource
from hitgraph.fingerprint import fingerprint_of_folder, fingerprint_of_settings
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.pipeline_files import find_pipeline
from hitgraph.recipe import Recipe, Step
from hitgraph.training.identity import recipe_begun

RUNS = "runs"  # folder of the pipelines


@dataclass(frozen=True)
class Budget:
    """What each recipe may take for the networks that are its own: one of the two."""

    cpu_seconds: float | None = None  # shared evenly among the networks that are trained
    epochs: int | None = None  # of each network

    def __post_init__(self) -> None:
        if (self.cpu_seconds is None) == (self.epochs is None):
            raise SettingsError("give the budget as either --seconds or --epochs")
        if self.cpu_seconds is not None and self.cpu_seconds <= 0:
            raise SettingsError(f"--seconds: {self.cpu_seconds} is not allowed, above 0")


@dataclass(frozen=True)
class Run:
    """One recipe with one seed."""

    name: str  # of the recipe
    seed: int
    recipe: Recipe  # with that seed, and the epochs of the budget
    cpu_seconds: Mapping[str, float]  # of each network, by the stages that train their own
    begun: str | None = None  # its key where it was begun, maybe by a version without all settings

    @property
    def key(self) -> str:
        """Tells it from the runs of other recipes, also of one that had the same name."""
        digest = fingerprint_of_settings(self.recipe)
        return self.begun or f"{self.name}-{self.seed}-{digest[:6]}"


@dataclass(frozen=True)
class Plan:
    """All runs, and where."""

    runs: tuple[Run, ...]  # the first one teaches the shared stages
    shared: tuple[str, ...]  # names of the stages that all recipes begin with, alike
    train: tuple[EventSource, ...]  # training and validation events, as the recipes say
    test: tuple[EventSource, ...]
    out: Path
    start: str | None = None  # a pipeline that shared stages are taken from

    def folder(self, run: Run) -> Path:
        return self.out / RUNS / run.key


def make_plan(
    recipes: Mapping[str, Recipe],
    train: Sequence[EventSource],
    test: Sequence[EventSource],
    out: Path,
    budget: Budget,
    seeds: Sequence[int] = (),
    start: str | None = None,
) -> Plan:
    """Recipes by the names they have in the table; without `seeds` each runs with its own.

    Stages that all recipes begin with, with the same settings, are taught once, with the first
    seed and as the recipes say, or taken from the pipeline `start` where that has them; the budget
    is for what comes behind. Without `test` events, those
    of `train` that no recipe trains or validates on are it. Raises SettingsError where the recipes
    name different numbers of events, or nothing is left to judge on.
    """
    first = next(iter(recipes.values()))
    for name, recipe in recipes.items():
        if recipe.data != first.data:
            raise SettingsError(
                f"{name}: data.train_events {recipe.data.train_events} and validation_events "
                f"{recipe.data.validation_events} are not those of {next(iter(recipes))} "
                f"({first.data.train_events} and {first.data.validation_events}): recipes are "
                "compared on the same events"
            )
    n_taught = first.data.train_events + first.data.validation_events
    test = test or train[n_taught:]
    if not test:
        raise SettingsError(
            f"all {len(train)} events train or validate: give more of them, or others with --test"
        )
    require_unseen(train[:n_taught], test)
    shared = _shared(list(recipes.values()))
    runs = [
        run_of(name, replace(recipe, seed=seed), budget, len(shared))
        for name, recipe in recipes.items()
        for seed in seeds or (recipe.seed,)
    ]
    names = tuple(step.name for step in shared)
    if start is not None and not names:
        raise SettingsError(
            "--from: the recipes begin with no stage alike, so there is none to take"
        )
    begun = tuple(replace(run, begun=key_begun(out, run)) for run in runs)
    return Plan(begun, names, tuple(train[:n_taught]), tuple(test), out, start)


def key_begun(out: Path, run: Run) -> str | None:
    """Under which key a training of the run's recipe was begun in `out`, None where none was.

    Recipes are compared as they are parsed: a version that knows more settings gives another
    digest, but the same recipe.
    """
    # as it is, or with what it leaves to the events decided
    ways = (run.recipe, *(run.recipe.settled(cells) for cells in (True, False)))
    for folder in sorted((out / RUNS).glob(f"{run.name}-{run.seed}-??????")):
        if recipe_begun(folder) in ways:
            return folder.name
    return None


def require_unseen(train: Sequence[EventSource], test: Sequence[EventSource]) -> None:
    """Raise SettingsError where an event that judges has trained, validated or chosen."""
    taught = {source.path.resolve() for source in train}
    for source in test:
        if source.path.resolve() in taught:
            raise SettingsError(f"{source.path}: trains or validates, so it cannot judge as well")


def _shared(recipes: Sequence[Recipe]) -> list[Step]:
    """The stages that all recipes begin with; none where they differ in what is true."""
    if any(recipe.truth != recipes[0].truth for recipe in recipes) or len(recipes) == 1:
        return []
    columns = zip(*(recipe.stages for recipe in recipes), strict=False)
    return [
        steps[0]
        for steps in takewhile(lambda steps: all(step == steps[0] for step in steps), columns)
    ]


def run_of(name: str, recipe: Recipe, budget: Budget, n_shared: int) -> Run:
    """A recipe with its share of the budget for the stages behind the first `n_shared`."""
    own = recipe.stages[n_shared:]
    taught = [step for step in own if _training(step) is not None]
    if budget.cpu_seconds is not None:
        each = budget.cpu_seconds / max(sum(step.settings.n_networks for step in taught), 1)
        return Run(name, recipe.seed, recipe, {step.name: each for step in taught})
    stages = (*recipe.stages[:n_shared], *(_with_epochs(step, budget) for step in own))
    return Run(name, recipe.seed, replace(recipe, stages=stages), {})


def _training(step: Step) -> TrainingSettings | None:
    """How the networks of a stage are trained, None where it has none."""
    found = getattr(step.settings, "training", None)
    return found if isinstance(found, TrainingSettings) else None


def _with_epochs(step: Step, budget: Budget) -> Step:
    training = _training(step)
    if training is None or budget.epochs is None:
        return step
    settings: Any = step.settings
    return Step(step.name, replace(settings, training=replace(training, epochs=budget.epochs)))


def settings_of(plan: Plan, budget: Budget) -> dict[str, Any]:
    """JSON-able: a comparison goes on only with the same; recipes and seeds may be others."""
    return {
        "shared": list(plan.shared),
        "from": plan.start and fingerprint_of_folder(find_pipeline(plan.start)),
        "budget": {one.name: getattr(budget, one.name) for one in fields(budget)},
        "train": [source.fingerprint() for source in plan.train],
        "test": [source.fingerprint() for source in plan.test],
    }
