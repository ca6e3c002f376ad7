"""What an edge network is fed: named columns of hits and of edges, as the recipe lists them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.kernels.choice import Backend
from hitgraph.pairs import PAIR_FEATURES, SHAPE_FEATURES, pair_feature_names, pair_features
from hitgraph.picks import columns_of
from hitgraph.state import CLUSTERS, EDGES, HITS, State


def edge_inputs(
    state: State, detector: Detector, names: Sequence[str], backend: Backend = "auto"
) -> Tensor:
    """(n_edges, len(names)) pair features, and columns that stages have added to edges."""
    shape = not set(names).isdisjoint(SHAPE_FEATURES)
    columns = list(pair_feature_names(shape))
    pairs = pair_features(state.hits, state.graph(), detector, shape=shape, backend=backend)
    added = [name for name in names if name not in PAIR_FEATURES]
    values = torch.cat([pairs, *(state.edge[name][:, None] for name in added)], dim=1)
    columns += added
    return columns_of(values, [columns.index(name) for name in names])


def needed_inputs(hits: Sequence[str], edges: Sequence[str]) -> frozenset[str]:
    """What a State has to have for these columns of hits and of edges."""
    added = (f"edge.{name}" for name in edges if name not in PAIR_FEATURES)
    shape = {CLUSTERS} if not set(edges).isdisjoint(SHAPE_FEATURES) else set()
    return frozenset({HITS, EDGES, *shape, *added, *(f"hit.{name}" for name in hits)})
