"""Flat and hierarchical networks side by side, and with edges removed: the tables of 2303.01640.

    python benchmarks/hierarchical.py data/pu20 --test data/test-20 --epochs 12 --out runs/hgnn

Teaches the recipes of METHODS on the first events of the data, behind one graph and one triplet
filter, which are taught first, and judges them on the events of --test, beside the components of
those edges of the graph whose hits are of one particle ("truth-CC"). Efficiency: particles above 1
GeV with at least five hits of which a track has more than half, more than half of whose hits are
the particle's. Fakes: unmatched tracks, "theirs" among those most of whose hits are such a
particle's, "ours" among all. The bipartite classifier may put a hit on several tracks. Then a share
of the edges of the graph, drawn at random, is taken away before the rest of each pipeline sees it.
An interrupted training goes on when the same words are given again.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from timing import cpu_time

from hitgraph.compare.plan import Budget, Plan, make_plan
from hitgraph.compare.run import teach
from hitgraph.evaluation.memberships import MembershipQuality, judge_memberships, members_of
from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_truth
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import read_recipe
from hitgraph.recipe_files import find_recipe
from hitgraph.state import State
from hitgraph.tracks.components import ComponentsSettings

METHODS = {
    "E-GNN": "flat_embedding",
    "E-HGNN": "hierarchical_embedding",
    "BC-HGNN": "hierarchical",
    "EC-GNN": "interaction_components",
    "EC-GNN, merge": "interaction",
}
TRUTH = "truth-CC"
REMOVED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
Labels = NDArray[np.int64]
Graph = tuple[Event, State]


def plan_of(arguments: argparse.Namespace) -> Plan:
    recipes = {name: read_recipe(find_recipe(f"networks/{name}")) for name in METHODS.values()}
    train, test = (list_events([folder]) for folder in (arguments.data, arguments.test))
    budget = Budget(arguments.seconds, arguments.epochs)
    test = test[: arguments.events]
    return make_plan(recipes, train, test, arguments.out, budget)


def graph_of(pipeline: Pipeline, event: Event, shared: Sequence[str]) -> State:
    """What the stages that all recipes share leave of an event."""
    state = pipeline.start(event)
    with torch.inference_mode():
        for name in shared:
            state = pipeline.stages[name](state)
    return state


def thinned(state: State, removed: float) -> State:
    """Without a share of the edges, drawn at random."""
    random = torch.Generator().manual_seed(1)
    kept = torch.rand(state.n_edges, generator=random) >= removed
    columns = {name: column[kept] for name, column in state.edge.items()}
    return state.with_edges(state.graph()[:, kept], **columns)


def tracks_of(pipeline: Pipeline, state: State, shared: Sequence[str]) -> tuple[Labels, Labels]:
    """Labels (n_hits,), and (n_hits, k) all tracks of each hit."""
    with torch.inference_mode():
        for name, stage in pipeline.stages.items():
            if name not in shared:
                state = stage(state)
    assert state.labels is not None
    several = state.hit.get("supernodes", state.labels[:, None])
    return state.labels.numpy(), several.numpy()


def true_components(event: Event, state: State) -> tuple[Labels, Labels]:
    particle = torch.tensor(require_truth(event).particle_id)
    inner, outer = state.graph()
    same = (particle[inner] == particle[outer]) & (particle[inner] != 0)
    labels = ComponentsSettings(0.5).build(state.hits, state.graph(), same.float())
    return labels.numpy(), labels[:, None].numpy()


def measured(
    pipelines: Mapping[str, Pipeline], graphs: Sequence[Graph], shared: Sequence[str]
) -> Iterator[tuple[str, MembershipQuality, float, float]]:
    """Of each method: quality and TrackML score over the events, CPU seconds an event."""
    for name in (*pipelines, TRUTH):
        found, scores, seconds = [], [], 0.0
        for event, state in graphs:
            if name == TRUTH:
                (labels, several), spent = cpu_time(true_components, event, state)
            else:
                (labels, several), spent = cpu_time(tracks_of, pipelines[name], state, shared)
            seconds += spent
            found.append(judge_memberships(event, *members_of(several)))
            scores.append(evaluate(event, labels).score)
        yield name, reduce(add, found), float(np.mean(scores)), seconds / len(graphs)


def tables(
    pipelines: Mapping[str, Pipeline], graphs: Sequence[Graph], shared: Sequence[str]
) -> Iterator[str]:
    """Markdown: all of each method, then efficiencies against the share of edges removed."""
    whole = {}
    yield "| method | efficiency [%] | fakes, theirs [%] | fakes, ours [%] | score | CPU s |"
    yield "|---|---|---|---|---|---|"
    for name, quality, score, seconds in measured(pipelines, graphs, shared):
        whole[name] = [percent(quality)]
        fakes = (f"{100 * one.value:.1f}" for one in (quality.fakes_fiducial, quality.fakes))
        yield f"| {name} | {percent(quality)} | {' | '.join(fakes)} | {score:.3f} | {seconds:.2f} |"
    for removed in REMOVED[1:]:
        fewer = [(event, thinned(state, removed)) for event, state in graphs]
        for name, quality, _, _ in measured(pipelines, fewer, shared):
            whole[name].append(percent(quality))
    yield ""
    yield "| edges removed | " + " | ".join(f"{100 * one:.0f} %" for one in REMOVED) + " |"
    yield "|---" * (1 + len(REMOVED)) + "|"
    for name, cells in whole.items():
        yield f"| {name} | {' | '.join(cells)} |"


def percent(quality: MembershipQuality) -> str:
    low, high = quality.efficiency.interval
    return f"{100 * quality.efficiency.value:.1f} ± {50 * (high - low):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="store of events to learn from")
    parser.add_argument("--test", type=Path, required=True, help="events to judge on")
    parser.add_argument("--events", type=int, default=5, help="of them, the first so many")
    parser.add_argument("--epochs", type=int, help="of each network")
    parser.add_argument("--seconds", type=float, help="CPU seconds of each, instead of epochs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pipelines")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console, plan = Console(), plan_of(arguments)
    for run in plan.runs:
        teach(plan, "cpu", False, console.print, run)
    names = {recipe: method for method, recipe in METHODS.items()}
    pipelines = {names[run.name]: Pipeline.load(plan.folder(run)) for run in plan.runs}
    first = pipelines["E-GNN"]
    events = [source.read(cells=first.recipe.clusters) for source in plan.test]
    graphs = [(event, graph_of(first, event, plan.shared)) for event in events]
    list(measured(pipelines, graphs[:1], plan.shared))  # compiles kernels
    written = []
    for line in tables(pipelines, graphs, plan.shared):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        written.append(line)
        (arguments.out / "tables.md").write_text("\n".join(written) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
