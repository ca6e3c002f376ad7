"""What it gains to give scores at an event's own density: python benchmarks/density.py EVENTS

Runs a pipeline with scored windows twice on events of several sizes, made from the given ones as
`hitgraph benchmark --growth` makes them: with the scores as they were learnt, and shifted by the
density of the hits (hitgraph.hits.density). Prints candidate edges and TrackML score of both.
"""

import argparse
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from hitgraph.benchmark.growth import SIZES
from hitgraph.benchmark.sizes import event_of_size
from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.graph.scored.stage import ScoredStage
from hitgraph.hits import hits_from_event
from hitgraph.hits.density import hit_density
from hitgraph.pipeline import Pipeline
from hitgraph.threads import set_threads


def density_of(event: Event, pipeline: Pipeline) -> float:
    hits = hits_from_event(event, pipeline.detector, clusters=False)
    return float(hit_density(hits, pipeline.detector.n_layers))


def candidates_and_score(event: Event, pipeline: Pipeline) -> tuple[int, float]:
    result = pipeline.run(event)
    edges = next(stage.edges for stage in result.stages if stage.name == "graph")
    assert edges is not None
    return edges, evaluate(event, result.labels).to_dict()["trackml_score"]["value"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", help="a store of full events with truth and cells")
    parser.add_argument("--first", type=int, default=0, help="which event to begin with")
    parser.add_argument("--count", type=int, default=4, help="how many to make the sizes from")
    parser.add_argument("--pipeline", default="compact")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    args = parser.parse_args()
    set_threads()
    pipeline = Pipeline.load(args.pipeline)
    stage = pipeline.stages["graph"]
    assert isinstance(stage, ScoredStage), "the pipeline has no scored windows"
    sources = list_events([args.events])[args.first : args.first + args.count]
    events = [source.read() for source in sources]
    table = Table(
        "hits", "density", "candidates as learnt", "shifted", "score as learnt", "shifted"
    )
    for size in args.sizes:
        event = event_of_size(events, size, pipeline.detector).event
        density = density_of(event, pipeline)
        # learnt at this very density: no shift
        tables = replace(stage.scored, density=density)
        learnt_here = {**pipeline.stages, "graph": ScoredStage(pipeline.context, tables)}
        unshifted = replace(pipeline, stages=learnt_here)
        before, after = (candidates_and_score(event, p) for p in (unshifted, pipeline))
        table.add_row(
            f"{event.n_hits:,}",
            f"{density / stage.scored.density:.2f}",
            *(f"{edges:,}" for edges, _ in (before, after)),
            *(f"{score:.4f}" for _, score in (before, after)),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
