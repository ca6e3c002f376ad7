"""The study `robustness` as tables, a figure and numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hitgraph.evaluation.bins import RADIUS, VZ, Grid
from hitgraph.evaluation.metrics import STIFF, STIFFER
from hitgraph.evaluation.ratio import BinnedRatio, Ratio
from hitgraph.evaluation.tables import NOTHING, percent, range_of, with_error
from hitgraph.event.selection import Selection
from hitgraph.studies.conditions import NOMINAL, SAMPLES, TITLES, UNMODIFIED
from hitgraph.studies.output import Result, Table
from hitgraph.studies.plan import Points
from hitgraph.studies.quality import Quality, add_bins, mean_and_error, together

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure

Measured = Mapping[str, Any]  # what was measured of one event
Rows = dict[str, list[Measured]]  # by row, one an event


@dataclass(frozen=True)
class Difference:
    """Of one number from the unmodified events."""

    value: float
    error: float  # NaN where it is not known

    def to_dict(self) -> dict[str, float | None]:
        return {
            key: number if math.isfinite(number) else None
            for key, number in (("value", self.value), ("error", self.error))
        }


@dataclass(frozen=True)
class Number:
    """One column of the table."""

    title: str
    of: Callable[[Quality], Ratio | tuple[float, float]]  # a ratio, or a value and its error
    of_event: Callable[[Measured], Sequence[int] | float | None]

    def text(self, quality: Quality) -> str:
        found = self.of(quality)
        return percent(found) if isinstance(found, Ratio) else with_error(*found)

    def value_and_error(self, quality: Quality) -> tuple[float, float]:
        found = self.of(quality)
        if not isinstance(found, Ratio):
            return found
        low, high = found.interval
        return found.value, (high - low) / 2

    def value_of_event(self, measured: Measured) -> float | None:
        found = self.of_event(measured)
        if isinstance(found, Sequence):
            return found[0] / found[1] if found[1] else None
        return found


def _efficiency(cut: str) -> Number:
    return Number(
        f"eff. > {cut} GeV", lambda one: one.technical[cut], lambda one: one["technical"][cut]
    )


QUALITY = {
    "purity": Number("purity", lambda one: one.purity, lambda one: one["purity"]),
    "score": Number("score", lambda one: (one.score, one.score_error), lambda one: one["score"]),
    "score, primaries": Number(
        "score, primaries",
        lambda one: (one.score_primaries, one.score_primaries_error),
        lambda one: one["score_primaries"],
    ),
}


def numbers_of(rows: Rows) -> dict[str, Number]:
    """The columns: efficiencies above each pT that was measured, then QUALITY."""
    cuts = next(iter(rows.values()))[0]["technical"]
    return {f"technical > {cut} GeV": _efficiency(cut) for cut in cuts} | QUALITY


def difference(
    number: Number, row: Sequence[Measured], reference: Sequence[Measured]
) -> Difference:
    """How much more a number is in `row` than in `reference`, one entry an event.

    Where both have the same events, particles are the same and so are their chances: the error is
    the standard error of the differences event by event. Otherwise, or with one event, it is that
    of two independent samples.
    """
    one, other = together(row), together(reference)
    (value, error), (before, error_before) = (number.value_and_error(q) for q in (one, other))
    apart = math.hypot(error, error_before)
    if len(row) > 1 and [m["sample"] for m in row] == [m["sample"] for m in reference]:
        pairs = [
            (number.value_of_event(a), number.value_of_event(b))
            for a, b in zip(row, reference, strict=True)
        ]
        apart = mean_and_error([a - b for a, b in pairs if a is not None and b is not None])[1]
    return Difference(value - before, apart)


def result(points: Points, selection: Selection) -> Result:
    """Tables of all rows, their differences, vertices, decays and refiners, and a figure."""
    pipelines: dict[str, Rows] = {}
    for point in points.values():
        rows = pipelines.setdefault(point["pipeline"], {})
        rows.setdefault(point["row"], []).append(point)
    differences = {name: _differences(rows) for name, rows in pipelines.items()}
    tables: list[Table] = []
    for name, rows in pipelines.items():
        tables += [_values(name, rows), _changes(name, numbers_of(rows), differences[name])]
    prompt = f"primary particles, {range_of(selection.above(STIFF))}, |vz| [mm]"
    tables += _curves(pipelines, "vertices", lambda one: {prompt: one["vertices"]}, VZ)
    tables += _curves(pipelines, "decays", lambda one: one["decays"], RADIUS)
    tables += _refiners(pipelines, range_of(selection.above(STIFFER)))
    numbers = {
        name: {
            row: {
                "title": TITLES[row],
                **together(events).to_dict(),
                "difference": {
                    key: one.to_dict() for key, one in differences[name].get(row, {}).items()
                },
                **_sums(events),
            }
            for row, events in rows.items()
        }
        for name, rows in pipelines.items()
    }
    shown = [table for table in tables if table.rows]
    return Result(tuple(shown), {"robustness": figure(differences)}, {"pipelines": numbers})


def reference_of(row: str, rows: Rows) -> str | None:
    """The row that a row is compared with: the events it was made of, or the nominal sample."""
    if row in (UNMODIFIED, NOMINAL):
        return None
    if row not in SAMPLES:
        return UNMODIFIED
    if not SAMPLES[row].compared:
        return None
    return NOMINAL if NOMINAL in rows else UNMODIFIED


def _differences(rows: Rows) -> dict[str, dict[str, Difference]]:
    found = {}
    for row, events in rows.items():
        reference = reference_of(row, rows)
        if reference in rows:
            found[row] = {
                key: difference(number, events, rows[reference])
                for key, number in numbers_of(rows).items()
            }
    return found


def _values(name: str, rows: Rows) -> Table:
    shown = numbers_of(rows)
    columns = ("", "events", "hits", *(number.title for number in shown.values()))
    lines = []
    for row, events in rows.items():
        quality = together(events)
        numbers = (number.text(quality) for number in shown.values())
        lines.append((TITLES[row], str(len(events)), f"{quality.mean_hits:,.0f}", *numbers))
    return Table(f"{name}: technical efficiency, purity, score", columns, tuple(lines))


def _changes(
    name: str,
    shown: Mapping[str, Number],
    differences: Mapping[str, Mapping[str, Difference]],
) -> Table:
    columns = ("", *(number.title for number in shown.values()))
    lines = tuple(
        (TITLES[row], *(_points_text(numbers[key]) for key in shown))
        for row, numbers in differences.items()
    )
    return Table(f"{name}: difference from the unmodified events, in points (0.01)", columns, lines)


def _points_text(one: Difference) -> str:
    if math.isnan(one.value):
        return NOTHING
    value = f"{100 * one.value:+.2f}"
    return value if math.isnan(one.error) else f"{value} ± {100 * one.error:.2f}"


def _curves(
    pipelines: Mapping[str, Rows],
    key: str,
    curves_of: Callable[[Measured], Mapping[str, Any]],
    grid: Grid,
) -> list[Table]:
    """A table a row and curve that were measured: bins down, pipelines across."""
    tables = []
    first = next(iter(pipelines.values()))
    for row in [row for row, events in first.items() if key in events[0]]:
        for title in curves_of(first[row][0]):
            there = {name: rows[row] for name, rows in pipelines.items() if row in rows}
            added = [_added([curves_of(one)[title] for one in rows]) for rows in there.values()]
            curves = dict(zip(there, grid.shown(added), strict=True))
            tables.append(_curve_table(f"{TITLES[row]}: {title}", curves))
    return tables


def _added(curves: Sequence[Mapping[str, Any]]) -> BinnedRatio:
    return add_bins([BinnedRatio(**{k: tuple(v) for k, v in one.items()}) for one in curves])


def _shown(curves: Sequence[Mapping[str, Any]], grid: Grid) -> dict[str, Any]:
    return grid.shown([_added(curves)])[0].to_dict()


def _curve_table(title: str, curves: Mapping[str, BinnedRatio]) -> Table:
    first = next(iter(curves.values()))
    lines = [
        (
            f"{first.edges[k]:g} to {first.edges[k + 1]:g}",
            str(total),
            *(percent(Ratio(one.passed[k], one.total[k])) for one in curves.values()),
        )
        for k, total in enumerate(first.total)
        if total
    ]
    return Table(f"{title}, technical efficiency", ("mm", "particles", *curves), tuple(lines))


def _refiners(pipelines: Mapping[str, Rows], among: str) -> list[Table]:
    lines = []
    for name, rows in pipelines.items():
        for row, events in rows.items():
            for stage, sums in _sums(events)["refiners"].items():
                n = sums["particles"]
                change = Difference(
                    (sums["gained"] - sums["lost"]) / n if n else math.nan,
                    # of the particles whose fate changed, each by itself
                    math.sqrt(sums["gained"] + sums["lost"]) / n if n else math.nan,
                )
                lines.append(
                    (
                        f"{name}, {TITLES[row]}, {stage}",
                        percent(Ratio(sums["before"], n)),
                        percent(Ratio(sums["after"], n)),
                        str(sums["gained"]),
                        str(sums["lost"]),
                        _points_text(change),
                    )
                )
    columns = ("stage", "before", "after", "gained", "lost", "difference in points")
    title = f"Stages that change tracks: technical efficiency, {among}, before and after"
    return [Table(title, columns, tuple(lines))]


def _sums(events: Sequence[Measured]) -> dict[str, Any]:
    """Curves and counts of the refiners of several events together; JSON-able."""
    found: dict[str, Any] = {}
    if "vertices" in events[0]:
        found["vertices"] = _shown([one["vertices"] for one in events], VZ)
    if "decays" in events[0]:
        found["decays"] = {
            key: _shown([one["decays"][key] for one in events], RADIUS)
            for key in events[0]["decays"]
        }
    found["refiners"] = {
        stage: {key: sum(one["refiners"][stage][key] for one in events) for key in counts}
        for stage, counts in events[0]["refiners"].items()
    }
    return found


def figure(differences: Mapping[str, Mapping[str, Mapping[str, Difference]]]) -> "Figure":
    """Differences of the efficiency of stiff particles and of the score, a line a row."""
    from hitgraph.evaluation.style import COLOURS, INK, MARKERS, legend_above, new_figure, styled

    rows = list(dict.fromkeys(row for found in differences.values() for row in found))
    every = (numbers for found in differences.values() for numbers in found.values())
    keys = [key for key in next(every, {}) if key not in QUALITY]
    stiff = keys[:2][-1] if keys else "technical efficiency"
    with styled():
        drawing = new_figure(9.6, 1.8 + 0.32 * len(rows))
        panels = drawing.subplots(1, 2, sharey=True)
        handles = []
        for k, found in enumerate(differences.values()):
            place = np.array([rows.index(row) for row in found]) + 0.15 * k
            for axes, key in zip(panels, (stiff, "score"), strict=True):
                values = np.array([100 * found[row][key].value for row in found])
                errors = np.nan_to_num([100 * found[row][key].error for row in found])
                drawn = axes.errorbar(
                    values,
                    place,
                    xerr=errors,
                    linestyle="none",
                    color=COLOURS[k % 6],
                    marker=MARKERS[k % 6],
                )
            handles.append(drawn)
        for axes, label in zip(panels, (stiff, "score"), strict=True):
            axes.axvline(0.0, color=INK, linewidth=0.8, linestyle=":")
            axes.set_xlabel(f"difference of the {label} [points]")
        panels[0].set_yticks(range(len(rows)), [TITLES[row] for row in rows], minor=False)
        panels[0].minorticks_off()
        panels[0].invert_yaxis()
        legend_above(drawing, handles, list(differences), columns=3)
    return drawing
