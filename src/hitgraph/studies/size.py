"""The study `size`: graph size, time and memory against the number of hits of an event."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hitgraph.benchmark.clock import StageClock
from hitgraph.benchmark.growth import fit_power
from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline
from hitgraph.studies.output import Result, Table
from hitgraph.studies.plan import Plan, Points
from hitgraph.studies.points import Point
from hitgraph.studies.scan import read

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure

GIGABYTE = 1e9


def plan(
    sources: Sequence[EventSource], pipelines: Mapping[str, Pipeline], settings: Mapping[str, Any]
) -> Plan:
    """One point an event and pipeline, the smallest event first."""
    by_size = sorted(sources, key=lambda source: source.size)
    warmed: set[str] = set()
    points = [
        Point(
            f"{name}-{source.fingerprint()}",  # two folders may have events of one name
            partial(_measure, source, name, pipeline, warmed),
        )
        for name, pipeline in pipelines.items()
        for source in by_size
    ]
    return Plan(points, settings, _summarise)


def _measure(
    source: EventSource, name: str, pipeline: Pipeline, warmed: set[str]
) -> dict[str, Any]:
    event = read(source, pipeline.recipe.clusters)
    if name not in warmed:  # compiles kernels, fills caches
        pipeline.run(event)
        warmed.add(name)
    clock = StageClock(pipeline.device)
    result = pipeline.run(event, observers=(clock,))
    readings = clock.readings.values()
    peaks = [one.peak for one in readings if one.peak is not None]
    gpu_peaks = [one.gpu_peak for one in readings if one.gpu_peak is not None]
    return {
        "pipeline": name,
        "event": f"{source.path.parent.name}/{source.name}",
        "n_hits": event.n_hits,
        "edges": {one.name: one.edges for one in result.stages if one.edges is not None},
        "seconds": result.seconds,
        "cpu_seconds": sum(one.cpu for one in readings),
        "peak_bytes": max(peaks, default=None),
        "gpu_peak_bytes": max(gpu_peaks, default=None),
    }


def _summarise(points: Points) -> Result:
    series: dict[str, list[dict[str, Any]]] = {}
    for point in points.values():
        series.setdefault(point["pipeline"], []).append(point)
    series = {
        name: sorted(found, key=lambda point: int(point["n_hits"]))
        for name, found in series.items()
    }
    powers = {name: growth(found) for name, found in series.items()}
    tables = [_event_table(name, found) for name, found in series.items()]
    return Result(
        (*tables, _growth_table(powers)),
        {"size": size_figure(series)},
        {"pipelines": series, "growth": powers},
    )


def columns(points: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """What is shown against the number of hits, by name; what is not known is left out."""
    stages = points[0]["edges"]
    found = {f"edges, {stage}": [float(one["edges"][stage]) for one in points] for stage in stages}
    found["seconds"] = [float(one["seconds"]) for one in points]
    found["CPU seconds"] = [float(one["cpu_seconds"]) for one in points]
    for key, name in (("peak_bytes", "memory [GB]"), ("gpu_peak_bytes", "GPU memory [GB]")):
        if all(one[key] is not None for one in points):
            found[name] = [one[key] / GIGABYTE for one in points]
    return found


def growth(points: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """The power of the number of hits with which each column grows, and the fit's error."""
    n_hits = [one["n_hits"] for one in points]
    powers = {name: fit_power(n_hits, values) for name, values in columns(points).items()}
    return {name: {"power": power, "error": error} for name, (power, error) in powers.items()}


def _event_table(name: str, points: Sequence[Mapping[str, Any]]) -> Table:
    shown = columns(points)
    rows = [
        (
            point["event"],
            f"{point['n_hits']:,}",
            *(
                f"{values[k]:,.0f}" if key.startswith("edges") else f"{values[k]:.2f}"
                for key, values in shown.items()
            ),
        )
        for k, point in enumerate(points)
    ]
    return Table(f"{name}: by event", ("event", "hits", *shown), tuple(rows))


def _growth_table(powers: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> Table:
    first = next(iter(powers.values()))
    rows = [
        (
            key,
            *(_power(found.get(key, {"power": None, "error": None})) for found in powers.values()),
        )
        for key in first
    ]
    return Table("Grows with the number of hits to the power of", ("", *powers), tuple(rows))


def _power(fit: Mapping[str, float | None]) -> str:
    power, error = fit["power"], fit["error"]
    if power is None:
        return "-"
    return f"{power:.2f}" if error is None else f"{power:.2f} ± {error:.2f}"


def size_figure(series: Mapping[str, Sequence[Mapping[str, Any]]]) -> "Figure":
    """Edges after each stage, time, and memory, each against hits."""
    from hitgraph.evaluation.style import COLOURS, MARKERS, legend_above, new_figure, styled

    with styled():
        figure = new_figure(12.4, 4.6)
        left, middle, right = figure.subplots(1, 3)
        handles, labels = [], []
        for k, (name, points) in enumerate(series.items()):
            n_hits = [one["n_hits"] for one in points]
            look = {"color": COLOURS[k % 6], "marker": MARKERS[k % 6]}
            shown = columns(points)
            for stage, line in zip(points[0]["edges"], ("-", "--", ":"), strict=False):
                handles += left.plot(n_hits, shown[f"edges, {stage}"], line, **look)
                labels.append(f"{name}, after {stage}")
            middle.plot(n_hits, shown["seconds"], "-", **look)
            middle.plot(n_hits, shown["CPU seconds"], "--", **look)
            if "memory [GB]" in shown:
                right.plot(n_hits, shown["memory [GB]"], **look)
        left.set_ylabel("edges")
        if left.dataLim.y1 > 0:
            left.set_yscale("log")
        middle.set(ylabel="time / event [s]: wall, dashed: CPU", ylim=(0, None))
        right.set(ylabel="peak memory [GB]", ylim=(0, None))
        for axes in (left, middle, right):
            axes.set_xlabel("hits")
        legend_above(figure, handles, labels, columns=3)
    return figure
