"""A recipe: the list of stages of a pipeline with every setting of them, one YAML file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from hitgraph.errors import SettingsError
from hitgraph.hits.columns import HIT_COLUMNS
from hitgraph.lessons.settings import DataSettings, TruthSettings
from hitgraph.settings import USE, parse, parse_choice, read_yaml, to_dict
from hitgraph.stage import STAGES, StageSettings, gives_of, needs_of
from hitgraph.state import CLUSTERS, EDGES, HITS, LABELS

NAME = re.compile(r"[a-z][a-z0-9_]*")  # of a stage; its tensors are saved under it
START = "features"  # the name of what makes the hits of an event, before the first stage
# What there is before the first stage: whatever the code can make of an event.
FROM_EVENT = frozenset({HITS, CLUSTERS, *(f"hit.{name}" for name in HIT_COLUMNS)})
FROM_CELLS = frozenset(
    {CLUSTERS, *(f"hit.{name}" for name, one in HIT_COLUMNS.items() if one.cells)}
)


class Step(NamedTuple):
    """One entry of a recipe's list."""

    name: str
    settings: StageSettings


def _parse_stages(value: object, key: str) -> tuple[Step, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{key}: expected a list of stages, found {value!r}")
    steps = []
    for number, entry in enumerate(value):
        if not isinstance(entry, Mapping):
            raise SettingsError(f"{key}[{number}]: expected keys and values, found {entry!r}")
        name = entry.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name) or name == START:
            raise SettingsError(
                f"{key}[{number}].name: {name!r} is not allowed; a word of small letters, digits "
                f"and _ that is not {START}"
            )
        rest = {one: setting for one, setting in entry.items() if one != "name"}
        steps.append(Step(name, parse_choice(STAGES, rest, f"{key}.{name}")))
    return tuple(steps)


def _dump_stages(steps: Iterable[Step]) -> list[dict[str, Any]]:
    return [
        {"name": step.name, USE: STAGES.name_of(step.settings), **to_dict(step.settings)}
        for step in steps
    ]


@dataclass(frozen=True)
class Recipe:
    """A whole pipeline: its stages in the order in which they run and are trained."""

    name: str  # of the pipeline
    description: str  # one sentence for the model card
    seed: int  # fixes every random number of the training; --seed replaces it
    data: DataSettings  # which events train
    truth: TruthSettings  # which edges count as true in training
    stages: tuple[Step, ...] = field(  # what the pipeline does, in order
        metadata={"parse": _parse_stages, "dump": _dump_stages}
    )

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"seed: {self.seed} is not allowed, 0 to {2**32 - 1}")
        names = [step.name for step in self.stages]
        for name in names:
            if names.count(name) > 1:
                raise SettingsError(f"stages.{name}: the name is there twice")
        check_stages(self.stages)

    @property
    def needs(self) -> frozenset[str]:
        """What the stages need, all together."""
        return frozenset().union(*(needs_of(step.settings) for step in self.stages))

    @property
    def clusters(self) -> bool:
        """Whether a stage uses what comes from cells: events then need them."""
        return not FROM_CELLS.isdisjoint(self.needs)

    @property
    def seeing_clusters(self) -> list[str]:
        """The names of the stages that use what comes from cells."""
        steps = (step for step in self.stages if not FROM_CELLS.isdisjoint(needs_of(step.settings)))
        return [step.name for step in steps]

    def settled(self, cells: bool) -> "Recipe":
        """The recipe for events that have cells, or for events that have none.

        Stages that leave it to the events whether they look at clusters do so or not.
        """
        steps = (Step(name, settings.settled(cells)) for name, settings in self.stages)
        return replace(self, stages=tuple(steps))

    @property
    def hit_columns(self) -> tuple[str, ...]:
        """Columns of hits that stages use and that not every event's hits have."""
        derived = (name for name, column in HIT_COLUMNS.items() if column.derive is not None)
        return tuple(name for name in derived if f"hit.{name}" in self.needs)

    def step(self, name: str) -> Step:
        """The stage of that name. Raises KeyError where there is none."""
        for step in self.stages:
            if step.name == name:
                return step
        raise KeyError(name)


def check_stages(steps: Iterable[Step]) -> None:
    """Raise SettingsError where a stage needs what nothing before it gives, or no tracks come."""
    there = FROM_EVENT
    for step in steps:
        missing = sorted(needs_of(step.settings) - there)
        if missing:
            has = ", ".join(sorted(there - FROM_EVENT | {HITS}))
            raise SettingsError(
                f"stages.{step.name}: needs {missing[0]}, which nothing before it gives (there "
                f"is: {has}); {_givers(missing[0])}"
            )
        there = after(there, step.settings)
    if LABELS not in there:
        raise SettingsError(
            f"stages: no stage gives {LABELS}, so there would be no tracks; {_givers(LABELS)}"
        )


def after(there: frozenset[str], settings: StageSettings) -> frozenset[str]:
    """What there is after a stage. A new graph or new tracks have none of the old columns."""
    needs, gives = needs_of(settings), gives_of(settings)
    if EDGES in gives and EDGES not in needs:
        there = frozenset(name for name in there if not name.startswith("edge."))
    if LABELS in gives:
        there = frozenset(name for name in there if not name.startswith("track."))
    return there | gives


def _givers(name: str) -> str:
    """What to do about a name that is missing."""
    found = []
    for use in STAGES:
        try:
            if name in gives_of(STAGES[use]):
                found.append(use)
        except (TypeError, SettingsError):  # settings of another package without defaults
            continue
    return f"put one of these before it: {', '.join(found)}" if found else "no stage gives it"


def read_recipe(name: str | Path) -> Recipe:
    """Read and check a recipe file. Raises InputError or SettingsError naming file and key."""
    path = Path(name)
    try:
        return parse(Recipe, read_yaml(path))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
