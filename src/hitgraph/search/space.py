"""What a search varies: keys of a recipe, each with a range or alternatives, from a YAML file.

    stages.gnn.training.learning_rate: {low: 1.0e-3, high: 3.0e-2, log: true}
    stages.gnn.network:
      one_of:
        - {use: interaction, hidden: {low: 16, high: 64, step: 16}, steps: {low: 2, high: 8}}
        - {use: gcn, hidden: 32}

A choice among sections may hold ranges and choices of its own. Its keys are then named after the
section: `stages.gnn.network.interaction.hidden`.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hitgraph.errors import SettingsError
from hitgraph.recipe import Recipe
from hitgraph.settings import USE, parse, read_yaml, to_dict

ONE_OF = "one_of"
ROUNDING = 1e-8  # of a step, as Optuna has it
Label = bool | int | float | str | None  # of an alternative
Values = Mapping[str, Any]  # a number or a label by key


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both are."""

    low: int | float
    high: int | float
    log: bool = False  # equally likely in the logarithm
    step: int | float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise SettingsError(f"low: {self.low} is not below high, {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise SettingsError("log: true is for a range above 0 without a step")
        if self.step is None:
            return
        if not 0 < self.step <= self.high - self.low:
            raise SettingsError(f"step: {self.step} is not between 0 and high - low")
        if self.whole and not isinstance(self.step, int):
            raise SettingsError(f"step: {self.step} is no whole number, as low and high are")
        if not self.has(self.high):
            raise SettingsError(f"step: {self.step} does not lead from {self.low} to {self.high}")

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def has(self, value: Any) -> bool:
        """Whether a value is one of them; on a step where there are such."""
        if not isinstance(value, int if self.whole else int | float):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and abs(steps - round(steps)) < ROUNDING


@dataclass(frozen=True)
class OneOf:
    """Alternatives by label: values, or sections that may hold ranges and alternatives."""

    options: Mapping[Label, Any]


class Choose(Protocol):
    """Takes a value of each domain that it is asked for."""

    def __call__(self, key: str, domain: Range | OneOf) -> Any:
        """A number of the range, or a label of the alternatives."""


@dataclass(frozen=True)
class Space:
    """The keys that vary."""

    recipe: Recipe  # all others are as it has them
    templates: Mapping[str, Any]  # by dotted key

    def make(self, choose: Choose) -> Recipe:
        """The recipe with what `choose` takes. Raises SettingsError where it is none."""
        content = to_dict(self.recipe)
        for key, template in self.templates.items():
            _put(content, key, _resolve(template, key, choose))
        return parse(Recipe, content)

    def values_of_recipe(self) -> dict[str, Any] | None:
        """The values with which `make` gives the recipe itself; None where it is outside."""
        found = self._matching()
        return found if self.make(Given(found)) == self.recipe else None

    def _matching(self) -> dict[str, Any]:
        """The values of the recipe, of the keys whose ranges and alternatives have them."""
        content = to_dict(self.recipe)
        found: dict[str, Any] = {}
        for key, template in self.templates.items():
            inside: dict[str, Any] = {}
            if _match(template, _get(content, key), key, inside):
                found |= inside
        return found

    def corners(self) -> Iterator[tuple[str, Recipe]]:
        """Recipes with one end of a range or one alternative each, the other values as in the
        recipe where it has them, and what is special about each.

        Raises SettingsError for the first that is none.
        """
        own = self._matching()
        todo: list[dict[str, Any]] = [{}]
        known: set[str] = set()
        for given in todo:
            choose = Given(own | given)
            changed = ", ".join(f"{key}: {value}" for key, value in given.items())
            try:
                yield changed, self.make(choose)
            except SettingsError as error:
                raise SettingsError(f"{changed or 'its first values'}: {error}") from None
            for key, domain in choose.asked.items():
                todo += [{**given, key: one} for one in _ends(domain) if key not in known]
                known.add(key)


class Given:
    """Takes given values, and the first of a domain where none is given."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.asked: dict[str, Range | OneOf] = {}  # what was asked for, by key

    def __call__(self, key: str, domain: Range | OneOf) -> Any:
        self.asked[key] = domain
        return self.values.get(key, _ends(domain)[0])


def read_space(path: Path, recipe: Recipe) -> Space:
    """The space in a YAML file, checked: each end of a range and each alternative gives a recipe.

    Raises InputError or SettingsError, which names the file and the key.
    """
    content = read_yaml(path)
    try:
        templates = {str(key): _template(value, str(key)) for key, value in content.items()}
        whole = to_dict(recipe)
        for key in templates:
            _get(whole, key)
            inside = next((one for one in templates if key.startswith(f"{one}.")), None)
            if inside is not None:
                raise SettingsError(f"{key}: is part of {inside}, which is in the space as well")
        space = Space(recipe, templates)
        if len(list(space.corners())) == 1:
            raise SettingsError(f"has neither a range (low, high) nor alternatives ({ONE_OF})")
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    return space


def _template(value: Any, key: str) -> Any:
    """A value of the file with its ranges and alternatives."""
    if not isinstance(value, Mapping):
        return value
    if ONE_OF in value:
        options = value[ONE_OF]
        if len(value) > 1 or not isinstance(options, list) or not options:
            raise SettingsError(f"{key}: {ONE_OF} stands alone, with a list of alternatives")
        labels = _labels(options)
        return OneOf(
            {
                label: _template(one, f"{key}.{label}")
                for label, one in zip(labels, options, strict=True)
            }
        )
    if "low" in value or "high" in value:
        return parse(Range, value, key)
    return {str(name): _template(one, f"{key}.{name}") for name, one in value.items()}


def _labels(options: list[Any]) -> list[Label]:
    """What tells the alternatives apart: themselves, or what sections use."""
    labels: list[Label] = []
    for option in options:
        label: Label
        if isinstance(option, Mapping):
            label = str(option.get(USE, "section"))
        elif isinstance(option, list):
            label = json.dumps(option)
        else:
            label = option
        n_alike = sum(str(one).partition("#")[0] == label for one in labels)
        labels.append(f"{label}#{n_alike + 1}" if n_alike else label)
    return labels


def _resolve(template: Any, key: str, choose: Choose) -> Any:
    """The value that a template becomes."""
    if isinstance(template, Range):
        return choose(key, template)
    if isinstance(template, OneOf):
        label = choose(key, template)
        return _resolve(template.options[label], f"{key}.{label}", choose)
    if isinstance(template, Mapping):
        return {name: _resolve(one, f"{key}.{name}", choose) for name, one in template.items()}
    return template


def _match(template: Any, value: Any, key: str, found: dict[str, Any]) -> bool:
    """Whether a template can become a value, and with what, which goes into `found`."""
    if isinstance(template, Range):
        found[key] = value
        return template.has(value)
    if isinstance(template, OneOf):
        for label, option in template.options.items():
            inside: dict[str, Any] = {}
            if _match(option, value, f"{key}.{label}", inside):
                found |= {key: label, **inside}
                return True
        return False
    if isinstance(template, Mapping):
        return isinstance(value, Mapping) and all(
            name in value and _match(one, value[name], f"{key}.{name}", found)
            for name, one in template.items()
        )
    return bool(template == value)


def _ends(domain: Range | OneOf) -> list[Any]:
    return list(domain.options) if isinstance(domain, OneOf) else [domain.low, domain.high]


def _get(content: Mapping[str, Any], key: str) -> Any:
    """What a recipe has under a dotted key; stages by their names. Raises SettingsError."""
    place: Any = content
    for name in key.split("."):
        there = _entries(place)
        if name not in there:
            close = difflib.get_close_matches(name, there, 1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise SettingsError(
                f"{key}: the recipe has no {name} there{meant}; it has {', '.join(there) or 'none'}"
            )
        place = there[name]
    return place


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set what a recipe has under a dotted key; a stage that becomes None is left out."""
    above, _, name = key.rpartition(".")
    place = _get(content, above) if above else content
    if not isinstance(place, list):
        place[name] = value
        return
    number = [step["name"] for step in place].index(name)
    place[number : number + 1] = [] if value is None else [{"name": name, **value}]


def _entries(place: Any) -> Mapping[str, Any]:
    if isinstance(place, list) and all(isinstance(one, Mapping) for one in place):
        return {step["name"]: step for step in place}
    return place if isinstance(place, Mapping) else {}
