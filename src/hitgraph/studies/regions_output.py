"""The study `regions` as tables and a figure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hitgraph.evaluation.tables import percent
from hitgraph.studies.output import Result, Table
from hitgraph.studies.quality import add_up

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure

Points = Mapping[str, dict[str, Any]]
Row = dict[str, Any]  # events together: one pipeline, one division, one pT


def summarise(points: Points) -> Result:
    """One table of quality a pipeline, and one of the time of a region against its hits."""
    groups: dict[str, dict[tuple[str, float], list[dict[str, Any]]]] = {}
    for point in points.values():
        place = (point["regions"], point["min_pt"])
        groups.setdefault(point["pipeline"], {}).setdefault(place, []).append(point)
    series = {
        name: [_row(events) for events in divided.values()] for name, divided in groups.items()
    }
    times = {
        name: time_of_region([point for events in divided.values() for point in events])
        for name, divided in groups.items()
    }
    tables = [_quality_table(name, rows) for name, rows in series.items()]
    return Result(
        (_full_table(series), *tables, _time_table(times)),
        {"regions": regions_figure(series)},
        {"series": series, "time": times},
    )


def time_of_region(points: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The straight line through CPU time against hits of all regions, and that of full events."""
    hits = np.concatenate([one["region_hits"] for one in points])
    seconds = np.concatenate([one["region_seconds"] for one in points])
    slope, start = np.polyfit(hits, seconds, 1) if len(set(hits.tolist())) > 1 else (0.0, 0.0)
    full = sum(one["seconds"] for one in points) / sum(one["n_hits"] for one in points)
    return {"start": float(start), "per_hit": float(slope), "per_hit_full": full}


def _row(events: Sequence[Mapping[str, Any]]) -> Row:
    hits = [n for one in events for n in one["region_hits"]]
    seconds = [s for one in events for s in one["region_seconds"]]
    first = events[0]
    return {
        "regions": first["regions"],
        "min_pt": first["min_pt"],
        "events": len(events),
        "hits": float(np.mean(hits)),
        "hits_taken": sum(hits) / sum(one["n_hits"] for one in events),
        "seconds": float(np.mean(seconds)),
        "seconds_taken": sum(seconds) / sum(one["seconds"] for one in events),
        "purity": {
            key: add_up([one["purity"][key] for one in events]).to_dict() for key in first["purity"]
        },
        "places": {
            place: {
                cut: {key: sum(one["places"][place][cut][key] for one in events) for key in counts}
                for cut, counts in cuts.items()
            }
            for place, cuts in first["places"].items()
        },
    }


def difference(counts: Mapping[str, int]) -> tuple[float, float]:
    """Efficiency in regions less that of the full event, and its standard error.

    Both are of the same particles, so that only those count that one of them finds.
    """
    n = counts["particles"]
    if n == 0:
        return float("nan"), float("nan")
    return (counts["regions"] - counts["full"]) / n, float(np.sqrt(counts["different"])) / n


def _quality_table(name: str, rows: Sequence[Row]) -> Table:
    places, cuts = rows[0]["places"], list(next(iter(rows[0]["places"].values())))
    columns = (
        *("regions", "min pT", "hits", "all / event", "CPU [ms]", "all / event"),
        *(f"{place}, > {cut} GeV" for place in places for cut in cuts),
        "purity",
    )
    body = tuple(
        (
            row["regions"],
            f"{row['min_pt']:g}",
            f"{row['hits']:,.0f}",
            f"{row['hits_taken']:.2f}",
            f"{1000 * row['seconds']:.1f}",
            f"{row['seconds_taken']:.2f}",
            *(_points_text(row["places"][place][cut]) for place in places for cut in cuts),
            percent(add_up([_counts(row["purity"]["regions"])])),
        )
        for row in rows
    )
    title = f"{name}: efficiency in regions less that of full events, in %"
    return Table(f"{title}; {rows[0]['events']} events", columns, body)


def _full_table(series: Mapping[str, Sequence[Row]]) -> Table:
    """What the full events give, whose particles the first division parts."""
    firsts = {name: rows[0] for name, rows in series.items()}
    cuts = list(next(iter(firsts.values()))["places"]["inside"])
    body = []
    for name, row in firsts.items():
        everywhere = [
            add_up([(one[cut]["full"], one[cut]["particles"]) for one in row["places"].values()])
            for cut in cuts
        ]
        purity = percent(add_up([_counts(row["purity"]["full"])]))
        body.append((name, *(percent(one) for one in everywhere), purity))
    columns = ("", *(f"technical eff. > {cut} GeV" for cut in cuts), "purity")
    return Table("Full events", columns, tuple(body))


def _counts(ratio: Mapping[str, Any]) -> tuple[int, int]:
    return ratio["passed"], ratio["total"]


def _points_text(counts: Mapping[str, int]) -> str:
    value, error = difference(counts)
    return f"{100 * value:+.2f} ± {100 * error:.2f}"


def _time_table(times: Mapping[str, Mapping[str, float]]) -> Table:
    rows = tuple(
        (
            name,
            f"{1e3 * one['start']:.1f}",
            f"{1e6 * one['per_hit']:.2f}",
            f"{1e6 * one['per_hit_full']:.2f}",
        )
        for name, one in times.items()
    )
    title = "CPU time of a region, as a straight line in its hits, without reading"
    columns = ("", "at no hits [ms]", "a hit [µs]", "a hit of the full event [µs]")
    return Table(title, columns, rows)


def regions_figure(series: Mapping[str, Sequence[Row]]) -> "Figure":
    """Efficiency inside, less that of full events, against the pT of hits; time against hits."""
    from hitgraph.evaluation.style import COLOURS, INK, MARKERS, legend_above, new_figure, styled

    with styled():
        figure = new_figure(9.6, 4.6)
        left, right = figure.subplots(1, 2)
        handles, labels = [], []
        divisions = [
            (name, text)
            for name, rows in series.items()
            for text in {r["regions"]: 0 for r in rows}
        ]
        for k, (name, text) in enumerate(divisions):
            rows = [row for row in series[name] if row["regions"] == text]
            look = {"color": COLOURS[k % 6], "marker": MARKERS[k % 6]}
            inside = [difference(list(row["places"]["inside"].values())[-1]) for row in rows]
            value, error = 100 * np.array(inside).T
            x = [row["min_pt"] for row in rows]
            handles.append(left.errorbar(x, value, yerr=error, linewidth=0.8, **look))
            labels.append(f"{name}, {text} regions")
            right.plot(
                [row["hits"] for row in rows], [1e3 * row["seconds"] for row in rows], **look
            )
        left.axhline(0.0, color=INK, linewidth=0.8, linestyle=":")
        cut = list(rows[0]["places"]["inside"])[-1]
        left.set(xlabel="regions take hits of pT above [GeV]")
        left.set_ylabel(f"efficiency inside, less that of full events [%], > {cut} GeV")
        right.set(xlabel="hits of a region", ylabel="CPU time of a region [ms]", ylim=(0, None))
        legend_above(figure, handles, labels, columns=3)
    return figure
