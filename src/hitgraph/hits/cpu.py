"""Hits made on the host, the cluster shapes by its kernels (event.clusters)."""

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.clusters import cluster_features, modules_of_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.kernels.blocks import in_blocks

_HITS = 8192  # what is worth a task


def hit_tensors(
    event: Event, detector: Detector, clusters: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, position, layer and module of hits.Hits."""
    module = modules_of_hits(event, detector)
    x, y, z = event.hits.x, event.hits.y, event.hits.z
    columns, position = np.empty((2, len(x), 3), np.float32)

    def task(begin: int, end: int) -> None:
        block = slice(begin, end)
        columns[block, 0] = np.hypot(x[block], y[block])
        columns[block, 1] = np.arctan2(y[block], x[block])
        columns[block, 2] = z[block]
        for axis, given in enumerate((x, y, z)):
            position[block, axis] = given[block]

    in_blocks(task, len(x), _HITS)
    features = columns
    if clusters:
        features = np.concatenate([columns, cluster_features(event, detector, module)], axis=1)
    return (
        torch.from_numpy(features),
        torch.from_numpy(position),
        torch.from_numpy(detector.layer[module]),
        torch.from_numpy(module),
    )
