"""A taught pipeline whose networks have fewer bits or weights, by its tracks and CPU time.

    python benchmarks/small_pipeline.py data/test --events 1000:1002 --pipeline compact

Nothing is taught: the weights of all linear layers of all networks are put on a grid with a scale a
row, or the smallest of each layer become zero. Of each: what the weights take in bits that are not
zero, what the tracks are like, and the CPU time of an event.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from time import process_time

import torch
from rich.console import Console
from torch import Tensor

from hitgraph.cli.arguments import add_events
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.nn.quantise import FLOAT, fake_quantise, row_scales
from hitgraph.pipeline import Pipeline
from hitgraph.studies.quality import quality_of, together

BITS = (FLOAT, 8, 6, 5, 4, 3)
SHARES = (0.1, 0.2, 0.3, 0.5)  # of the weights that go
HEADER = (
    "| bits | weights that are zero | kB | score | score, primaries | efficiency > 0.1, 0.5, 1 GeV "
    "| purity | CPU s |\n|---|---|---|---|---|---|---|---|"
)


def is_weight(name: str, tensor: Tensor) -> bool:
    return name.startswith("network.") and name.endswith("weight") and tensor.dim() == 2


def smaller(weight: Tensor, bits: int, share: float) -> Tensor:
    """On a grid of so many bits, without that share of the weights, the smallest."""
    if share:
        weight = weight * (weight.abs() > weight.abs().quantile(share))
    return weight if bits == FLOAT else fake_quantise(weight, row_scales(weight, bits), bits)


def changed(pipeline: Pipeline, bits: int, share: float) -> tuple[Pipeline, int]:
    """The pipeline with smaller networks, and how many bits their weights have together."""
    stages, total = {}, 0
    for step in pipeline.recipe.stages:
        tensors: Mapping[str, Tensor] = pipeline.stages[step.name].tensors()
        new = {
            name: smaller(one, bits, share) if is_weight(name, one) else one
            for name, one in tensors.items()
        }
        total += sum(
            bits * int(one.count_nonzero()) for name, one in new.items() if is_weight(name, one)
        )
        stages[step.name] = step.settings.load(pipeline.context, new)
    return replace(pipeline, stages=stages), total


def judged(pipeline: Pipeline, events: list[Event]) -> str:
    seconds, found = 0.0, []
    for event in events:
        begin = process_time()
        result = pipeline.run(event)
        seconds += process_time() - begin
        found.append(quality_of(event, result.labels))
    quality = together(found)
    efficiency = ", ".join(f"{100 * one.value:.2f}" for one in quality.technical.values())
    return (
        f"{quality.score:.4f} | {quality.score_primaries:.4f} | {efficiency} % | "
        f"{quality.purity.value:.2%} | {seconds / len(events):.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_events(parser)
    parser.add_argument("--pipeline", default="compact", help="default compact")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = Pipeline.load(args.pipeline)
    events = [one.read() for one in list_events(args.paths, args.detectors, args.events)]
    pipeline.run(events[0])  # compiles kernels
    console = Console()
    console.print(HEADER, markup=False, highlight=False, soft_wrap=True)
    for bits, share in [*((bits, 0.0) for bits in BITS), *((FLOAT, share) for share in SHARES)]:
        other, total = changed(pipeline, bits, share)
        row = f"| {bits} | {share:.0%} | {total / 8000:.1f} | {judged(other, events)}"
        console.print(row, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
