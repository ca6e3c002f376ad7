"""Tracks found while one thing about the events is changed step by step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline
from hitgraph.studies.output import Result
from hitgraph.studies.plan import Plan, Points
from hitgraph.studies.points import Point
from hitgraph.studies.quality import Quality, quality_of, together

Scan = dict[str, dict[float, Quality]]  # by series, then by value
Changed = tuple[Pipeline, Event]


@dataclass(frozen=True)
class Change:
    """One step of a scan."""

    value: float  # where it stands on the axis
    apply: Callable[[Pipeline, Event], Changed]
    variant: str = ""  # kind of change, where a study has several


def scan_points(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    changes: Sequence[Change],
    selection: Selection,
) -> list[Point]:
    """One point an event, pipeline and change."""
    return [
        Point(
            "-".join(
                part for part in (name, source.name, change.variant, f"{change.value:g}") if part
            ),
            partial(measure, source, name, pipeline, change, selection),
        )
        for source in sources
        for name, pipeline in pipelines.items()
        for change in changes
    ]


def measure(
    source: EventSource, name: str, pipeline: Pipeline, change: Change, selection: Selection
) -> dict[str, Any]:
    """Quality of the tracks of the changed event."""
    changed, event = change.apply(pipeline, read(source, pipeline.recipe.clusters))
    place = {"pipeline": name, "variant": change.variant, "value": change.value}
    return place | quality_of(event, changed.run(event).labels, selection)


@lru_cache(maxsize=1)
def read(source: EventSource, cells: bool) -> Event:
    """The event; read once for all that is done with it in a row."""
    return source.read(cells=cells)


def collect(points: Points) -> Scan:
    """The points by series (pipeline and variant) and value, events together."""
    found: dict[str, dict[float, list[dict[str, Any]]]] = {}
    for point in points.values():
        series = ", ".join(part for part in (point["pipeline"], point["variant"]) if part)
        found.setdefault(series, {}).setdefault(point["value"], []).append(point)
    return {
        series: {value: together(events) for value, events in sorted(values.items())}
        for series, values in found.items()
    }


def scan_plan(
    points: Sequence[Point], settings: Mapping[str, Any], summarise: Callable[[Scan], Result]
) -> Plan:
    """A study that is one scan."""
    return Plan(points, settings, lambda measured: summarise(collect(measured)))


def unchanged(pipeline: Pipeline, event: Event) -> Changed:
    """The event as it is."""
    return pipeline, event
