"""Memory of a training step of every network: python benchmarks/network_memory.py

Each network has the sizes of its recipe in recipes/networks and a process of its own. The graph is
random, as large as a phi sector (an eighth) of a pile-up 200 event behind one pass of the triplet
filter of `compact`; for the hierarchical networks a part of its edges are chains of ten hits. The
transformer takes the pixel hits of such a sector and its margins instead, all of which pass its
filter, as they do when its training begins. What one step adds to the memory in use before it is
the number; `--only attention_reference` measures these recipes alone.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from training_memory import peak, step

from hitgraph.gnn.hierarchical.lesson import HierarchicalLesson
from hitgraph.gnn.hierarchical.stage import HierarchicalSettings
from hitgraph.gnn.network import NetworkStageSettings
from hitgraph.gnn.transformer.lesson import transformer_loss
from hitgraph.gnn.transformer.stage import TransformerSettings
from hitgraph.gnn.triplet_graph import TripletGraphSettings
from hitgraph.lessons.lesson import Batch
from hitgraph.recipe import read_recipe
from hitgraph.recipe_files import find_recipe, shipped_recipes

FOLDER = "networks/"
CHAIN = 10  # hits


def added(one_step: Callable[[int, int], None], n_hits: int, n_edges: int) -> int:
    """Bytes that a step adds to the peak after a step on a tiny graph."""
    one_step(100, 300)
    before = peak("cpu")
    one_step(n_hits, n_edges)
    return peak("cpu") - before


def edge_network_step(settings: Any) -> Callable[[int, int], None]:
    network = settings.build()
    network.checkpointing = settings.training.checkpointing
    optimiser = torch.optim.AdamW(network.parameters())
    mixed = settings.training.precision != "32"
    n_hit, n_edge = len(network.standardise_hits.mean), len(network.standardise_edges.mean)

    def one_step(hits: int, edges: int) -> None:
        graph = (
            torch.randn(hits, n_hit),
            torch.randint(hits, (2, edges)),
            torch.randn(edges, n_edge),
        )
        step(network, optimiser, graph, mixed)

    return one_step


def triplet_graph_step(settings: Any) -> Callable[[int, int], None]:
    """Doublets are its nodes; there are twice as many triplets (docs/ablations.md)."""
    one_step = edge_network_step(settings)
    return lambda _, doublets: one_step(doublets, 2 * doublets)


def hierarchical_step(settings: Any) -> Callable[[int, int], None]:
    network, lesson = settings.build(), HierarchicalLesson(settings, 0, (), ())
    optimiser = torch.optim.AdamW(network.parameters())
    n_hit, n_edge = len(network.standardise_hits.mean), len(network.standardise_edges.mean)

    def one_step(hits: int, edges: int) -> None:
        inner = torch.arange(hits - 1)
        inner = inner[inner % CHAIN < CHAIN - 1]
        pairs = torch.cat(
            [torch.stack([inner, inner + 1]), torch.randint(hits, (2, edges - len(inner)))], dim=1
        )
        owner = torch.arange(hits) // CHAIN
        batch = Batch(
            torch.randn(hits, n_hit), pairs, torch.randn(edges, n_edge), owner, torch.ones(hits)
        )
        optimiser.zero_grad()
        lesson.loss(network, batch).backward()
        optimiser.step()

    return one_step


def transformer_step(settings: Any) -> Callable[[int, int], None]:
    """With an object for every 40 hits; there are no edges."""
    network = settings.build()
    optimiser = torch.optim.AdamW(network.parameters())

    def one_step(hits: int, _: int) -> None:
        features = torch.randn(hits, len(settings.hit_inputs))
        first = torch.arange(hits) % 40 == 0
        optimiser.zero_grad()
        found = network(features, first=first)
        transformer_loss(found, torch.arange(hits) // 40, first.float()).backward()
        optimiser.step()

    return one_step


# by what a stage is; hits and edges are options
STEPS = {
    NetworkStageSettings: edge_network_step,
    TripletGraphSettings: triplet_graph_step,
    HierarchicalSettings: hierarchical_step,
    TransformerSettings: transformer_step,
}


def measured_stage(recipe: str) -> Any:
    """Settings of the stage of a recipe that is measured, None where there is none."""
    every = (step.settings for step in read_recipe(find_recipe(recipe)).stages)
    return next((one for one in every if type(one) in STEPS), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hits", type=int, default=15_000)
    parser.add_argument("--edges", type=int, default=50_000)
    parser.add_argument("--pixels", type=int, default=8_500)
    parser.add_argument("--only", nargs="+", metavar="RECIPE", help="of recipes/networks")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        settings = measured_stage(options.one)
        n_hits = options.pixels if isinstance(settings, TransformerSettings) else options.hits
        found = added(STEPS[type(settings)](settings), n_hits, options.edges)
        sys.stdout.write(json.dumps(found))
        return
    # glibc then hands every freed tensor back at once: the peak is that of the living ones
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    table = Table(
        "recipe", "MB", title=f"One step on {options.hits:,} hits, {options.edges:,} edges"
    )
    for recipe in shipped_recipes():
        name = recipe.removeprefix(FOLDER)
        wanted = name != recipe and name in (options.only or [name])
        if not wanted or measured_stage(recipe) is None:
            continue
        words = [sys.executable, __file__, "--one", recipe]
        for key in ("hits", "edges", "pixels"):
            words += [f"--{key}", str(getattr(options, key))]
        found = json.loads(subprocess.check_output(words, env=environment))
        table.add_row(name, f"{found / 1e6:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
