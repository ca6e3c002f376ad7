"""The waterfall of losses as tables, figures and numbers, over all events of each pipeline."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hitgraph.evaluation.tables import NOTHING, with_error
from hitgraph.studies.output import Result, Table, file_name
from hitgraph.studies.particle_groups import ALL, BINS, SELECTION
from hitgraph.studies.waterfall import CAUSES, FAKES

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure

Waterfall = dict[str, Any]  # as hitgraph.studies.waterfall gives it


def result(events: Mapping[str, Sequence[Waterfall]]) -> Result:
    """`events`: the waterfalls of each pipeline, at least one."""
    means = {name: combine(found) for name, found in events.items()}
    tables: list[Table] = []
    figures: dict[str, Figure] = {"losses": waterfall_figure(means)}
    for name, mean in means.items():
        tables += [stage_table(name, mean), cause_table(name, mean), fake_table(name, mean)]
        tables += [bin_table(name, mean, variable) for variable in BINS]
        figures[f"losses-bins-{file_name(name)}"] = bin_figure(mean)
    return Result(tuple(tables), figures, {"pipelines": means})


def combine(events: Sequence[Waterfall]) -> Waterfall:
    """Means over the events of every count and weight; the score of the last stage of each."""
    first = events[0]
    weights = [one["groups"][SELECTION][ALL]["stages"][-1]["weight"] for one in events]
    error = np.std(weights, ddof=1) / np.sqrt(len(events)) if len(events) > 1 else None
    keys = ("n_hits", "stages", "fakes", "groups")
    mean = {key: _mean([one[key] for one in events]) for key in keys}
    return {
        "events": [one["event"] for one in events],
        "score": float(np.mean(weights)),
        "score_error": None if error is None else float(error),
        "stage_names": [stage["name"] for stage in first["stages"]],
        **mean,
    }


def _mean(values: Sequence[Any]) -> Any:
    """Mean of numbers inside equal structures; text and null stay as they are."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _mean([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [_mean(list(same)) for same in zip(*values, strict=True)]
    if first is None or isinstance(first, str):
        return first
    return float(np.mean(values))


# ---------------------------------------------------------------- tables


def stage_table(name: str, mean: Waterfall) -> Table:
    """One row a stage."""
    groups = mean["groups"][SELECTION]
    labels = list(groups)
    rows = []
    ceilings = [stage["weight"] for stage in groups[ALL]["stages"]]
    for k, stage in enumerate(mean["stages"]):
        kept = [
            _share(group["stages"][k]["kept"], group["true_edges"]) for group in groups.values()
        ]
        of_all = groups[ALL]
        found = [
            _share(of_all["stages"][k]["found"][cut], of_all["reconstructable"][cut])
            for cut in of_all["reconstructable"]
        ]
        lost = "" if k == 0 else f"{ceilings[k - 1] - ceilings[k]:.4f}"
        edges = stage["edges"]
        rows.append(
            (
                stage["name"],
                "" if edges is None else f"{edges:,.0f}",
                "" if edges is None else _share(stage["same_particle"], edges),
                *kept,
                f"{groups[ALL]['stages'][k]['unjoined']:.4f}",
                f"{ceilings[k]:.4f}",
                lost,
                *found,
            )
        )
    cuts = [f"eff. > {cut} GeV" for cut in groups[ALL]["reconstructable"]]
    score = with_error(mean["score"], mean["score_error"] or float("nan"))
    n = len(mean["events"])
    title = (
        f"{name}: {n} {'events' if n > 1 else 'event'} of {mean['n_hits']:,.0f} hits, score {score}"
    )
    columns = (
        *("after", "edges", "purity"),
        *(f"true edges, {label}" for label in labels),
        *("score, no joining", "score ceiling", "lost", *cuts),
    )
    return Table(title, columns, tuple(rows))


def cause_table(name: str, mean: Waterfall) -> Table:
    """Why the score is lost in the end, by the pT of the particle."""
    groups = {ALL: mean["groups"][SELECTION][ALL], **mean["groups"]["pT [GeV]"]}
    rows = [
        (
            label if label == ALL else f"pT {label} GeV",
            *(f"{group['causes'][cause]:.4f}" for cause in CAUSES),
            f"{sum(group['causes'].values()):.4f}",
            f"{group['weight']:.4f}",
        )
        for label, group in groups.items()
    ]
    columns = ("particles", *CAUSES, "lost together", "of score")
    return Table(f"{name}: why score is lost", columns, tuple(rows))


