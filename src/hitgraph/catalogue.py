"""What a recipe can name: every stage and network with its keys, as its code says.

`hitgraph stages` prints it and the tables of docs/stages.md come from it (tools/write_tables.py).
"""

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from hitgraph.stage import (
    NETWORKS,
    STAGES,
    NetworkSettings,
    StageSettings,
    gives_of,
    kind_of,
    needs_of,
)

REQUIRED, SECTION = "required", "a section"
_COMMENT = re.compile(r"^    (\w+):[^#]*#\s*(.*)$")
_MORE = re.compile(r"^\s*#\s*(.*)$")


@dataclass(frozen=True)
class Key:
    """One key of a recipe."""

    name: str  # dotted where it stands in a section
    default: str  # as YAML, or REQUIRED
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A stage or a network."""

    name: str  # what `use` says
    kind: str  # builder, filter, labeller, refiner, stage or network
    summary: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    paper: str
    keys: tuple[Key, ...]


def entries() -> list[Entry]:
    """All that there is, of other packages too."""
    return [*map(stage_entry, STAGES), *map(network_entry, NETWORKS)]


def stage_entry(name: str) -> Entry:
    """A stage with its default settings."""
    settings = STAGES[name]
    needs, gives = tuple(sorted(needs_of(settings))), tuple(sorted(gives_of(settings)))
    keys = tuple(all_keys(settings))
    return Entry(name, kind_of(settings), summary(settings), needs, gives, settings.paper, keys)


def network_entry(name: str) -> Entry:
    """A network that the stage `network` can have."""
    settings = NETWORKS[name]
    keys = tuple(all_keys(settings))
    return Entry(name, "network", summary(settings), (), (), settings.paper, keys)


def summary(settings: type[Any]) -> str:
    """The first sentence of its docstring."""
    text = inspect.getdoc(settings) or ""
    return " ".join(text.split("\n\n")[0].split())


def all_keys(settings: type[Any], prefix: str = "") -> Iterator[Key]:
    """Its keys, those of its sections after the section's own name."""
    hints = get_type_hints(settings)
    for key in keys_of(settings):
        below = section_of(settings, key.name, hints)
        if below is None:
            yield dataclasses.replace(key, name=prefix + key.name)
        else:
            yield from all_keys(below, f"{prefix}{key.name}.")


def keys_of(settings: type[Any]) -> list[Key]:
    """Its own keys; a section is one."""
    meanings = _meanings(settings)
    hints = get_type_hints(settings)
    found = []
    for field in dataclasses.fields(settings):
        if field.default is field.default_factory is dataclasses.MISSING:
            text = REQUIRED
        elif section_of(settings, field.name, hints) is not None:
            text = SECTION
        else:
            text = _default(field)
        found.append(Key(field.name, text, meanings.get(field.name, "")))
    return found


def section_of(settings: type[Any], name: str, hints: dict[str, Any]) -> type[Any] | None:
    """The settings class below a key, None where it holds a value or one of several classes."""
    field = next(one for one in dataclasses.fields(settings) if one.name == name)
    if {"choices", "parse"} & set(field.metadata):
        return None
    for one in (hints[name], *get_args(hints[name])):
        if dataclasses.is_dataclass(one) and isinstance(one, type):
            return one
    return None


def _default(field: "dataclasses.Field[Any]") -> str:
    """As YAML reads it."""
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        choices = field.metadata.get("choices")
        return f"{{use: {choices.name_of(made)}}}" if choices is not None else "{}"
    value = field.default
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, str):
        return f'"{value}"' if value in ("true", "false", "32") else value
    return json.dumps(value)


def _meanings(settings: type[Any]) -> dict[str, str]:
    """The comments beside the fields of a class and of those it inherits from."""
    found: dict[str, str] = {}
    for cls in reversed(settings.__mro__):
        if cls in (object, StageSettings, NetworkSettings):
            continue
        try:
            lines = inspect.getsource(cls).splitlines()
        except (OSError, TypeError):
            continue
        last = ""
        for line in lines:
            if (match := _COMMENT.match(line)) is not None:
                last = match[1]
                found[last] = match[2].strip()
            elif last and (more := _MORE.match(line)) is not None:
                found[last] += f" {more[1].strip()}"
            else:
                last = ""
    return found


# ---------------------------------------------------------------- as text and as Markdown


def as_text(entry: Entry) -> str:
    """For a terminal."""
    paper = f", arXiv {entry.paper}" if entry.paper else ""
    lines = [f"{entry.name} ({entry.kind}{paper})", f"  {entry.summary}"]
    if entry.needs or entry.gives:
        lines.append(f"  needs {', '.join(entry.needs)}")
        lines.append(f"  gives {', '.join(entry.gives)}")
    width = max((len(f"{key.name}: {key.default}") for key in entry.keys), default=0)
    for key in entry.keys:
        lines.append(f"    {f'{key.name}: {key.default}':{width}}  {key.meaning}".rstrip())
    return "\n".join(lines)


def key_table(settings: type[Any]) -> str:
    """Markdown: the keys of one settings class."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key in keys_of(settings):
        default = key.default if key.default in (REQUIRED, SECTION) else f"`{key.default}`"
        rows.append(f"| `{key.name}` | {default} | {key.meaning} |")
    return "\n".join(rows)


def stage_table() -> str:
    """Markdown: all stages of this package."""
    rows = ["| `use` | kind | what it does | needs | gives | paper |", "|---|---|---|---|---|---|"]
    for entry in map(stage_entry, STAGES.own):
        needs, gives = (", ".join(f"`{one}`" for one in names) for names in (_short(entry)))
        rows.append(
            f"| `{entry.name}` | {entry.kind} | {entry.summary} | {needs} | {gives} | "
            f"{_link(entry.paper)} |"
        )
    return "\n".join(rows)


def network_table() -> str:
    """Markdown: all edge networks of this package."""
    rows = ["| `network.use` | what it is | paper |", "|---|---|---|"]
    for entry in map(network_entry, NETWORKS.own):
        rows.append(f"| `{entry.name}` | {entry.summary} | {_link(entry.paper)} |")
    return "\n".join(rows)


def _short(entry: Entry) -> tuple[list[str], list[str]]:
    """Needs and gives, without the columns of hits that its default inputs name."""
    return [name for name in entry.needs if not name.startswith("hit.")], list(entry.gives)


def _link(paper: str) -> str:
    return f"[{paper}](https://arxiv.org/abs/{paper})" if paper else ""
