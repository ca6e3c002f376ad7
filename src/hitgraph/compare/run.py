"""One run of a comparison: a recipe is taught and judged on the test events."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from hitgraph.benchmark.clock import StageClock
from hitgraph.compare.edges import edge_quality
from hitgraph.compare.plan import Plan, Run
from hitgraph.evaluation.edges import edge_truth
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource
from hitgraph.pipeline import Pipeline
from hitgraph.stage import Stage
from hitgraph.state import Scored, State
from hitgraph.studies.quality import quality_of
from hitgraph.training.train import train
from hitgraph.training.workshop import Watch

Report = Callable[[str], None]


def teach(
    plan: Plan, device: str, quiet: bool, report: Report, run: Run, watch: Watch | None = None
) -> dict[str, Any]:
    """Train a run, or go on with it; what its stages recorded, by stage. `watch` is of `train`.

    The shared stages come from the first run of the plan, which has to be taught before others.
    """
    start = plan.start if run.key == plan.runs[0].key else plan.folder(plan.runs[0])
    report(f"{run.key}:")
    training = train(
        run.recipe,
        plan.train,
        plan.folder(run),
        device=device,
        start=Pipeline.load(start) if plan.shared and start is not None else None,
        start_stages=len(plan.shared),
        resume=True,
        quiet=quiet,
        report=report,
        cpu_seconds=run.cpu_seconds,
        watch=watch,
    )
    return training.stages


def judge(plan: Plan, run: Run, facts: dict[str, Any], device: str) -> dict[str, Any]:
    """JSON-able: size, time, edges and tracks of a run on the test events."""
    pipeline = Pipeline.load(plan.folder(run), device)
    own = [name for name in pipeline.stages if name not in plan.shared]
    events = []
    for number, source in enumerate(plan.test):
        event = read(source, pipeline.recipe.clusters)
        if number == 0:
            pipeline.run(event)  # compiles kernels, fills caches
        clock = StageClock(pipeline.device)
        result = pipeline.run(event, observers=(clock,))
        found = {
            "cpu_seconds": sum(clock.readings[name].cpu for name in own),
            "all_cpu_seconds": sum(one.cpu for one in clock.readings.values()),
            "tracks": quality_of(event, result.labels),
        }
        judged = judged_edges(result.state)
        if judged is not None:
            edges, logits = (one.cpu().numpy() for one in judged)
            found["edges"] = edge_quality(edge_truth(event), edges, logits)
        events.append(found)
    return {
        "recipe": run.name,
        "seed": run.seed,
        "parameters": sum(n_parameters(pipeline.stages[name]) for name in own),
        "trained": {name: facts[name] for name in own if name in facts},
        "events": events,
    }


def judged_edges(state: State) -> Scored | None:
    """What the last score was given and said; of a graph that no stage has cut, the graph."""
    if state.scored is not None or state.edges is None:
        return state.scored
    same = state.edges.new_zeros(state.n_edges, dtype=torch.float32)
    return Scored(state.edges, state.edge.get("logit", same))


def n_parameters(stage: Stage) -> int:
    """Of the networks of a stage."""
    networks = [value for value in vars(stage).values() if isinstance(value, nn.Module)]
    return sum(weight.numel() for network in networks for weight in network.parameters())


@lru_cache(maxsize=32)
def read(source: EventSource, cells: bool) -> Event:
    """A test event, kept for the next run."""
    return source.read(cells=cells)
