"""The ancestors of graph networks beside them, and where they fail: a table and a figure.

    python benchmarks/toy_events.py data/toy
    python benchmarks/ancestors.py data/toy/train --test data/toy/test-* --out runs/toy
    hitgraph convert data/pu20 --volumes 8 13 17 --to parquet --out data/barrel-20      # and so on
    python benchmarks/ancestors.py data/barrel-20 --test data/barrel-test-20 data/barrel-test-50 \\
        --out runs/barrel

Teaches the recipes ancestors/graph, lstm and cnn for the same CPU time on the first events of the
data, and judges them on the events of each folder of --test. They share graph and triplet filter;
its edges are the seeds of the LSTM and the CNN. An interrupted training goes on when the same
words are given again.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from timing import cpu_time

from hitgraph.compare.plan import Budget, Plan, make_plan
from hitgraph.compare.run import teach
from hitgraph.evaluation.metrics import evaluate
from hitgraph.evaluation.ratio import Ratio
from hitgraph.evaluation.seeds import seed_quality
from hitgraph.evaluation.style import COLOURS, MARKERS, legend_above, new_figure, save, styled
from hitgraph.event.selection import SELECTED
from hitgraph.event.source import list_events
from hitgraph.event.truth import summarise_particles
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import read_recipe
from hitgraph.recipe_files import find_recipe
from hitgraph.stage import Stage
from hitgraph.state import State
from hitgraph.tracks.seeded import seeds_of

METHODS = ("graph", "lstm", "cnn")
STIFF = SELECTED.above(0.5)  # GeV


@dataclass(frozen=True)
class Found:
    """One method on one sample."""

    efficiency: Ratio  # technical, above 0.5 GeV
    soft: Ratio  # above 0.1 GeV
    purity: Ratio
    seconds: float  # of the CPU, an event, behind what all share


@dataclass(frozen=True)
class Sample:
    """All methods on one folder of events."""

    name: str
    tracks: float  # reconstructable particles above 0.5 GeV, an event
    hits: float  # an event
    seeded: float  # share of these particles with a seed of their hits only
    found: Mapping[str, Found]


def plan_of(arguments: argparse.Namespace) -> Plan:
    recipes = {name: read_recipe(find_recipe(f"ancestors/{name}")) for name in METHODS}
    train, test = (list_events(paths) for paths in ([arguments.data], arguments.test))
    return make_plan(recipes, train, test, arguments.out, Budget(arguments.seconds))


def measure(
    pipelines: Mapping[str, Pipeline], shared: Sequence[str], folder: Path, most: int, warm: bool
) -> Sample:
    """On the first events of a folder; where `warm`, each runs once before it is timed."""
    counts, seeded = [], []
    parts: dict[str, list[Found]] = {name: [] for name in pipelines}
    first = next(iter(pipelines.values()))
    sources = list_events([folder])[:most]
    for number, source in enumerate(sources):
        event = source.read(cells=first.recipe.clusters)
        reconstructable = STIFF.reconstructable(summarise_particles(event))
        counts.append((int(reconstructable.sum()), event.n_hits))
        state = first.run(event, keep=[shared[-1]]).kept[shared[-1]]
        seeds = seeds_of(state, pipelines["lstm"].stages["tracks"].settings.seed_cut)
        seeded.append(seed_quality(event, seeds.numpy(), STIFF).efficiency)
        for name, pipeline in pipelines.items():
            own = [stage for key, stage in pipeline.stages.items() if key not in shared]
            if warm and not number:
                labels_of(own, state)  # compiles
            labels, spent = cpu_time(labels_of, own, state)
            matched = evaluate(event, labels.numpy()).matchings["double majority"]
            soft, stiff = (one.technical for one in matched.efficiency[:2])
            parts[name].append(Found(stiff, soft, matched.purity, spent))
    tracks, hits = np.mean(counts, axis=0)
    return Sample(
        folder.name,
        tracks,
        hits,
        reduce(add, seeded).value,
        {
            name: Found(
                *(
                    reduce(add, [getattr(one, what) for one in found])
                    for what in ("efficiency", "soft", "purity")
                ),
                sum(one.seconds for one in found) / len(found),
            )
            for name, found in parts.items()
        },
    )


@torch.inference_mode()
def labels_of(stages: Sequence[Stage], state: State) -> torch.Tensor:
    for stage in stages:
        state = stage(state)
    assert state.labels is not None
    return state.labels


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """Markdown: a row a method."""
    yield "| events | particles | hits | seeded | | > 0.5 GeV | > 0.1 GeV | purity | CPU s |"
    yield "|---|---:|---:|---:|---|---:|---:|---:|---:|"
    for one in samples:
        sample = f"{one.name} | {one.tracks:,.0f} | {one.hits:,.0f} | {100 * one.seeded:.1f} %"
        for name, found in one.found.items():
            cells = (percent(ratio) for ratio in (found.efficiency, found.soft, found.purity))
            yield f"| {sample} | {name} | {' | '.join(cells)} | {found.seconds:.2f} |"
            sample = " | | | "


def percent(ratio: Ratio) -> str:
    """With half of its interval; nothing where nothing was counted."""
    low, high = ratio.interval
    value = f"{100 * ratio.value:.1f} ± {50 * (high - low):.1f} %"
    return value if ratio.total else "-"


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Efficiency and purity against the number of tracks."""
    with styled():
        figure = new_figure(10.4, 4.6)
        panels = figure.subplots(1, 2, sharex=True)
        handles = []
        tracks = [one.tracks for one in samples]
        for k, name in enumerate(METHODS):
            for axes, what in zip(panels, ("efficiency", "purity"), strict=True):
                ratios = [getattr(one.found[name], what) for one in samples]
                value = np.array([one.value for one in ratios])
                low, high = np.array([one.interval for one in ratios]).T
                drawn = axes.errorbar(
                    tracks,
                    value,
                    yerr=[value - low, high - value],
                    color=COLOURS[k],
                    marker=MARKERS[k],
                )
                axes.set(xscale="log", ylim=(0, 1.05), ylabel=f"{what} of tracks")
                axes.set_xlabel("particles above 0.5 GeV / event")
            handles.append(drawn)
        seeded = panels[0].plot(tracks, [one.seeded for one in samples], "k:")[0]
        legend_above(figure, [*handles, seeded], [*METHODS, "with a right seed"], columns=4)
    for form in ("svg", "png"):
        save(figure, path.with_suffix(f".{form}"), form)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path, help="events to learn from")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="folders to judge on")
    parser.add_argument("--events", type=int, default=5, help="of each folder, the first so many")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of each training")
    parser.add_argument("--out", type=Path, required=True, help="folder for pipelines and results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console, plan = Console(), plan_of(arguments)
    for run in plan.runs:
        teach(plan, "cpu", False, console.print, run)
    pipelines = {run.name: Pipeline.load(plan.folder(run)) for run in plan.runs}
    samples: list[Sample] = []
    for folder in arguments.test:  # the first one compiles
        samples.append(measure(pipelines, plan.shared, folder, arguments.events, warm=not samples))
        samples.sort(key=lambda one: one.tracks)
        lines = "\n".join(table(samples)) + "\n"
        (arguments.out / "ancestors.md").write_text(lines, encoding="utf-8")
        draw(samples, arguments.out / "ancestors")
    console.print(lines, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
