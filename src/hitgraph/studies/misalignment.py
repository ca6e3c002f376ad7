"""The studies `misalignment` and `rotation`: hits that are not where the module table says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource
from hitgraph.event.turned import turned_detector, turned_event
from hitgraph.pipeline import Pipeline
from hitgraph.studies.changes import innermost_layers, with_shifted_layers
from hitgraph.studies.plan import Plan
from hitgraph.studies.scan import Change, Changed, scan_plan, scan_points
from hitgraph.studies.scan_output import Axis, scan_result

SHIFTS = (0.0, 0.1, 0.2, 0.5, 1.0)  # mm
LAYERS = (1, 4)  # innermost barrel layers, as arXiv 2103.06995, section 4.1.2
ANGLES = (0.0, 0.01, 0.1, 1.0, 10.0, 90.0)  # degrees


def misalignment_plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
    shifts: Sequence[float] = SHIFTS,
    layers: Sequence[int] = LAYERS,
) -> Plan:
    """The x of all hits of the innermost barrel layers is moved by each of `shifts` (mm).

    Raises SettingsError for a number of layers that the detectors of the pipelines do not have.
    """
    for pipeline in pipelines.values():
        for n in layers:
            innermost_layers(pipeline.detector, n)
    changes = [
        Change(shift, partial(_shifted, shift=shift, n=n), f"{n} innermost")
        for n in layers
        for shift in shifts
    ]
    known = {**settings, "shifts": list(shifts), "layers": list(layers)}
    points = scan_points(sources, pipelines, changes, selection)
    axis = Axis("shift in x [mm]")
    return scan_plan(points, known, lambda scan: scan_result("misalignment", scan, axis))


def rotation_plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
    angles: Sequence[float] = ANGLES,
) -> Plan:
    """The hits are turned about the beam line by each of `angles` (degrees).

    Twice: with a module table that does not know of it, and with one that does.
    """
    changes = [
        Change(angle, partial(_turned, angle=math.radians(angle), known=known), variant)
        for known, variant in ((False, "table not turned"), (True, "table turned"))
        for angle in angles
    ]
    points = scan_points(sources, pipelines, changes, selection)
    axis = Axis("rotation [degrees]")
    return scan_plan(
        points,
        {**settings, "angles": list(angles)},
        lambda scan: scan_result("rotation", scan, axis),
    )


def _shifted(pipeline: Pipeline, event: Event, shift: float, n: int) -> Changed:
    layers = innermost_layers(pipeline.detector, n)
    return pipeline, with_shifted_layers(event, layers, (shift, 0.0, 0.0))


def _turned(pipeline: Pipeline, event: Event, angle: float, known: bool) -> Changed:
    event = turned_event(event, angle)
    if not known:
        return pipeline, event
    detector = turned_detector(pipeline.detector, angle)
    return pipeline.rebuilt(detector=detector), replace(event, detector=detector)
