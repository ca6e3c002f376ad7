"""The study `losses`: where true edges, tracks and score are lost, stage by stage."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline
from hitgraph.studies import losses_output
from hitgraph.studies.output import Result
from hitgraph.studies.plan import Plan, Points
from hitgraph.studies.points import Point
from hitgraph.studies.walk import walk
from hitgraph.studies.waterfall import waterfall


def plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
) -> Plan:
    """One point an event and pipeline."""
    points = [
        Point(f"{name}-{source.name}", partial(_measure, source, name, pipeline, selection))
        for name, pipeline in pipelines.items()
        for source in sources
    ]
    return Plan(points, settings, _summarise)


def _measure(
    source: EventSource, name: str, pipeline: Pipeline, selection: Selection
) -> dict[str, Any]:
    event = source.read(cells=pipeline.recipe.clusters)
    return {"pipeline": name, **waterfall(event, walk(pipeline, event), selection)}


def _summarise(points: Points) -> Result:
    events: dict[str, list[dict[str, Any]]] = {}
    for point in points.values():
        events.setdefault(point["pipeline"], []).append(point)
    return losses_output.result(events)
