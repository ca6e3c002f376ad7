"""A search as a table, figures, numbers and recipes."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from hitgraph.files import atomic_write
from hitgraph.recipe import Recipe, Step
from hitgraph.search.plan import Search
from hitgraph.search.space import Given
from hitgraph.search.standing import EPOCHS, FIGURES, ITSELF, KEY, WHY, ended
from hitgraph.settings import to_dict
from hitgraph.studies.output import Result, Table

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Axes, Figure

SHOWN = 10  # trials of the table, besides the front
FOR_IMPORTANCE = 5  # trials that ended well


@dataclass(frozen=True)
class Outcome:
    """What a search has found so far."""

    itself: FrozenTrial  # the recipe
    ended: tuple[FrozenTrial, ...]  # all trials but that
    complete: tuple[FrozenTrial, ...]  # the recipe first, then those that went to the end
    front: tuple[FrozenTrial, ...]  # none is better and as fast; the fastest first

    @staticmethod
    def of(study: optuna.Study) -> "Outcome":
        trials = study.get_trials(deepcopy=False)
        itself = next(one for one in trials if ITSELF in one.user_attrs)
        found = ended(trials)
        complete = [itself, *(one for one in found if one.state == TrialState.COMPLETE)]
        front: dict[str, FrozenTrial] = {}
        for one in sorted(study.best_trials, key=lambda one: (one.values[1], one.number)):
            front.setdefault(one.user_attrs[KEY], one)
        return Outcome(itself, tuple(found), tuple(complete), tuple(front.values()))

    @property
    def best(self) -> FrozenTrial:
        """Of the highest quality."""
        return max(self.front, key=lambda one: one.values[0])

    def name(self, trial: FrozenTrial) -> str:
        return "the recipe itself" if trial is self.itself else f"trial {trial.number}"

    @property
    def failures(self) -> list[str]:
        """Why trials came to nothing."""
        failed = [one for one in self.ended if one.state == TrialState.FAIL]
        return [f"{self.name(one)}: {one.user_attrs[WHY]}" for one in failed]


def result_of(search: Search, study: optuna.Study, outcome: Outcome) -> Result:
    """The table, the figures, and the numbers of all trials."""
    important = importances(study, outcome)
    figures = {"front": figure_of_front(search, outcome)}
    if important:
        figures["importance"] = figure_of_importance(search, important)
    data = {
        "trials": [_numbers(outcome, one) for one in (outcome.itself, *outcome.ended)],
        "front": [outcome.name(one) for one in outcome.front],
        "best": outcome.name(outcome.best),
        "importance": important,
    }
    return Result((_table(search, outcome),), figures, data)


def recipe_of(search: Search, trial: FrozenTrial) -> Recipe:
    """The recipe of a trial, with the epochs that its networks had."""
    if ITSELF in trial.user_attrs:
        recipe = search.own.recipe
    else:
        recipe = search.run_of(search.space.make(Given(trial.params))).recipe
    steps = []
    for step in recipe.stages:
        settings: Any = step.settings
        epochs = trial.user_attrs[EPOCHS].get(step.name)
        if epochs is not None:
            training = replace(settings.training, epochs=max(1, round(epochs)))
            settings = replace(settings, training=training)
        steps.append(Step(step.name, settings))
    return replace(recipe, stages=tuple(steps))


def write_recipes(search: Search, outcome: Outcome) -> list[Path]:
    """Write best.yaml, and the recipes of the front into a folder; the paths of both.

    Recipes that were on an earlier front are removed.
    """
    best, front = search.plan.out / "best.yaml", search.plan.out / "front"
    _write_recipe(search, outcome, outcome.best, best)
    paths = [front / f"{outcome.name(one).replace(' ', '-')}.yaml" for one in outcome.front]
    for trial, path in zip(outcome.front, paths, strict=True):
        _write_recipe(search, outcome, trial, path)
    for old in set(front.glob("*.yaml")) - set(paths):
        old.unlink(missing_ok=True)  # another process may be at it
    return [best, *paths]


def _write_recipe(search: Search, outcome: Outcome, trial: FrozenTrial, path: Path) -> None:
    quality, seconds = trial.values
    head = (
        f"# {outcome.name(trial)} of the search {search.name}: {search.quality} {quality:.4f}, "
        f"{seconds:.3f} CPU s an event\n"
        "# on the events that it was chosen by; trained for as long as there.\n"
    )
    text = yaml.safe_dump(to_dict(recipe_of(search, trial)), sort_keys=False)
    with atomic_write(path) as temporary:
        temporary.write_text(head + text, encoding="utf-8")


def importances(study: optuna.Study, outcome: Outcome) -> dict[str, dict[str, float]]:
    """By key: how much of being among the best tenth is up to it, in quality and in time.

    PED-ANOVA (arXiv 2304.10255), each column adds up to 1. Empty after too few trials.
    """
    if len(outcome.complete) <= FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on trials of which there are few
        quality, seconds = (
            optuna.importance.get_param_importances(study, target=target)
            for target in (lambda one: -one.values[0], lambda one: one.values[1])
        )
    return {key: {"quality": quality[key], "time": seconds[key]} for key in quality}


def _table(search: Search, outcome: Outcome) -> Table:
    states = Counter(one.state for one in outcome.ended)
    title = (
        f"{len(outcome.ended)} trials, of which {states[TrialState.PRUNED]} ended early and "
        f"{states[TrialState.FAIL]} failed; judged on {len(search.plan.test)} events; * the front"
    )
    by_quality = sorted(outcome.complete, key=lambda one: -one.values[0])
    shown = {one.number: one for one in (outcome.itself, *outcome.front)}
    for one in by_quality:
        if len(shown) < SHOWN + len(outcome.front):
            shown.setdefault(one.number, one)
    rest = sorted(list(shown.values())[1:], key=lambda one: -one.values[0])
    front = {one.number for one in outcome.front}
    rows = []
    for one in (outcome.itself, *rest):
        figures = one.user_attrs[FIGURES]
        rows.append(
            (
                outcome.name(one) + (" *" if one.number in front else ""),
                f"{one.values[0]:.4f}",
                f"{one.values[1]:.3f}",
                f"{figures['parameters']:,.0f}",
                _percent(figures.get("purity 0.98")),
                _settings(one.params),
            )
        )
    columns = ("", search.quality, "CPU s / event", "parameters", "purity at 98 % [%]", "with")
    return Table(title, columns, tuple(rows))


def _percent(value: float | None) -> str:
    return "-" if value is None or value != value else f"{100 * value:.2f}"


def _settings(params: Mapping[str, Any]) -> str:
    """Values by the last words of their keys, as far as those tell them apart."""
    last = Counter(key.rpartition(".")[2] for key in params)
    words = []
    for key, value in params.items():
        name = key.rpartition(".")[2]
        shown = f"{value:.3g}" if isinstance(value, float) else value
        words.append(f"{name if last[name] == 1 else key} {shown}")
    return ", ".join(words)


def _numbers(outcome: Outcome, trial: FrozenTrial) -> dict[str, Any]:
    figures = trial.user_attrs.get(FIGURES, {})
    return {
        "name": outcome.name(trial),
        "state": trial.state.name.lower(),
        "why": trial.user_attrs.get(WHY),
        "values": dict(trial.params),
        "figures": {key: value if value == value else None for key, value in figures.items()},
        "epochs": trial.user_attrs.get(EPOCHS),
    }


def figure_of_front(search: Search, outcome: Outcome) -> "Figure":
    """Quality against CPU time of every trial that went to the end, the front joined."""
    from hitgraph.evaluation.style import BLUE, GREY, ORANGE, legend_above, new_figure, styled

    with styled():
        figure = new_figure(6.4, 4.8)
        axes = figure.subplots()
        _points(axes, outcome.complete, color=GREY, marker="o")
        front = _points(axes, outcome.front, color=BLUE, marker="o", linestyle="-")
        itself = _points(axes, [outcome.itself], color=ORANGE, marker="D", markersize=8)
        axes.set_xlabel("CPU time / event [s]")
        axes.set_ylabel(search.quality)
        axes.margins(0.1)
        legend_above(figure, [front, itself], ["front", "the recipe itself"], columns=2)
    return figure


def _points(axes: "Axes", trials: Sequence[FrozenTrial], **look: Any) -> Any:
    quality, seconds = zip(*(one.values for one in trials), strict=True)
    return axes.plot(seconds, quality, **{"linestyle": "none", **look})[0]


def figure_of_importance(search: Search, important: Mapping[str, Mapping[str, float]]) -> "Figure":
    """One pair of bars a key."""
    from hitgraph.evaluation.style import BLUE, ORANGE, legend_above, new_figure, plain_text, styled

    with styled():
        figure = new_figure(7.6, 1.4 + 0.5 * len(important))
        axes = figure.subplots()
        places = range(len(important))
        handles = []
        for k, (kind, colour) in enumerate((("quality", BLUE), ("time", ORANGE))):
            lengths = [one[kind] for one in important.values()]
            heights = [place - 0.2 + 0.4 * k for place in places]
            handles.append(axes.barh(heights, lengths, 0.36, color=colour))
        axes.set_yticks(places, [plain_text(key) for key in important])
        axes.yaxis.set_minor_locator(_no_ticks())
        axes.invert_yaxis()
        axes.set_xlabel("importance")
        legend_above(figure, handles, [search.quality, "CPU time"], columns=2)
    return figure


def _no_ticks() -> Any:
    from hitgraph.evaluation.style import NullLocator

    return NullLocator()
