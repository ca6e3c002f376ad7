"""What a graph network is fed: named columns of hits and of pairs, as the recipe lists them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hitgraph.graph.triplets import SUPPORT
from hitgraph.hits import FEATURES, Hits
from hitgraph.pairs import PAIR_FEATURES

FILTER_LOGIT = "filter_logit"  # of the last stage before the network
HIT_INPUTS = FEATURES
EDGE_INPUTS = (*PAIR_FEATURES, FILTER_LOGIT, *SUPPORT)


def hit_inputs(hits: Hits, names: Sequence[str]) -> Tensor:
    """(n_hits, len(names)) the named hit features."""
    return hits.features[:, [HIT_INPUTS.index(name) for name in names]]


def edge_inputs(
    pairs: Tensor, logits: Tensor, support: Tensor | None, names: Sequence[str]
) -> Tensor:
    """(n_edges, len(names)) out of what is known of the edges.

    pairs (n_edges, n_pair_features), the first of PAIR_FEATURES, filter logits (n_edges,) and,
    behind a triplet filter, the edges' support (n_edges, 4).
    """
    columns = (*PAIR_FEATURES[: pairs.shape[1]], FILTER_LOGIT)
    values = torch.cat([pairs, logits[:, None]], dim=1)
    if support is not None:
        columns, values = (*columns, *SUPPORT), torch.cat([values, support], dim=1)
    return values[:, [columns.index(name) for name in names]]
