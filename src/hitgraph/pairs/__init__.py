"""Features of a pair of hits: its geometry, and how both clusters fit the pair's direction.

The direction at either hit is the tangent of the circle through the beam line and both hits
(pairs/geometry.py). Geometry does not change when the event is turned about the beam line.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.hits.columns import Mirror
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.pairs import cpu, plain

# The same for all edges of one track, up to resolution: what a graph network needs on its edges.
TRACK_FEATURES = (
    "curvature",  # 1/m, of the circle through the beam line and both hits, signed
    "z0",  # 100 mm, where the pair points to on the beam line, limited to +-10
    "slope",  # asinh(cot theta), the pseudorapidity of the direction of flight
)
POSITION_FEATURES = (  # follow from where both hits are
    *TRACK_FEATURES,
    "sin_dphi",  # 0.1, sine of the azimuth difference, signed
    "deta",  # difference of the hits' pseudorapidities
    "dr",  # 100 mm
    "dz",  # 100 mm
    "distance",  # 100 mm
    "inner_r",  # m
    "inner_z",  # m
    "outer_r",  # m
    "outer_z",  # m
)
GEOMETRY_FEATURES = (
    *POSITION_FEATURES,
    "same_layer",  # 1 for two overlapping modules of one layer
)
SHAPE_FEATURES = (
    "inner_u",  # channels, cluster size minus predicted size along the module's u
    "inner_v",  # the same along v
    "inner_size_u",  # channels, predicted size along u
    "inner_size_v",
    "inner_charge",  # charge over path length, the path in units of the module's thickness
    "inner_cells",  # number of cells
    "outer_u",
    "outer_v",
    "outer_size_u",
    "outer_size_v",
    "outer_charge",
    "outer_cells",
)
PAIR_FEATURES = (*GEOMETRY_FEATURES, *SHAPE_FEATURES)
PAIR_GROUPS = {"geometry": GEOMETRY_FEATURES, "shape": SHAPE_FEATURES}  # short for their columns
_BENT = ("curvature", "sin_dphi")  # change sign with the charge, and so with the turn of a track
ODD_FEATURES: Mapping[Mirror, tuple[str, ...]] = {  # change sign in a mirror
    "x": _BENT,
    "y": _BENT,
    "z": ("z0", "slope", "deta", "dz", "inner_z", "outer_z"),
}


def pair_feature_names(clusters: bool) -> tuple[str, ...]:
    """Columns of `pair_features` for hits with and without cluster features."""
    return PAIR_FEATURES if clusters else GEOMETRY_FEATURES


def pair_features(
    hits: Hits,
    edge_index: Tensor,
    detector: Detector,
    threads: int | None = None,
    shape: bool = True,
    backend: Backend = "auto",
) -> Tensor:
    """(n_edges, n_features) float32, columns PAIR_FEATURES (GEOMETRY_FEATURES without clusters).

    edge_index (2, n_edges) int64 is directed, inner hit first. Without `shape` the columns are
    GEOMETRY_FEATURES in any case.
    """
    if not for_host(edge_index, backend):
        return plain.pair_features(hits, edge_index, detector, shape)
    return cpu.pair_features(hits, edge_index, detector, shape, threads)


def pair_columns(
    hits: Hits,
    edge_index: Tensor,
    detector: Detector,
    names: Sequence[str],
    backend: Backend = "auto",
) -> Tensor:
    """(n_edges, len(names)) float32, chosen columns of `pair_features`.

    Without cluster features of the hits, only GEOMETRY_FEATURES can be chosen.
    """
    shape = not set(names).isdisjoint(SHAPE_FEATURES)
    columns = pair_feature_names(shape)
    features = pair_features(hits, edge_index, detector, shape=shape, backend=backend)
    if tuple(names) == columns:
        return features
    return features[:, [columns.index(name) for name in names]]
