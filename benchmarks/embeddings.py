"""Learnt embeddings beside each other at equal efficiency: python benchmarks/embeddings.py DATA

    python benchmarks/embeddings.py data/train --test data/val/event000006000 --seconds 60 \\
        --recipes ablations/embedding ablations/embedding_positions

DATA is a store of full events. The stage `radius` that each recipe begins with is taught on the
first events of it, as many as the recipe says, in phi sectors, for the same CPU time. Then its
radius is set to several edge efficiencies on the validation events and its graph is judged on the
event of --test: edges, efficiency (of the true edges of particles with at least three hits, of all
and of those above 0.5 GeV), purity without and with TrackML weights, CPU seconds of one thread.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from timing import cpu_time

from hitgraph.evaluation.edges import edge_metrics, edge_truth
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.source import list_events
from hitgraph.graph.radius.lesson import radius_at_efficiency
from hitgraph.graph.radius.stage import RadiusSettings
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import make_sample
from hitgraph.lessons.seeds import generator
from hitgraph.recipe import Recipe, read_recipe
from hitgraph.recipe_files import find_recipe
from hitgraph.stage import Context, Stage
from hitgraph.state import State
from hitgraph.training.workshop import StageWorkshop

EFFICIENCIES = (0.90, 0.94, 0.97)  # of the validation events
FAST = Selection(min_pt=0.5, max_abs_eta=None, min_hits=3)
ALL = Selection(min_pt=0.0, max_abs_eta=None, min_hits=3)


@dataclass(frozen=True)
class Taught:
    """What there was to learn from, and for how long."""

    train: Sequence[Event]
    test: Event
    seconds: float
    sectors: int
    out: Console


def reads(events: Sequence[Event], recipe: Recipe, jitter: bool) -> list[Read]:
    found: list[Read] = []
    for number, event in enumerate(events):
        assert event.detector is not None
        random = generator(recipe.seed, "jitter", number) if jitter else None
        sample = make_sample(event, event.detector, recipe.clusters, recipe.truth, random)
        found.append(partial(Example, sample, State(sample.hits)))
    return found


def rows(name: str, recipe: Recipe, taught: Taught, folder: Path) -> Iterator[str]:
    """Of a Markdown table."""
    settings = recipe.stages[0].settings
    assert isinstance(settings, RadiusSettings), f"{name} does not begin with the stage radius"
    n_train, n_all = recipe.data.train_events, len(taught.train)
    material = Material(
        reads(taught.train[:n_train], recipe, jitter=True),
        reads(taught.train[n_train:n_all], recipe, jitter=False),
    )
    detector = taught.test.detector
    assert detector is not None
    workshop = StageWorkshop(
        recipe.stages[0].name, folder, recipe.seed, recipe.truth, "cpu", resume=False, quiet=True,
        report=taught.out.print, cpu_seconds=taught.seconds,
    )  # fmt: skip
    torch.manual_seed(recipe.seed)
    sectored = replace(settings, sectors=taught.sectors)
    stage = sectored.learn(Context(detector), material, workshop)
    taught.out.print(f"{name}: {workshop.facts}")
    for efficiency in EFFICIENCIES:
        radius = radius_at_efficiency(stage.network, material.validation, efficiency)
        yield f"| `{name}` | {judged(replace(stage, radius=radius), recipe, taught.test)} |"


def judged(stage: Stage, recipe: Recipe, event: Event) -> str:
    (read,) = reads([event], recipe, jitter=False)
    state = read().state
    built, seconds = cpu_time(stage, state)
    edges = built.graph().numpy()
    everything, fast = (
        edge_metrics(edge_truth(event, particles), edges) for particles in (ALL, FAST)
    )
    cells = (
        f"{edges.shape[1] / 1e6:.2f} M",
        *(f"{one.target_efficiency.value:.4f}" for one in (everything, fast)),
        f"{100 * everything.purity.value:.2f} %",
        f"{100 * everything.weighted_purity:.2f} %",
        f"{seconds:.1f}",
    )
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+", help="events to learn from")
    parser.add_argument("--test", type=Path, required=True, help="the event to measure on")
    parser.add_argument("--recipes", nargs="+", required=True, help="that begin with `radius`")
    parser.add_argument("--seconds", type=float, required=True, help="CPU time of each training")
    parser.add_argument("--sectors", type=int, default=8, help="of an event, one a step")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recipes = {Path(name).stem: read_recipe(find_recipe(name)) for name in args.recipes}
    n_events = max(one.data.train_events + one.data.validation_events for one in recipes.values())
    sources = list_events(args.data)[:n_events]
    if len(sources) < n_events:
        parser.error(f"there are {len(sources)} events, the recipes want {n_events}")
    train = [source.read() for source in sources]
    out = Console(soft_wrap=True, markup=False, highlight=False)
    taught = Taught(train, list_events([args.test])[0].read(), args.seconds, args.sectors, out)
    lines = [
        "| recipe | edges | efficiency | pT > 0.5 | purity | weighted purity | CPU s |",
        "|---" * 7 + "|",
    ]
    for name, recipe in recipes.items():
        with tempfile.TemporaryDirectory() as folder:
            lines += rows(name, recipe, taught, Path(folder))
    out.print("\n".join(lines))


if __name__ == "__main__":
    main()
