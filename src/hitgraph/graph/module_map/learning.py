"""Learning a module map from true edges."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.graph.module_map.rings import Rings, find_rings, single_modules
from hitgraph.graph.module_map.statistics import Ranges, learn_ranges
from hitgraph.graph.module_map.tables import ModuleMap
from hitgraph.graph.module_map.values import (
    DYDX,
    N_PAIR,
    TRIPLET_VARIABLES,
    columns_of,
    pair_values,
    triplet_values,
)
from hitgraph.graph.windows import OPEN
from hitgraph.hits import Hits

if TYPE_CHECKING:
    from hitgraph.graph.module_map import ModuleMapSettings

Int64 = NDArray[np.int64]


def rings_of(detector: Detector, settings: "ModuleMapSettings") -> Rings:
    """Which modules share what was seen of them."""
    return find_rings(detector) if settings.fallback == "ring" else single_modules(detector)


def learn_module_map(
    events: Iterable[tuple[Hits, Tensor]], detector: Detector, settings: "ModuleMapSettings"
) -> ModuleMap:
    """The map of the true edges of some events.

    `events` yields hits and their true edges (2, n_edges) int64, inner hit first; some 24 bytes an
    edge and 68 bytes a triplet are kept. Raises InputError when there are no true edges.
    """
    modules, values = [np.empty((2, 0), np.int64)], [np.empty((0, N_PAIR), np.float32)]
    triples, triple_values = (
        [np.empty((3, 0), np.int64)],
        [np.empty((0, len(TRIPLET_VARIABLES)), np.float32)],
    )
    for hits, edges in events:
        columns = columns_of(hits)
        modules.append(hits.module[edges].numpy())
        values.append(pair_values(columns, *edges).numpy())
        if settings.triplets:
            one, other = edge_pairs(edges, len(hits))
            ends = (edges[0, one], edges[1, one], edges[1, other])
            triples.append(np.stack([hits.module[end].numpy() for end in ends]))
            triple_values.append(triplet_values(columns, *ends).numpy())
    pairs, value = np.concatenate(modules, axis=1), np.concatenate(values)
    if not len(value):
        raise InputError("there are no true edges to learn a module map from: are these empty?")
    rings, n, how = rings_of(detector, settings), detector.n_modules, settings.how
    classes = learn_ranges(rings.classes(*pairs), value, settings.min_seen, how)
    own_least = settings.own_seen if settings.fallback == "ring" else len(value) + 1
    own = learn_ranges(pairs[0] * n + pairs[1], value, own_least, how)
    triplets, own_triplets = _learn_triplets(
        np.concatenate(triples, axis=1), np.concatenate(triple_values), rings, classes, settings
    )
    return ModuleMap(rings, classes, own, triplets, own_triplets)


def _learn_triplets(
    modules: Int64,
    value: NDArray[np.float32],
    rings: Rings,
    pairs: Ranges,
    settings: "ModuleMapSettings",
) -> tuple[Ranges, Ranges]:
    """Of classes, and of single triplets of modules (3, n)."""
    n, how = len(rings.ring), settings.how
    one, other = (pairs.find(rings.classes(modules[k], modules[k + 1])) for k in (0, 1))
    known = (one >= 0) & (other >= 0)
    modules, value = modules[:, known], value[known]
    key = one[known] * len(pairs.key) + other[known]
    shared = learn_ranges(key, value, settings.min_seen, how)
    if settings.fallback == "none":
        return shared, learn_ranges(key[:0], value[:0], 1, how)
    shared.bounds[:, DYDX] = -OPEN, OPEN  # it changes with a turn about the beam
    single = (modules[0] * n + modules[1]) * n + modules[2]
    return shared, learn_ranges(single, value, settings.own_seen, how)
