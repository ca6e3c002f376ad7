"""The networks' kernels beside their plain modules: python benchmarks/kernels.py STORE

One event of a store, the candidates and edges of a pipeline with layer windows, freshly seeded
networks of several widths. Times are CPU seconds on one thread, the best of a few runs; the same
code varies between runs by up to 1.5, so compare the ratios of one run. "Product" is the time
that a large matrix product of this machine takes for as many operations: the floor.
"""

import argparse
from collections.abc import Callable
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table
from timing import best_time
from torch import Tensor

from hitgraph.event.source import list_events
from hitgraph.gnn.interaction import InteractionNetwork, InteractionSettings
from hitgraph.graph import filter as filters
from hitgraph.graph.filter import FilterNetwork, FilterSettings, score_candidates
from hitgraph.graph.line_graph import edge_pairs, edge_pairs_torch
from hitgraph.hits.columns import FEATURES
from hitgraph.pairs import PAIR_FEATURES, pair_features
from hitgraph.pipeline import Pipeline
from hitgraph.threads import set_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--pipeline", default="quickstart", help="of layer windows")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="candidates (default 1 M)")
    parser.add_argument("--edges", type=int, default=300_000, help="of the graph (default 300 k)")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    set_threads(1)
    pipeline = Pipeline.load(given.pipeline)
    start = pipeline.start(list_events([given.store])[0].read())
    hits, candidates = start.hits, pipeline.stages["graph"](start).graph()
    # a run of neighbouring inner hits for the filter, some of all edges for the network
    pairs = candidates[:, : given.pairs].contiguous()
    step = max(1, candidates.shape[1] // given.edges)
    edges = candidates[:, ::step][:, : given.edges].contiguous()
    peak = flops_per_second(given.repeat)

    table = Table("kernel", "plain", "fused", "ratio", "product", "largest difference")
    with torch.no_grad():
        n_pair = len(PAIR_FEATURES)
        sample = pair_features(hits, pairs[:, ::10].contiguous(), pipeline.detector)
        for hidden in (32, 64, 128):
            torch.manual_seed(0)
            network = FilterNetwork(FilterSettings(hidden), FEATURES, PAIR_FEATURES)
            network.learn_inputs(hits.features, sample)
            work = pairs.shape[1] * 2 * hidden * (n_pair + hidden)

            def score(network: FilterNetwork = network) -> Tensor:
                return score_candidates(network, hits, pairs, pipeline.detector)

            def plain(score: Callable[[], Tensor] = score) -> Tensor:
                with patch.object(filters, "runs_fused", return_value=False):
                    return score()

            add(table, f"filter 2 x {hidden}", plain, score, work / peak, given.repeat)
        x = hits.features[:, [0, 2]]
        edge_attr = pair_features(hits, edges, pipeline.detector)[:, :10].contiguous()
        for hidden in (32, 64, 128):
            torch.manual_seed(0)
            sizes = InteractionSettings(hidden=hidden, mlp_hidden=hidden, steps=6)
            graph_network = InteractionNetwork(sizes, 2, 10)
            graph_network.learn_inputs(x, edge_attr)
            each = edges.shape[1] * 4 * hidden * hidden + len(hits) * 12 * hidden * hidden
            work = sizes.steps * each

            def run(network: InteractionNetwork = graph_network) -> Tensor:
                logits: Tensor = network(x, edges, edge_attr)
                return logits

            def modules(run: Callable[[], Tensor] = run) -> Tensor:
                with patch.object(InteractionNetwork, "_runs_fused", return_value=False):
                    return run()

            name = f"interaction network {hidden}, 6 rounds"
            add(table, name, modules, run, work / peak, given.repeat)
    add(
        table,
        "doublets to triplets",
        lambda: edge_pairs_torch(edges, len(hits)),
        lambda: edge_pairs(edges, len(hits)),
        None,
        given.repeat,
    )
    console = Console()
    console.print(f"{len(hits):,} hits, {pairs.shape[1]:,} pairs, {edges.shape[1]:,} edges")
    console.print(table)


def add(
    table: Table,
    name: str,
    plain: Callable[[], Tensor],
    fast: Callable[[], Tensor],
    floor: float | None,
    repeat: int,
) -> None:
    slow, quick = best_time(plain, repeat), best_time(fast, repeat)
    gap = float((plain() - fast()).abs().max())
    product = "" if floor is None else f"{floor:.3f}"
    table.add_row(name, f"{slow:.3f}", f"{quick:.3f}", f"{slow / quick:.1f}", product, f"{gap:.1e}")


def flops_per_second(repeat: int) -> float:
    """Of a large matrix product in float32, as torch has it."""
    n = 1024
    a, b = torch.randn(2, n, n)
    return 2.0 * n**3 / best_time(lambda: a @ b, 3 * repeat)


if __name__ == "__main__":
    main()