def fake_table(name: str, mean: Waterfall) -> Table:
    """What the tracks are that match nothing."""
    tracks = mean["fakes"]["tracks"]
    rows = [
        (kind, f"{mean['fakes'][kind]:,.0f}", _share(mean["fakes"][kind], tracks)) for kind in FAKES
    ]
    return Table(
        f"{name}: tracks that match no particle, of {tracks:,.0f}",
        ("kind", "an event", "of tracks"),
        tuple(rows),
    )


def bin_table(name: str, mean: Waterfall, variable: str) -> Table:
    """Share of each bin's score that is left after each stage, and the score the bin loses."""
    stages = mean["stage_names"][1:]
    rows = []
    for label, group in mean["groups"][variable].items():
        if not group["particles"]:
            continue
        weight = group["weight"]
        left = [stage["weight"] for stage in group["stages"]][1:]
        rows.append(
            (
                label,
                f"{group['particles']:,.0f}",
                f"{weight:.4f}",
                *(_share(one, weight) for one in left),
                f"{weight - left[-1]:.4f}",
            )
        )
    columns = (variable, "particles", "of score", *(f"after {one}" for one in stages), "lost")
    return Table(f"{name}: share of the score left, by {variable}", columns, tuple(rows))


def _share(part: float | None, whole: float) -> str:
    if part is None:
        return ""
    return f"{part / whole:.4f}" if whole > 0 else NOTHING


# ---------------------------------------------------------------- figures


def waterfall_figure(means: Mapping[str, Waterfall]) -> "Figure":
    """Ceilings stage by stage for each pipeline, and what becomes of the lost score."""
    from hitgraph.evaluation.style import COLOURS, MARKERS, legend_above, new_figure, styled

    with styled():
        figure = new_figure(12.4, 4.8)
        left, right = figure.subplots(1, 2)
        handles = []
        lowest = 1.0
        width = 0.8 / len(means)
        for k, mean in enumerate(means.values()):
            ceilings = [one["weight"] for one in mean["groups"][SELECTION][ALL]["stages"]]
            lowest = min(lowest, *ceilings)
            handles += left.plot(
                mean["stage_names"], ceilings, color=COLOURS[k % 6], marker=MARKERS[k % 6]
            )
            causes = mean["groups"][SELECTION][ALL]["causes"]
            place = np.arange(len(CAUSES)) + (k - (len(means) - 1) / 2) * width
            right.bar(place, [causes[cause] for cause in CAUSES], width, color=COLOURS[k % 6])
        left.set(ylabel="TrackML score, perfect from there on", ylim=(min(0.95, lowest - 0.02), 1))
        right.set_xticks(range(len(CAUSES)), CAUSES)
        right.set(ylabel="score lost")
        for axes in (left, right):
            axes.tick_params(axis="x", which="minor", length=0)
        legend_above(figure, handles, list(means), columns=3)
    return figure


def bin_figure(mean: Waterfall) -> "Figure":
    """Score lost in each bin of each variable, stacked by the stage that loses it."""
    from hitgraph.evaluation.style import COLOURS, legend_above, new_figure, styled

    stages = mean["stage_names"]
    with styled():
        figure = new_figure(12.4, 7.6)
        handles: dict[str, Any] = {}
        for axes, variable in zip(figure.subplots(2, 3).flat, BINS, strict=True):
            groups = {k: one for k, one in mean["groups"][variable].items() if one["particles"]}
            left = np.array([[s["weight"] for s in one["stages"]] for one in groups.values()])
            left = left.reshape(len(groups), len(stages))
            weight = np.maximum([one["weight"] for one in groups.values()], 1e-12)
            bottom = np.zeros(len(groups))
            for k in range(1, len(stages)):
                lost = np.maximum(left[:, k - 1] - left[:, k], 0.0) / weight
                bars = axes.bar(range(len(groups)), lost, bottom=bottom, color=COLOURS[k % 6])
                handles.setdefault(stages[k], bars)
                bottom += lost
            axes.set_xticks(range(len(groups)), list(groups), rotation=40, ha="right", fontsize=8)
            axes.tick_params(axis="x", which="minor", length=0)
            axes.set(xlabel=variable, ylabel="share of the bin's score lost")
        legend_above(figure, list(handles.values()), list(handles), columns=len(handles))
    return figure
