"""Hits made on the host, the cluster shapes by its kernels (event.clusters)."""

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.clusters import cluster_features, modules_of_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event


def hit_tensors(
    event: Event, detector: Detector, clusters: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, position, layer and module of hits.Hits."""
    module = modules_of_hits(event, detector)
    x, y, z = event.hits.x, event.hits.y, event.hits.z
    columns = np.stack([np.hypot(x, y), np.arctan2(y, x), z], axis=1).astype(np.float32)
    if clusters:
        columns = np.concatenate([columns, cluster_features(event, detector, module)], axis=1)
    return (
        torch.from_numpy(np.ascontiguousarray(columns)),
        torch.from_numpy(np.stack([x, y, z], axis=1).astype(np.float32)),
        torch.from_numpy(detector.layer[module]),
        torch.from_numpy(module),
    )
