"""The studies `pileup` and `field`: samples that differ in how they were simulated.

As arXiv 2103.06995, figure 6 (efficiency and purity against the number of hits).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hitgraph.errors import HitgraphError, InputError
from hitgraph.event.field import solenoid
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource, list_events
from hitgraph.event.store import field_made, read_dataset_info
from hitgraph.pipeline import Pipeline
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.studies.plan import Plan
from hitgraph.studies.points import Point
from hitgraph.studies.scan import Change, scan_plan, scan_points, unchanged
from hitgraph.studies.scan_output import Axis, scan_result
from hitgraph.workers import Workers

FIRST = 1000  # number of the first simulated event

AXES = {
    "pileup": Axis("hits", place=lambda _, quality: quality.mean_hits, heading="pile-up"),
    "field": Axis("field / field of TrackML"),
}
"""Studies by the setting of the simulation that they change."""


def plan(
    study: str,
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    selection: Selection,
) -> Plan:
    """One value of the axis a folder of events, from its dataset.json.

    Raises InputError where a folder does not tell the value.
    """
    points: list[Point] = []
    values = []
    for folder in dict.fromkeys(source.path.parent for source in sources):
        value = setting_of(folder, study)
        values.append(value)
        there = [source for source in sources if source.path.parent == folder]
        points += scan_points(there, pipelines, [Change(value, unchanged)], selection)
    known = {**settings, study: values}
    return scan_plan(points, known, lambda scan: scan_result(study, scan, AXES[study]))


def setting_of(folder: Path, name: str) -> float:
    """What the dataset.json of a folder of events says about a setting of the simulation.

    Its default where the sample is older than the setting. Raises InputError where nothing tells.
    """
    made = read_dataset_info(folder)
    settings = made.get("settings", {})
    found = settings.get(name, getattr(SimulationSettings(), name) if settings else None)
    if name == "field":
        field = field_made(made, None, folder)
        found = None if field is None else field.centre / solenoid().centre
    if not isinstance(found, int | float):
        raise InputError(
            f"{folder}: dataset.json does not tell the setting {name}: give folders that "
            "`hitgraph simulate` wrote, or have the study simulate with --simulate"
        )
    return float(found)


def sample_settings(study: str, values: Sequence[float], **base: Any) -> list[SimulationSettings]:
    """The defaults of `hitgraph simulate` and `base`, with each value of what is changed.

    The values of `field` are factors that TrackML's is multiplied by. Raises SettingsError where
    one cannot be simulated.
    """
    made = solenoid if study == "field" else float
    return [SimulationSettings(**{**base, study: made(value)}) for value in values]


def simulate_samples(
    study: str,
    samples: Sequence[SimulationSettings],
    n_events: int,
    folder: Path,
    workers: Workers,
    advance: Callable[[], None],
) -> list[EventSource]:
    """Events with each of the settings, kept in FOLDER/events and not made twice.

    Raises MissingExtraError without the extra `sim`, HitgraphError where an event failed.
    """
    sources: list[EventSource] = []
    for settings in samples:
        value = str(settings.to_dict()[study]).replace(":", "-")
        out = folder / "events" / f"{study}-{value}"
        sources += simulate_sample(settings, n_events, out, workers, advance)
    return sources


def simulate_sample(
    settings: SimulationSettings,
    n_events: int,
    out: Path,
    workers: Workers,
    advance: Callable[[], None],
) -> list[EventSource]:
    """The first `n_events` events with these settings, kept in `out` and not made twice.

    Raises MissingExtraError without the extra `sim`, HitgraphError where an event failed.
    """
    from hitgraph.simulate.run import simulate

    numbers = range(FIRST, FIRST + n_events)
    run = simulate(settings, out, numbers, workers=workers, resume=True, advance=advance)
    if run.failed:
        number, why = next(iter(run.failed.items()))
        raise HitgraphError(f"{out}: event {number} could not be simulated: {why}")
    return list_events([out], numbers=(FIRST, FIRST + n_events))
