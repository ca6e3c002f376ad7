"""Memory of a training step of the interaction network: python benchmarks/training_memory.py

The sizes are those of arXiv 2103.06995 (8 rounds, MLPs [128, 64]). Each way to save memory is
measured in a process of its own, on a random graph: what one step (forward, backward, optimiser)
adds to the memory in use before it. A talk on that paper quotes 22 % for gradient checkpointing,
50 % for mixed precision and 11 % for both.

`concatenated` is the network as the paper's text has it: states of both ends and of the edge are
concatenated for each edge, layers are normalised, the loss is that of the last round. `plain torch`
is that of hitgraph on a GPU and under mixed precision, `fused` its kernel for 32 bits on a CPU, and
both have a loss after every second round.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise, product
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings
from hitgraph.nn.blocks import sum_at
from hitgraph.nn.edges import EdgeNetwork, at_both_ends

REFERENCE = InteractionSettings(hidden=64, mlp_hidden=128, steps=8, residual=False, gated=False)
TALK = {(False, False): 100, (True, False): 22, (False, True): 50, (True, True): 11}  # per cent
KERNELS = ("concatenated", "plain torch", "fused")


class Concatenated(EdgeNetwork):
    """Eight rounds e <- MLP[x_i, x_j, e], x <- MLP[x, sum of incoming e, sum of outgoing e]."""

    def __init__(self, n_hit_inputs: int, n_edge_inputs: int) -> None:
        super().__init__(n_hit_inputs, n_edge_inputs)
        width, inner = REFERENCE.hidden, REFERENCE.mlp_hidden
        self.encode_hits = _layers(n_hit_inputs, inner, width)
        self.encode_edges = _layers(n_edge_inputs, inner, width)
        self.edge = nn.ModuleList(_layers(3 * width, inner, width) for _ in range(REFERENCE.steps))
        self.node = nn.ModuleList(_layers(3 * width, inner, width) for _ in range(REFERENCE.steps))
        self.classify = _layers(width, inner, width).append(nn.Linear(width, 1))

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        hits, edges = self.encode_hits(x), self.recomputed(self.encode_edges, edge_attr)
        for number in range(REFERENCE.steps):
            hits, edges = self.recomputed(self._round, number, hits, edges, edge_index)
        logits: Tensor = self.recomputed(self.classify, edges)
        return logits.squeeze(1)

    def _round(
        self, number: int, hits: Tensor, edges: Tensor, edge_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        edges = self.edge[number](at_both_ends(hits, edge_index, edges))
        sums = (sum_at(edges, ends, len(hits)) for ends in edge_index)
        return self.node[number](torch.cat([hits, *sums], dim=1)), edges


def _layers(*sizes: int) -> nn.Sequential:
    """Linear, layer norm and ReLU for each pair of sizes."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.ReLU()]
    return nn.Sequential(*layers)


def random_graph(n_hits: int, n_edges: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs as in the reference recipe: r, phi, z of the hits and one number an edge."""
    graph = torch.randn(n_hits, 3), torch.randint(n_hits, (2, n_edges)), torch.randn(n_edges, 1)
    return graph[0].to(device), graph[1].to(device), graph[2].to(device)


def step(
    network: EdgeNetwork, optimiser: Any, graph: tuple[Tensor, Tensor, Tensor], mixed: bool
) -> None:
    """One optimiser step, as the training takes it."""
    with torch.autocast(graph[0].device.type, torch.bfloat16, enabled=mixed):
        logits = network.all_logits(*graph)
    loss = binary_cross_entropy_with_logits(logits.float(), torch.zeros_like(logits).float())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def peak(device: str) -> int:
    """Bytes: the most that was in use so far."""
    if device == "cpu":
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return torch.cuda.max_memory_allocated(device)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """What a step adds to the peak after a step on a tiny graph, and its seconds."""
    checkpointing, mixed, kernel = options.one
    network: EdgeNetwork
    if KERNELS[kernel] == "concatenated":
        network = Concatenated(3, 1)
    else:
        network = InteractionNetwork(REFERENCE, 3, 1)
    network.to(options.device)
    network.backend = "auto" if KERNELS[kernel] == "fused" else "plain"
    network.checkpointing = bool(checkpointing)
    optimiser = torch.optim.AdamW(network.parameters())
    step(network, optimiser, random_graph(100, 300, options.device), bool(mixed))
    graph = random_graph(options.hits, options.edges, options.device)
    before, start = peak(options.device), time.perf_counter()
    step(network, optimiser, graph, bool(mixed))
    found = peak(options.device) - before  # waits for a GPU
    if options.device != "cpu":
        torch.cuda.synchronize()
    return {"bytes": found, "seconds": time.perf_counter() - start}


def measure_apart(options: argparse.Namespace, *one: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    words = [sys.executable, __file__, "--device", options.device]
    words += ["--hits", str(options.hits), "--edges", str(options.edges)]
    words += ["--one", *(str(int(flag)) for flag in one)]
    # glibc then hands every freed tensor back at once: the peak is that of the living ones
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    found: dict[str, float] = json.loads(subprocess.check_output(words, env=environment))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hits", type=int, default=6_000)
    parser.add_argument("--edges", type=int, default=30_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(measure(options)))
        return
    table = Table(title=f"One step on {options.hits:,} hits and {options.edges:,} edges")
    for name in ("network", "checkpointing", "mixed precision", "MB", "share", "talk", "seconds"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for number, kernel in enumerate(KERNELS):
        whole = 0.0
        for mixed, checkpointing in product((False, True), repeat=2):
            if kernel == "fused" and (mixed or options.device != "cpu"):
                continue
            found = measure_apart(options, checkpointing, mixed, number)
            whole = whole or found["bytes"]
            table.add_row(
                kernel,
                "yes" if checkpointing else "no",
                "yes" if mixed else "no",
                f"{found['bytes'] / 1e6:.0f}",
                f"{found['bytes'] / whole:.0%}",
                f"{TALK[checkpointing, mixed]} %",
                f"{found['seconds']:.2f}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
