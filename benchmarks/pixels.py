"""Tracks from pixel hits alone, as transformers are judged: python benchmarks/pixels.py EVENTS

    python benchmarks/pixels.py data/test --events 1000:1002 --pipelines compact accurate runs/mine

Of each event only the hits in the pixels (volumes 7, 8 and 9) are left, and each pipeline, a
shipped one or a folder, reconstructs it. Particles with at least three hits there, |eta| < 4 and pT
above 0.9 and 1 GeV: how many a track of at least three hits matches by double majority, and of how
many a track has exactly the hits. Fakes are tracks without a match: once among those whose majority
particle is such a particle, as arXiv 2606.20437 counts them, and once among all. Seconds are of CPU
time (wall clock on a GPU) an event, the second event on; the table is in Markdown.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hitgraph.cli.arguments import parse_range
from hitgraph.evaluation import Metrics, combine, evaluate
from hitgraph.evaluation.tables import percent
from hitgraph.event.selection import Selection
from hitgraph.event.source import EventSource, list_events
from hitgraph.event.volumes import in_volumes
from hitgraph.pipeline import Pipeline

PIXELS = (7, 8, 9)
CUTS = (0.9, 1.0)  # GeV
HEAD = ("pipeline", "pT >", "double majority", "perfect", "fakes of these", "fakes of all", "s")


def rows(pipeline: Pipeline, sources: Sequence[EventSource]) -> list[tuple[str, ...]]:
    """What the table says of one pipeline, a row a cut."""
    found: dict[float, list[Metrics]] = {cut: [] for cut in CUTS}
    clock = time.process_time if pipeline.device.type == "cpu" else time.perf_counter
    seconds = []
    for source in sources:
        event = in_volumes(source.read(), PIXELS)
        start = clock()
        labels = pipeline.run(event).labels
        seconds.append(clock() - start)
        for cut, metrics in found.items():
            metrics.append(evaluate(event, labels, selection=Selection(min_pt=cut, min_hits=3)))
    mean = sum(seconds[1:]) / max(len(seconds) - 1, 1)
    return [row(cut, combine(metrics), mean) for cut, metrics in found.items()]


def row(cut: float, metrics: Metrics, seconds: float) -> tuple[str, ...]:
    double, perfect = (metrics.matchings[name] for name in ("double majority", "perfect"))
    return (
        f"{cut:g} GeV",
        percent(double.efficiency[0].physics),
        percent(perfect.efficiency[0].physics),
        percent(double.fakes_selected),
        percent(double.fakes),
        f"{seconds:.2f}" if seconds else "-",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--events", type=parse_range)
    parser.add_argument("--pipelines", nargs="+", default=["compact", "accurate"])
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    sources = list_events(args.data, None, args.events)
    console = Console(width=200)
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for name in args.pipelines:
        pipeline = Pipeline.load(name, args.device)
        lines += ["| " + " | ".join((name, *one)) + " |" for one in rows(pipeline, sources)]
    console.print("\n".join(lines), highlight=False, markup=False)


if __name__ == "__main__":
    main()
