"""Reading frozen dataclasses from YAML: a wrong recipe is refused before any work starts."""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import pydantic
import yaml

from hitgraph.errors import InputError, SettingsError

T = TypeVar("T")

USE = "use"  # the key that names what is used
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")  # 1e-3, which YAML 1.1 reads as a string


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises InputError when it is missing or not a mapping."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys and values, found {type(content).__name__}")
    return content


def parse(cls: type[T], mapping: object, where: str = "") -> T:
    """Build the dataclass `cls` from a mapping; `where` is the dotted key that holds it.

    A field whose metadata has a `choices` table (`choice`) is parsed by the table's entry that the
    mapping's own key `use` selects; one with a `parse` function by that, and written by `dump`.
    Raises SettingsError naming the key, the value found and what is allowed.
    """
    if not isinstance(mapping, Mapping):
        raise SettingsError(f"{where or 'recipe'}: expected keys and values, found {mapping!r}")
    hints = get_type_hints(cls)
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in known:
            raise SettingsError(
                f"{_join(where, key)}: unknown key; allowed here: {', '.join(known)}"
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
        raise SettingsError(f"{key}.{USE}: {chosen!r} is not allowed; one of {', '.join(table)}")
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
        return adapter.validate_json(json.dumps(value), strict=True)
    except (pydantic.ValidationError, TypeError) as error:
        expected = getattr(hint, "__name__", str(hint))
        if isinstance(error, pydantic.ValidationError):
            expected = error.errors()[0]["msg"]
        if isinstance(value, str) and _EXPONENT.fullmatch(value):
            expected = f"YAML takes it for text: write a point and the sign, {float(value):.1e}"
        raise SettingsError(f"{key}: {value!r} is not allowed ({expected})") from None


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
