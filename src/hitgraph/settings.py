"""Frozen dataclasses from keys and values: a wrong recipe is refused before any work starts."""

import dataclasses
import difflib
import json
import reprlib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

import pydantic

from hitgraph.errors import SettingsError
from hitgraph.yaml_files import read_yaml as read_yaml

T = TypeVar("T")

LARGEST_WHOLE = 2**32 - 1  # a seed
SMALLEST, LARGEST = 1e-30, 1e30  # of any other number, far inside of single precision
USE = "use"  # the key that names what is used
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 200
_shown = _brief.repr  # of a value in a message


def parse(cls: type[T], mapping: object, where: str = "") -> T:
    """Build the dataclass `cls` from a mapping; `where` is the dotted key that holds it.

    A field whose metadata has a `choices` table (`choice`) is parsed by the table's entry that the
    mapping's own key `use` selects; one with a `parse` function by that, and written by `dump`.
    Raises SettingsError naming the key, the value found and what is allowed.
    """
    if not isinstance(mapping, Mapping):
        raise SettingsError(
            f"{where or 'recipe'}: expected keys and values, found {_shown(mapping)}"
        )
    hints = get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise SettingsError(
                f"{_join(where, str(key)[:200])}: unknown key{meant}"
                f"; allowed here: {', '.join(known)}"
            )
    values: dict[str, Any] = {}
    for name, field in known.items():
        key = _join(where, name)
        if name not in mapping:
            if (
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            ):
                raise SettingsError(f"{key}: is missing")
            continue
        values[name] = _value(hints[name], field.metadata, mapping[name], key)
    try:
        return cls(**values)
    except SettingsError as error:
        raise SettingsError(_join(where, str(error))) from None


def to_dict(settings: Any) -> dict[str, Any]:
    """The mapping that `parse` turns back into equal settings."""
    result: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if "dump" in field.metadata:
            value = field.metadata["dump"](value)
        elif "choices" in field.metadata:
            value = {USE: field.metadata["choices"].name_of(value), **to_dict(value)}
        elif dataclasses.is_dataclass(value):
            value = to_dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        result[field.name] = value
    return result


def choice(table: Mapping[str, type]) -> dict[str, Any]:
    """Metadata of a field whose settings class is picked from a registry by the key `use`."""
    return {"choices": table}


def parse_choice(table: Mapping[str, type], value: object, key: str) -> Any:
    """Settings of the class that the mapping's key `use` picks from `table`."""
    chosen = value.get(USE) if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping) or not isinstance(chosen, str) or chosen not in table:
        raise SettingsError(
            f"{key}.{USE}: {_shown(chosen)} is not allowed; one of {', '.join(table)}"
        )
    return parse(table[chosen], {name: one for name, one in value.items() if name != USE}, key)


def _value(hint: Any, metadata: Mapping[str, Any], value: object, key: str) -> Any:
    if "parse" in metadata:
        return metadata["parse"](value, key)
    if "choices" in metadata:
        return parse_choice(metadata["choices"], value, key)
    optional = [one for one in get_args(hint) if dataclasses.is_dataclass(one)]
    if optional and value is None:
        return None
    section = optional[0] if optional else hint
    if dataclasses.is_dataclass(section) and isinstance(section, type):
        return parse(section, value, key)
    try:
        # Through JSON: strict about types, yet a YAML list may fill a tuple.
        adapter = pydantic.TypeAdapter(hint, config=pydantic.ConfigDict(allow_inf_nan=False))
        found = adapter.validate_json(json.dumps(value), strict=True)
    except (pydantic.ValidationError, TypeError, ValueError) as error:
        expected = getattr(hint, "__name__", str(hint))
        if isinstance(error, pydantic.ValidationError):
            expected = error.errors()[0]["msg"]
        raise SettingsError(f"{key}: {_shown(value)} is not allowed ({expected})") from None
    _require_usable(found, key)
    return found


def _require_usable(value: object, key: str) -> None:
    """Raise SettingsError for a number that single precision or 32 bits cannot hold."""
    if isinstance(value, tuple | list):
        for one in value:
            _require_usable(one, key)
    elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise SettingsError(
            f"{key}: {_shown(value)} is not allowed, whole numbers reach from {-LARGEST_WHOLE} to "
            f"{LARGEST_WHOLE}"
        )
    elif isinstance(value, float) and value and not SMALLEST <= abs(value) <= LARGEST:
        raise SettingsError(
            f"{key}: {value} is not allowed, 0 or between {SMALLEST:g} and {LARGEST:g}, with "
            "either sign"
        )


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
