"""An interaction network with fewer of its rounds: python benchmarks/rounds.py EVENTS --pipeline P

A loss on the logits after every second round (EdgeNetwork.all_logits) makes the classifier at the
end good for the states in between. So the first rounds of a network are a network; this tells how
good it is, as it is, and what it costs: the purity of the edges that it judges at 95, 98 and 99 %
of the true ones that it is given, the CPU time of the stage, and the tracks of the whole pipeline.
"""

import argparse
import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import torch
from rich.console import Console

from hitgraph.compare.edges import EFFICIENCIES, edge_quality, purities
from hitgraph.evaluation.edges import edge_truth
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.gnn.interaction import InteractionNetwork
from hitgraph.gnn.network import NetworkStage
from hitgraph.pipeline import Pipeline
from hitgraph.studies.quality import quality_of, together

HEADER = (
    "| rounds | CPU s / event | purity at "
    + " | at ".join(f"{one:.0%}" for one in EFFICIENCIES)
    + " | score | efficiency > 0.5 GeV | purity of tracks |\n|---|---|---|---|---|---|---|---|"
)


def network_stage(pipeline: Pipeline) -> tuple[str, NetworkStage]:
    """The first stage with an interaction network, and its name."""
    for name, stage in pipeline.stages.items():
        if isinstance(stage, NetworkStage) and isinstance(stage.network, InteractionNetwork):
            return name, stage
    raise SystemExit(f"{pipeline.recipe.name} has no interaction network")


def with_rounds(stage: NetworkStage, n_rounds: int) -> NetworkStage:
    """The same with its first rounds only."""
    network: Any = copy.deepcopy(stage.network)
    network.settings = replace(network.settings, steps=n_rounds)
    if len(network.rounds) > 1:
        network.rounds = network.rounds[:n_rounds]
    return replace(stage, network=network)


def judged(pipeline: Pipeline, name: str, events: Sequence[Event]) -> str:
    """A row of the table, after the number of rounds."""
    seconds, edges, tracks = 0.0, [], []
    before = list(pipeline.stages)[list(pipeline.stages).index(name) - 1]
    for event in events:
        result = pipeline.run(event, keep=[before, name])
        scored = result.kept[name].scored
        assert scored is not None
        edges.append(edge_quality(edge_truth(event), scored.edges.numpy(), scored.logit.numpy()))
        tracks.append(quality_of(event, result.labels))
        with torch.inference_mode():
            begin = process_time()
            pipeline.stages[name](result.kept[before])
            seconds += process_time() - begin
    quality = together(tracks)
    purity = " | ".join("" if one is None else f"{one:.2%}" for one in purities(edges).values())
    return (
        f"{seconds / len(events):.3f} | {purity} | {quality.score:.4f} | "
        f"{quality.technical['0.5'].value:.2%} | {quality.purity.value:.2%} |"
    )


def rows(pipeline: Pipeline, events: Sequence[Event], least: int) -> Iterator[str]:
    name, stage = network_stage(pipeline)
    most = stage.network.settings.steps  # type: ignore[union-attr]
    for n_rounds in range(int(most), least - 1, -1):
        stages = {**pipeline.stages, name: with_rounds(stage, n_rounds)}
        yield f"| {n_rounds} | " + judged(replace(pipeline, stages=stages), name, events)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", nargs="+", type=Path, help="events to judge on")
    parser.add_argument("--pipeline", default="compact", help="default compact")
    parser.add_argument("--least", type=int, default=2, help="rounds (default 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = Pipeline.load(arguments.pipeline)
    events = [source.read() for source in list_events(arguments.events)]
    pipeline.run(events[0])  # compiles kernels
    console = Console()
    console.print(HEADER, markup=False, highlight=False, soft_wrap=True)
    for row in rows(pipeline, events, arguments.least):
        console.print(row, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
