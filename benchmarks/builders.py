"""Edges and time of the graph builders at equal edge efficiency: python benchmarks/builders.py DATA

    python benchmarks/builders.py data/train --test data/val/event000006000 --out builders.md
    python benchmarks/builders.py data/train --test data/val/event000006000 --events 1 4 14

DATA is a store of full events; builders learn from the first ones (14, or as many as --train says)
and are measured on the event of --test, of which none is learnt. Each builder has several values
of one key, and what it costs at an efficiency of 0.97, 0.98, 0.99 is read off between the two
values around it. Efficiency is the share of the true edges of particles with at least three hits,
of all and of those above 0.5 GeV; at the value next to 0.98 of the latter also in bins of pT and
of eta (above 0.5 GeV). The embedding is taught for --seconds of CPU on phi sectors of the same
events, the last of which sets its radius. With --events instead of that a table of the module map
against the number of events, with and without what modules of a ring share. Times are CPU seconds
of one thread.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from hitgraph.event.event import Event
from hitgraph.event.selection import Selection, selected_hits
from hitgraph.event.source import list_events
from hitgraph.graph.layer_pairs import LayerPairSettings
from hitgraph.graph.lsh import LshSettings
from hitgraph.graph.module_map import ModuleMapSettings
from hitgraph.graph.nearest import NearestSettings
from hitgraph.graph.radius.lesson import radius_at_efficiency
from hitgraph.graph.radius.stage import RadiusSettings
from hitgraph.graph.scored.stage import ScoredStage
from hitgraph.graph.second_pass import SecondPass
from hitgraph.graph.windows import WindowSettings
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TrainingSettings, TruthSettings
from hitgraph.pipeline import Pipeline
from hitgraph.stage import Context, Stage, StageSettings
from hitgraph.state import State
from hitgraph.training.workshop import StageWorkshop

WANTED = (0.97, 0.98, 0.99)
SECTORS = 8
FAST = "pT > 0.5"
# kinds of particles, pT in GeV; all have at least three hits
KINDS = {
    "all": Selection(min_pt=0.0, max_abs_eta=None),
    FAST: Selection(min_pt=0.5, max_abs_eta=None),
    **{
        f"pT {low:g}–{high:g}": Selection(min_pt=low, max_pt=high, max_abs_eta=None)
        for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 100.0))
    },
    **{
        f"η {low}–{low + 1}": Selection(min_pt=0.5, min_abs_eta=low, max_abs_eta=low + 1)
        for low in range(4)
    },
}
LEARNT = RadiusSettings(training=TrainingSettings(learning_rate=0.003), sectors=SECTORS)
# of each builder: settings, the key that is varied, its values from few edges to many;
# no settings: the windows of the second pass of `compact`, as they are learnt from all hits
Sweep = tuple[StageSettings | None, str, Sequence[float]]
SWEEPS: dict[str, Sweep] = {
    "scored windows": (None, "cut", (-3.0, -4.0, -5.4, -9.0)),
    "windows": (WindowSettings(), "tail", (0.01, 0.002, 0.0005)),
    "module map": (ModuleMapSettings(), "widen", (1.0, 3.0, 10.0, 30.0)),
    "module map, meanrms": (ModuleMapSettings(cuts="meanrms"), "n_rms", (4.0,)),
    "module map, hybrid": (ModuleMapSettings(cuts="hybrid"), "n_rms", (4.0,)),
    "module map, pairs only": (ModuleMapSettings(triplets=False), "widen", (0.0, 3.0)),
    "layer pairs": (LayerPairSettings(), "coverage", (0.92, 0.96, 0.985)),
    "embedding, radius": (LEARNT, "target_efficiency", (0.90, 0.94, 0.97)),
    "embedding, nearest": (replace(LEARNT, target_efficiency=0.97), "max_neighbours", (20, 60)),
    "nearest": (NearestSettings(target_efficiency=0.999), "neighbours", (20, 60)),
    "LSH": (LshSettings(), "target_efficiency", (0.7, 0.8)),
}


class SilentWorkshop:
    """For stages that fit no network."""

    seed, truth = 0, TruthSettings()

    def report(self, line: str) -> None: ...

    def record(self, facts: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Question:
    """What builders learn from and what they are measured on."""

    context: Context
    train: Sequence[Sample]
    test: Sample
    chosen: Mapping[str, torch.Tensor]  # of each of KINDS: (n_true,) whether an edge is of it
    seconds: float  # for a network

    def material(self, n_validation: int = 0) -> Material:
        reads = [partial(Example, sample, State(sample.hits)) for sample in self.train]
        n_train = len(reads) - n_validation
        return Material(reads[:n_train], reads[n_train:])


@dataclass(frozen=True)
class Point:
    """One setting of one builder, on one event."""

    value: float
    edges: int
    efficiency: Mapping[str, float]  # of each of KINDS
    seconds: float

    def __str__(self) -> str:
        found = ", ".join(f"{kind} {value:.4f}" for kind, value in self.efficiency.items())
        return f"{self.value:g}: {self.edges} edges, {self.seconds:.2f} s; {found}"


def read(event: Event, jitter: torch.Generator | None = None) -> Sample:
    assert event.detector is not None
    return make_sample(event, event.detector, True, TruthSettings(), jitter)


def kinds_of(event: Event, test: Sample) -> dict[str, torch.Tensor]:
    inner = test.true_edges[0]
    return {
        kind: torch.from_numpy(selected_hits(event, selection))[inner]
        for kind, selection in KINDS.items()
    }


def embedded(
    settings: RadiusSettings, key: str, values: Sequence[float], question: Question
) -> Iterator[Stage]:
    """The embedding is taught once for all values."""
    material = question.material(n_validation=1)
    with tempfile.TemporaryDirectory() as folder:
        workshop = StageWorkshop(
            "graph", Path(folder), 1, TruthSettings(), "cpu", resume=False, quiet=True,
            report=print, cpu_seconds=question.seconds,
        )  # fmt: skip
        torch.manual_seed(1)
        stage = settings.learn(question.context, material, workshop)
    for value in values:
        changed: Any = replace(settings, **{key: value})
        target = changed.target_efficiency
        radius = radius_at_efficiency(stage.network, material.validation, target)
        yield replace(stage, settings=changed, radius=radius)


def shipped(values: Sequence[float]) -> Iterator[Stage]:
    second = Pipeline.load("compact").stages["graph2"]  # those of the first are for sure tracks
    assert isinstance(second, SecondPass)
    assert isinstance(second.builder, ScoredStage)
    for value in values:
        yield ScoredStage(second.builder.context, replace(second.builder.scored, cut=value))


def learnt(
    settings: StageSettings, key: str, values: Sequence[float], question: Question
) -> Iterator[Stage]:
    shop: Any = SilentWorkshop()
    for value in values:
        changed: Any = replace(settings, **{key: value})  # type: ignore[type-var]
        yield changed.learn(question.context, question.material(), shop)


def measure(sweep: Sweep, question: Question) -> list[Point]:
    """Build once to compile and once for the clock."""
    settings, key, values = sweep
    if settings is None:
        stages = shipped(values)
    elif isinstance(settings, RadiusSettings):
        stages = embedded(settings, key, values, question)
    else:
        stages = learnt(settings, key, values, question)
    points, test = [], question.test
    for value, stage in zip(values, stages, strict=True):
        stage(State(question.train[0].hits.select(torch.arange(1000))))
        start = time.process_time()
        edges = stage(State(test.hits)).graph()
        seconds = time.process_time() - start
        found = torch.isin(_keys(test.true_edges, test), _keys(edges, test))
        efficiency = {
            kind: float(found[inside].float().mean()) for kind, inside in question.chosen.items()
        }
        points.append(Point(value, edges.shape[1], efficiency, seconds))
    return points


def _keys(pairs: torch.Tensor, sample: Sample) -> torch.Tensor:
    return pairs[0] * len(sample.hits) + pairs[1]


def at_efficiency(points: Sequence[Point], wanted: float, kind: str) -> tuple[float, float] | None:
    """Edges and seconds at an efficiency, between the two points around it; None beyond them."""
    ranked = sorted(points, key=lambda point: point.efficiency[kind])
    known = [point.efficiency[kind] for point in ranked]
    if not known[0] <= wanted <= known[-1]:
        return None
    edges, seconds = (
        float(np.exp(np.interp(wanted, known, np.log([getattr(p, name) for p in ranked]))))
        for name in ("edges", "seconds")
    )
    return edges, seconds


def comparison(question: Question, only: Sequence[str]) -> Iterator[str]:
    """Every point measured, then Markdown: at equal efficiency, and in bins."""
    measured = {}
    for name, sweep in SWEEPS.items():
        if not only or any(word in name for word in only):
            measured[name] = measure(sweep, question)
            yield from (f"{name}, {sweep[1]} {point}" for point in measured[name])
    yield ""
    yield (
        "| builder | "
        + " | ".join(f"{kind} {wanted}" for kind in ("all", FAST) for wanted in WANTED)
        + " |"
    )
    yield "|---" * (1 + 2 * len(WANTED)) + "|"
    for name, points in measured.items():
        found = [at_efficiency(points, wanted, kind) for kind in ("all", FAST) for wanted in WANTED]
        cells = [f"{one[0] / 1e6:.2f} M, {one[1]:.1f} s" if one else "–" for one in found]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield f"| builder | edges | {' | '.join(KINDS)} |"
    yield "|---" * (2 + len(KINDS)) + "|"
    for name, points in measured.items():
        point = min(points, key=lambda one: abs(one.efficiency[FAST] - 0.98))
        cells = [f"{100 * value:.1f}" for value in point.efficiency.values()]
        value = f"`{SWEEPS[name][1]}` {point.value:g}"
        yield f"| {name}, {value} | {point.edges / 1e6:.2f} M | {' | '.join(cells)} |"


def against_events(question: Question, numbers: Sequence[int]) -> Iterator[str]:
    """Markdown: the module map against the number of events it was learnt from."""
    yield "| events | shared by | edges | efficiency | pT > 0.5 | CPU s |"
    yield "|---|---|---|---|---|---|"
    for number in numbers:
        few = replace(question, train=question.train[:number])
        for fallback, settings in (
            ("ring", ModuleMapSettings()),
            ("none", ModuleMapSettings(fallback="none")),
        ):
            (point,) = measure((settings, "widen", (settings.widen,)), few)
            yield (
                f"| {number} | {fallback} | {point.edges / 1e6:.2f} M | "
                f"{point.efficiency['all']:.4f} | {point.efficiency[FAST]:.4f} | "
                f"{point.seconds:.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="store of events to learn from")
    parser.add_argument("--test", type=Path, required=True, help="the event to measure on")
    parser.add_argument("--events", type=int, nargs="+", help="numbers of events to learn from")
    parser.add_argument("--train", type=int, default=14, help="events that builders learn from")
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU, for the embedding")
    parser.add_argument("--only", nargs="+", default=(), help="builders with this in their name")
    parser.add_argument("--out", type=Path, help="also write the lines into this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    numbers = arguments.events or [arguments.train]
    sources = list_events([arguments.data])[: max(numbers)]
    if len(sources) < max(numbers):
        parser.error(f"{arguments.data} has {len(sources)} events: ask for fewer")
    event = list_events([arguments.test])[0].read()
    assert event.detector is not None
    test = read(event)
    train = [read(source.read(), generator(1, "jitter", k)) for k, source in enumerate(sources)]
    question = Question(
        Context(event.detector), train, test, kinds_of(event, test), arguments.seconds
    )
    if arguments.events:
        lines = against_events(question, numbers)
    else:
        lines = comparison(question, arguments.only)
    console, written = Console(), []
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        written.append(line)
        if arguments.out:
            arguments.out.write_text("\n".join(written) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
