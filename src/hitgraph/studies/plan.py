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
from hitgraph.studies.points import Point

Points = Mapping[str, dict[str, Any]]  # what was measured, by the key of the point


@dataclass(frozen=True)
class Plan:
    """A study ready to run."""

    points: Sequence[Point]
    settings: Mapping[str, Any]  # JSON-able; a study goes on only with the same
    summarise: Callable[[Points], Result]


def load_pipelines(names: Sequence[str], device: str) -> dict[str, Pipeline]:
    """The pipelines by short names that tell them apart."""
    columns = name_columns([Path(name) for name in names])
    return {short: Pipeline.load(str(path), device) for short, path in columns.items()}


def common_settings(
    names: Sequence[str], sources: Sequence[EventSource], selection: Selection
) -> dict[str, Any]:
    """What every study depends on: the events, the particles that count, and the pipelines with a
    digest of their weights.

    The same events and pipelines are the same by whatever path they are given.
    """
    columns = name_columns([Path(name) for name in names])
    return {
        "pipelines": {
            short: fingerprint_of_folder(find_pipeline(path)) for short, path in columns.items()
        },
        "events": [str(source.path.resolve()) for source in sources],
        "selection": to_dict(selection),
        "preset": preset_of(source.path for source in sources),
    }
