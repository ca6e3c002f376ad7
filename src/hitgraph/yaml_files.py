"""Reading YAML files: strict where YAML guesses, and with limits on what a file may grow to."""

import re
from pathlib import Path
from typing import Any

import yaml

from hitgraph.errors import InputError

LARGEST = 1 << 20  # bytes of a file; a recipe has some thousand
MOST_VALUES = 20_000  # keys and values, each alias counted with all that it stands for
DEEPEST = 30  # lists and mappings inside one another; a recipe has four

_SAFE = yaml.SafeLoader
_NUMBERS = {
    # As YAML 1.2 has it: 1e-3 is a number, 1:30 and 010 are not.
    "tag:yaml.org,2002:int": (r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
_NOT_GUESSED = (*_NUMBERS, "tag:yaml.org,2002:timestamp")


class _Loader(_SAFE):
    """Numbers as YAML 1.2 writes them, dates as text, and each key once."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (as the class above has it)
        first: [(tag, pattern) for tag, pattern in known if tag not in _NOT_GUESSED]
        for first, known in _SAFE.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error(key_node, "a list or mapping cannot be a key")
            key = (key_node.tag, key_node.value)
            line = key_node.start_mark.line + 1
            if key in lines:
                raise _error(
                    key_node, f"the key {key_node.value[:200]!r} is already in line {lines[key]}"
                )
            lines[key] = line
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


for _tag, (_pattern, _first) in _NUMBERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises InputError where the file is missing, is no mapping, has a key twice, or is larger,
    nested deeper or, by its aliases, grows to more values than a recipe has use for.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise InputError(f"{path}: is larger than the {LARGEST} bytes that it may have")
        content = _parse(data.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except RecursionError as error:
        raise InputError(f"{path}: {_TOO_DEEP}") from error
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        # The last two: a number of thousands of digits, a !!timestamp that is none.
        raise InputError(f"{path}: is not YAML ({error})") from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise InputError(f"{path}: expected keys and values, found {found}")
    return content


_BEING_WALKED = (-1, 0)
_TOO_DEEP = f"has lists or mappings inside one another more than {DEEPEST} deep"


def _parse(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, 1)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """How many values a node stands for, and how deep they are nested.

    An alias is the node that it names once more, so each is walked once; one that is met while
    it is being walked contains itself.
    """
    values, height = known.get(id(node), (0, 1))
    if not values:
        if depth > DEEPEST:
            raise _error(node, _TOO_DEEP)
        known[id(node)] = _BEING_WALKED
        parts = [
            _measure(one, known, depth + 1)
            for entry in (node.value if isinstance(node, yaml.CollectionNode) else ())
            for one in (entry if isinstance(entry, tuple) else (entry,))
        ]
        values = 1 + sum(part[0] for part in parts)
        height = 1 + max((part[1] for part in parts), default=0)
        known[id(node)] = values, height
    elif values == _BEING_WALKED[0]:
        raise _error(node, "an alias stands inside what it names")
    if values > MOST_VALUES:
        raise _error(node, f"stands for more than {MOST_VALUES} values, aliases included")
    if height > DEEPEST:
        raise _error(node, _TOO_DEEP)
    return values, height


def _error(node: yaml.Node, what: str) -> yaml.YAMLError:
    return yaml.YAMLError(f"line {node.start_mark.line + 1}: {what}")
