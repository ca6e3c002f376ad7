"""Memory of a training step of every edge network: python benchmarks/network_memory.py

Each network has the sizes of its recipe in recipes/networks and a process of its own. The graph is
random, as large as a phi sector (an eighth) of a pile-up 200 event behind one pass of the triplet
filter of `compact`. The transformer takes the pixel hits of such a sector and its margins instead,
all of which pass its filter, as they do when its training begins. What one step adds to the memory
in use before it is the number.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from training_memory import peak, step

from hitgraph.gnn.transformer.lesson import transformer_loss
from hitgraph.recipe import read_recipe
from hitgraph.recipe_files import find_recipe, shipped_recipes

FOLDER, TRANSFORMER = "networks/", "transformer"


def measure(name: str, n_hits: int, n_edges: int) -> int:
    """Bytes that a step adds to the peak after a step on a tiny graph."""
    settings: Any = read_recipe(find_recipe(FOLDER + name)).step("gnn").settings
    network = settings.build()
    network.checkpointing = settings.training.checkpointing
    optimiser = torch.optim.AdamW(network.parameters())
    mixed = settings.training.precision != "32"

    def one_step(hits: int, edges: int) -> None:
        n_hit, n_edge = len(network.standardise_hits.mean), len(network.standardise_edges.mean)
        graph = (
            torch.randn(hits, n_hit),
            torch.randint(hits, (2, edges)),
            torch.randn(edges, n_edge),
        )
        step(network, optimiser, graph, mixed)

    one_step(100, 300)
    before = peak("cpu")
    one_step(n_hits, n_edges)
    return peak("cpu") - before


def measure_transformer(name: str, n_hits: int) -> int:
    """The same of the transformer, with an object for every 40 hits."""
    settings: Any = read_recipe(find_recipe(FOLDER + name)).step("tracks").settings
    network = settings.build()
    optimiser = torch.optim.AdamW(network.parameters())

    def one_step(hits: int) -> None:
        features = torch.randn(hits, len(settings.hit_inputs))
        first = (torch.arange(hits) % 40 == 0).float()
        optimiser.zero_grad()
        transformer_loss(network(features), torch.arange(hits) // 40, first).backward()
        optimiser.step()

    one_step(100)
    before = peak("cpu")
    one_step(n_hits)
    return peak("cpu") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hits", type=int, default=15_000)
    parser.add_argument("--edges", type=int, default=50_000)
    parser.add_argument("--pixels", type=int, default=8_500)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        if options.one.startswith(TRANSFORMER):
            found = measure_transformer(options.one, options.pixels)
        else:
            found = measure(options.one, options.hits, options.edges)
        sys.stdout.write(json.dumps(found))
        return
    # glibc then hands every freed tensor back at once: the peak is that of the living ones
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    table = Table(
        "recipe", "MB", title=f"One step on {options.hits:,} hits, {options.edges:,} edges"
    )
    for recipe in shipped_recipes():
        name = recipe.removeprefix(FOLDER)
        steps = [step.name for step in read_recipe(find_recipe(recipe)).stages]
        if name == recipe or not ("gnn" in steps or name.startswith(TRANSFORMER)):
            continue
        words = [sys.executable, __file__, "--one", name]
        for key in ("hits", "edges", "pixels"):
            words += [f"--{key}", str(getattr(options, key))]
        found = json.loads(subprocess.check_output(words, env=environment))
        table.add_row(name, f"{found / 1e6:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
