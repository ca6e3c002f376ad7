"""A comparison as two tables, one figure and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hitgraph.compare.edges import EFFICIENCIES, graph_quality, purities
from hitgraph.studies.output import Result, Table
from hitgraph.studies.quality import mean_and_error, together

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure

SHOWN = "0.98"  # the efficiency of the purity in the figure and of the rejection
Row = Mapping[str, tuple[float, float]]  # mean and standard error over seeds, NaN where unknown


@dataclass(frozen=True)
class Column:
    """One number of a row."""

    key: str
    title: str
    digits: int = 0
    scale: float = 1.0


COLUMNS = (
    Column("parameters", "parameters"),
    Column("cpu_seconds", "CPU s / event", 3),
    *(
        Column(f"purity {one:g}", f"purity at {100 * one:g} % [%]", 2, 100.0)
        for one in EFFICIENCIES
    ),
    Column("auc", "AUC", 5),
    Column("technical", "tracks: eff. > 0.5 GeV [%]", 2, 100.0),
    Column("track purity", "purity [%]", 2, 100.0),
    Column("score", "score", 4),
    Column("trained", "taught for CPU s", 0),
    Column("epochs", "epochs", 1),
)
GRAPH_COLUMNS = (
    Column("graph edges", "edges / event"),
    Column("graph kept", "of the true edges [%]", 2, 100.0),
    Column("graph purity", "purity [%]", 2, 100.0),
    Column("graph weighted", "weighted purity [%]", 2, 100.0),
    *(
        Column(f"graph weighted {one:g}", f"the same at {100 * one:g} % [%]", 2, 100.0)
        for one in EFFICIENCIES
    ),
    Column(f"graph rejection {SHOWN}", f"rejection at {100 * float(SHOWN):g} %", 1),
)


def summarise(runs: Sequence[Mapping[str, Any]], all_stages: bool) -> Result:
    """The runs, as `run.judge` gives them, by recipe; times of all stages or of the own ones."""
    by_recipe: dict[str, list[dict[str, float | None]]] = {}
    for run in runs:
        by_recipe.setdefault(run["recipe"], []).append(values(run, all_stages))
    rows: dict[str, Row] = {
        name: {
            one.key: mean_and_error([each.get(one.key) for each in found])
            for one in (*COLUMNS, *GRAPH_COLUMNS)
        }
        for name, found in by_recipe.items()
    }
    seeds, n_events = {run["seed"] for run in runs}, len(runs[0]["events"])
    title = f"{n_events} test events, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    tables = (
        _table("The graph that the last score judges", GRAPH_COLUMNS, rows),
        _table(title, COLUMNS, rows),
    )
    data = {
        "rows": {name: _numbers(row) for name, row in rows.items()},
        "runs": list(runs),
    }
    return Result(tables, {"compare": figure_of(rows)}, data)


def is_complete(run: Mapping[str, Any]) -> bool:
    """Whether a run that was judged, maybe by an older version, has all that `values` reads."""
    try:
        values(run, all_stages=True)
    except KeyError:
        return False
    return True


def values(run: Mapping[str, Any], all_stages: bool) -> dict[str, float | None]:
    """The numbers of one run by the keys of COLUMNS, its events together."""
    events, trained = run["events"], run["trained"].values()
    seconds = "all_cpu_seconds" if all_stages else "cpu_seconds"
    tracks = together([event["tracks"] for event in events])
    found: dict[str, float | None] = {
        "parameters": run["parameters"],
        "cpu_seconds": mean_and_error([event[seconds] for event in events])[0],
        "technical": tracks.technical["0.5"].value,
        "track purity": tracks.purity.value,
        "score": tracks.score,
        "trained": sum(stage.get("cpu_seconds", 0.0) for stage in trained) or None,
        "epochs": sum(stage.get("epochs", 0.0) for stage in trained) or None,
    }
    judged = [event["edges"] for event in events if "edges" in event]
    if judged:
        found |= {f"purity {key}": value for key, value in purities(judged).items()}
        found["auc"] = mean_and_error([one["auc"] for one in judged])[0]
        found |= {f"graph {key}": value for key, value in graph_quality(judged).items()}
    return found


def _table(title: str, columns: Sequence[Column], rows: Mapping[str, Row]) -> Table:
    cells = (
        (name, *(_text(one, *found[one.key]) for one in columns)) for name, found in rows.items()
    )
    return Table(title, ("", *(one.title for one in columns)), tuple(cells))


def _text(column: Column, value: float, error: float) -> str:
    if value != value:
        return "-"
    text = f"{value * column.scale:,.{column.digits}f}"
    shown = error == error and column.key != "parameters"
    return f"{text} ± {error * column.scale:.{column.digits}f}" if shown else text


def _numbers(row: Row) -> dict[str, dict[str, float | None]]:
    """JSON has no NaN."""
    return {
        key: {
            "value": value if value == value else None,
            "error": error if error == error else None,
        }
        for key, (value, error) in row.items()
    }


def figure_of(rows: Mapping[str, Row]) -> "Figure":
    """Purity of edges and TrackML score against the CPU time of an event."""
    from hitgraph.evaluation.style import COLOURS, MARKERS, legend_above, new_figure, styled

    with styled():
        figure = new_figure(10.4, 5.2)
        panels = dict(
            zip(
                (f"purity {SHOWN}", "score"),
                figure.subplots(1, 2),
                strict=True,
            )
        )
        handles = []
        for k, row in enumerate(rows.values()):
            colour, marker = COLOURS[k % 6], MARKERS[(k + k // 6) % 6]
            for key, axes in panels.items():
                drawn = axes.errorbar(
                    row["cpu_seconds"][0],
                    row[key][0],
                    xerr=_bar(row["cpu_seconds"]),
                    yerr=_bar(row[key]),
                    color=colour,
                    marker=marker,
                    linestyle="none",
                )
            handles.append(drawn)
        panels[f"purity {SHOWN}"].set_ylabel(f"purity of edges at {float(SHOWN):.0%} efficiency")
        panels["score"].set_ylabel("TrackML score")
        for axes in panels.values():
            axes.set_xlabel("CPU time / event [s]")
            axes.margins(0.15)
        legend_above(figure, handles, list(rows), columns=4)
    return figure


def _bar(value: tuple[float, float]) -> float | None:
    return value[1] if value[1] == value[1] else None
