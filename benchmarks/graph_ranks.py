"""One graph over ranks: memory of a rank and time of a training step against the number of ranks.

    python benchmarks/graph_ranks.py data/test-20/event000001000 --ranks 1 2 4

The graph is the one that the edge network of --pipeline is taught on, whole; the network has the
sizes of arXiv 2103.06995, or with --small those of the pipeline. Each rank is a process with one
thread: what it keeps for the backward pass, which is nearly all that a step needs, and CPU time and
time of a step (forward, backward, sum of the gradients). The border is what it holds of others.
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from rich.console import Console
from rich.table import Table
from torch import Tensor
from training_memory import REFERENCE

from hitgraph.event.source import list_events
from hitgraph.gnn.lesson import load_graph
from hitgraph.lessons.losses import weighted_loss
from hitgraph.lessons.parts import part_of
from hitgraph.lessons.samples import read_kept
from hitgraph.pipeline import Pipeline
from hitgraph.pipeline_files import find_pipeline
from hitgraph.studies.training_graphs import TrainingGraphs
from hitgraph.threads import set_threads


def measure(rank: int, ranks: int, folder: Path, settings: Any, checkpointing: bool) -> None:
    """Write what one rank finds."""
    set_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / f'rendezvous-{ranks}'}", rank=rank, world_size=ranks
    )
    batch = load_graph(lambda: read_kept(folder / "graph-0.safetensors"))
    assert batch.edge_attr is not None
    torch.manual_seed(0)
    network = settings.build(batch.x.shape[1], batch.edge_attr.shape[1])
    network.learn_inputs(batch.x, batch.edge_attr)
    network.checkpointing = checkpointing
    part = part_of(batch, rank, ranks)
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        step(network, part)  # also compiles kernels
    dist.barrier()
    start, worked = time.perf_counter(), time.process_time()
    step(network, part)
    found = {
        "bytes": sum(kept.values()),
        "cpu_seconds": time.process_time() - worked,
        "seconds": time.perf_counter() - start,
        "hits": len(part.batch.x),
        "border": sum(part.borders.n_received),
        "edges": part.batch.edge_index.shape[1],
    }
    (folder / f"{ranks}-{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


def step(network: Any, part: Any) -> None:
    """Forward, backward, and the gradients of all ranks together."""
    network.zero_grad()
    network.borders = part.borders
    logits = network.all_logits(*part.batch[:3])
    (weighted_loss(logits, part.batch) * part.share).backward()
    for weight in network.parameters():
        if weight.grad is not None:
            dist.all_reduce(weight.grad)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("event", type=Path, metavar="EVENT")
    parser.add_argument("--pipeline", default="compact")
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--checkpointing", action="store_true")
    options = parser.parse_args()
    sources = list_events([options.event])[:1]
    graphs = TrainingGraphs(sources, Pipeline.load(find_pipeline(options.pipeline)))
    settings = graphs.stage.settings.network if options.small else REFERENCE
    table = Table(title=f"{sources[0].name}, {settings}")
    for name in ("ranks", "hits", "of them border", "edges", "MB kept", "share", "CPU s", "s"):
        table.add_column(name, justify="right")
    with TemporaryDirectory() as name:
        folder = Path(name)
        graphs.write(folder)
        alone = 0.0
        for ranks in options.ranks:
            given = (ranks, folder, settings, options.checkpointing)
            torch.multiprocessing.spawn(measure, given, ranks)
            found = [
                json.loads((folder / f"{ranks}-{rank}.json").read_text()) for rank in range(ranks)
            ]
            most = {key: max(one[key] for one in found) for key in found[0]}
            alone = alone or most["bytes"]
            table.add_row(
                str(ranks),
                f"{most['hits']:,}",
                f"{most['border']:,}",
                f"{most['edges']:,}",
                f"{most['bytes'] / 1e6:.0f}",
                f"{most['bytes'] / alone:.0%}",
                f"{most['cpu_seconds']:.2f}",
                f"{most['seconds']:.2f}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
