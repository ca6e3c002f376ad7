"""Track builders on the same edge scores: python benchmarks/labellers.py EVENTS

    python benchmarks/labellers.py data/val --tune data/val-50 --events 2

The scores are those of a pipeline (--pipeline, `compact`), up to its last stage that scores edges;
events of EVENTS are of no training. The score cut of each builder, its own or one of
hitgraph.tracks.stage.CUTS, is the one of highest TrackML score on the first event of --tune.
Tracks that a pipeline has set aside before (stage `second_pass`) are judged with those of the
builder. Times are CPU seconds of one thread for the builder alone; stages of the pipeline that join
tracks are left out.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from timing import cpu_time

from hitgraph.errors import SettingsError
from hitgraph.evaluation.metrics import Metrics, evaluate
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource, list_events
from hitgraph.pipeline import Pipeline
from hitgraph.stage import gives_of
from hitgraph.state import LOGIT, State
from hitgraph.tracks.both_passes import all_tracks
from hitgraph.tracks.components import ComponentsSettings
from hitgraph.tracks.contraction import ContractionSettings
from hitgraph.tracks.dbscan import DbscanSettings
from hitgraph.tracks.merge import MergeSettings
from hitgraph.tracks.stage import CUTS, TrackSettings, with_score_cut
from hitgraph.tracks.walkthrough import WalkthroughSettings

BUILDERS: dict[str, TrackSettings] = {
    "components": ComponentsSettings(),
    "walkthrough": WalkthroughSettings(),
    "merge": MergeSettings(),
    "contraction": ContractionSettings(),
    **{f"DBSCAN, min_samples {n}": DbscanSettings(min_samples=n) for n in (2, 3, 4)},
}
Scored = tuple[Event, State]


def scored(pipeline: Pipeline, sources: Sequence[EventSource]) -> list[Scored]:
    """Events with what the last stage that scores edges leaves of them."""
    names = [step.name for step in pipeline.recipe.stages if LOGIT in gives_of(step.settings)]
    found = []
    for source in sources:
        event = source.read(cells=pipeline.recipe.clusters)
        state = pipeline.run(event, keep=[names[-1]]).kept[names[-1]]
        found.append((event, replace(state, labels=None)))
    return found


def judged(builder: TrackSettings, events: Sequence[Scored]) -> tuple[list[Metrics], float]:
    """Of each event, and the mean CPU seconds."""
    found, seconds = [], 0.0
    for event, state in events:
        labels, spent = cpu_time(builder.build, state.hits, state.graph(), state.scores())
        seconds += spent
        labels = all_tracks(state.with_labels(labels))
        found.append(evaluate(event, labels.numpy()))
    return found, seconds / len(events)


def tuned(builder: TrackSettings, event: Scored) -> TrackSettings:
    choices = []
    for cut in sorted({builder.score_cut, *CUTS}):
        try:
            choices.append(with_score_cut(builder, cut))
        except SettingsError:  # does not fit the other cuts
            continue
    return max(choices, key=lambda one: judged(one, [event])[0][0].score)


def table(events: Sequence[Scored], tune: Scored) -> Iterator[str]:
    """Markdown."""
    n_edges = sum(state.n_edges for _, state in events) / len(events)
    yield f"{len(events)} events, {n_edges:,.0f} edges an event."
    yield ""
    yield (
        "| builder | cut | efficiency [%] | > 0.5 GeV [%] | purity [%] | duplicates [%] | score "
        "| CPU s |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name, builder in BUILDERS.items():
        best = tuned(builder, tune)
        found, seconds = judged(best, events)
        matched: Any = [one.matchings["double majority"] for one in found]
        ratios = [
            reduce(add, [one.efficiency[0].technical for one in matched]),
            reduce(add, [one.efficiency[1].technical for one in matched]),
            reduce(add, [one.purity for one in matched]),
            reduce(add, [one.duplicates for one in matched]),
        ]
        score = sum(one.score for one in found) / len(found)
        cells = " | ".join(f"{100 * one.value:.2f}" for one in ratios)
        yield f"| {name} | {best.score_cut:g} | {cells} | {score:.4f} | {seconds:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="events to judge on")
    parser.add_argument("--tune", type=Path, required=True, help="events to choose the cuts on")
    parser.add_argument("--events", type=int, default=2, help="of the data, the first so many")
    parser.add_argument("--pipeline", default="compact", help="gives the scores")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = Pipeline.load(arguments.pipeline)
    events = scored(pipeline, list_events([arguments.data])[: arguments.events])
    (tune,) = scored(pipeline, list_events([arguments.tune])[:1])
    for line in table(events, tune):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
