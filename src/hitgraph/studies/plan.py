"""What a study needs to know before it starts: its measurements, and what is made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hitgraph.evaluation.comparison import name_columns
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.event.store import preset_of
from hitgraph.fingerprint import fingerprint_of_folder
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import find_pipeline
from hitgraph.settings import to_dict
from hitgraph.studies.output import Result
from hitgraph.studies.points import Point, settings_of

Points = Mapping[str, dict[str, Any]]  # what was measured, by the key of the point


@dataclass(frozen=True)
class Plan:
    """A study ready to run."""

    points: Sequence[Point]
    settings: Mapping[str, Any]  # JSON-able; a study goes on only with the same
    summarise: Callable[[Points], Result]


def name_pipelines(names: Sequence[str], begun: Path | None = None) -> dict[str, Path]:
    """The folders of the pipelines by short names that tell them apart.

    A study that goes on in the folder `begun` keeps the names that its pipelines had there, also
    where they stand in other folders now.
    """
    columns = name_columns([Path(name) for name in names])
    found = {short: find_pipeline(path) for short, path in columns.items()}
    had = None if begun is None else settings_of(begun).get("pipelines")
    digests = {short: fingerprint_of_folder(folder) for short, folder in found.items()}
    name_of = {str(digest): short for short, digest in (had or {}).items()}
    if set(name_of) != set(digests.values()) or len(name_of) < len(digests):
        return found
    return {name_of[digests[short]]: folder for short, folder in found.items()}


def load_pipelines(columns: Mapping[str, Path], device: str) -> dict[str, Pipeline]:
    """The pipelines by the names of `name_pipelines`."""
    return {short: Pipeline.load(folder, device) for short, folder in columns.items()}


def common_settings(
    columns: Mapping[str, Path], sources: Sequence[EventSource], selection: Selection
) -> dict[str, Any]:
    """What every study depends on: the events, the particles that count, and the pipelines with a
    digest of their weights.

    Events and pipelines are what they hold, wherever they stand.
    """
    return {
        "pipelines": {short: fingerprint_of_folder(folder) for short, folder in columns.items()},
        "events": [source.fingerprint() for source in sources],
        "selection": to_dict(selection),
        "preset": preset_of(source.path for source in sources),
    }
