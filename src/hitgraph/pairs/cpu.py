"""Features of pairs of hits on a CPU, block by block."""

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.jit import exact
from hitgraph.pairs.block import (
    BLOCK,
    FEATURES_AT,
    N_FEATURES,
    N_GEOMETRY,
    fill_block,
    hit_table,
)

_TASK = 1 << 14  # pairs, what is worth a task


def pair_features(
    hits: Hits, edge_index: Tensor, detector: Detector, shape: bool, threads: int | None = None
) -> Tensor:
    """What pairs.pair_features gives."""
    table = hit_table(hits, detector)
    first, second = (np.ascontiguousarray(ends) for ends in edge_index.numpy())
    clusters = shape and hits.has_clusters
    n_edges, n_columns = len(first), N_FEATURES if clusters else N_GEOMETRY
    features = np.empty((n_edges, n_columns), np.float32)

    def task(begin: int, end: int) -> None:
        block = slice(begin, end)
        _fill(table, first[block], second[block], clusters, features[block])

    in_blocks(task, n_edges, _TASK, threads)
    return torch.from_numpy(features)


@exact
def _fill(table, first, second, clusters, out):  # type: ignore[no-untyped-def]
    scratch = np.empty(FEATURES_AT + N_FEATURES * BLOCK, np.float32)
    for begin in range(0, len(first), BLOCK):
        end = min(begin + BLOCK, len(first))
        fill_block(scratch, table, first, second, begin, end, clusters)
        for k in range(end - begin):
            for column in range(out.shape[1]):
                out[begin + k, column] = scratch[FEATURES_AT + column * BLOCK + k]
