"""Batch normalisation on regions, by where its statistics come from.

    python benchmarks/region_norms.py data/test-50 --events 1000:1002 --pipeline runs/batch_norm

*running*: mean and variance that the training kept, as every pipeline has them; *at hand*: those
of the very hits and edges that are reconstructed, as a network has that is left in its training
mode. Layer normalisation has no such choice. The tables are those of `hitgraph study regions`.
"""

import argparse

from hitgraph.cli.arguments import add_events
from hitgraph.cli.console import console, shown
from hitgraph.errors import SettingsError
from hitgraph.event.selection import SELECTED
from hitgraph.event.source import list_events
from hitgraph.nn.blocks import BatchNorm
from hitgraph.pipeline import Pipeline
from hitgraph.studies import regions
from hitgraph.threads import set_threads


def with_statistics_at_hand(name: str) -> Pipeline:
    """The pipeline, whose batch normalisation forgets what it has learnt of batches."""
    pipeline = Pipeline.load(name)
    found = [
        module
        for stage in pipeline.stages.values()
        for network in [getattr(stage, "network", None)]
        if network is not None
        for module in network.modules()
        if isinstance(module, BatchNorm)
    ]
    if not found:
        raise SettingsError(f"{name}: has no batch normalisation")
    for module in found:
        module.running_mean = module.running_var = None
    return pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_events(parser)
    parser.add_argument("--pipeline", required=True)
    args = parser.parse_args()
    set_threads(1)
    sources = list_events(args.paths, args.detectors, args.events)
    pipelines = {
        "running": Pipeline.load(args.pipeline),
        "at hand": with_statistics_at_hand(args.pipeline),
    }
    plan = regions.plan(sources, pipelines, {}, SELECTED, ((8, 1), (8, 4), (16, 8)), (0.5,))
    result = plan.summarise({point.key: point.measure() for point in plan.points})
    for table in result.tables:
        console().print(shown(table, None))


if __name__ == "__main__":
    main()
