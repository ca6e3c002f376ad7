"""Features of a pair of hits: its geometry, and how both clusters fit the pair's direction.

The direction at either hit is the tangent of the circle through the beam line and both hits
(graph/pair_geometry.py). Geometry does not change when the event is turned about the beam line.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numba import njit
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.graph.hits import FEATURES, Hits
from hitgraph.graph.pair_geometry import (
    ETA,
    FAST,
    SIZE_U,
    SIZE_V,
    R,
    Z,
    circle,
    crossing,
    hit_rows,
)

# The same for all edges of one track, up to resolution: what a graph network needs on its edges.
TRACK_FEATURES = (
    "curvature",  # 1/m, of the circle through the beam line and both hits, signed
    "z0",  # 100 mm, where the pair points to on the beam line, limited to +-10
    "slope",  # asinh(cot theta), the pseudorapidity of the direction of flight
)
GEOMETRY_FEATURES = (
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
EDGE_FEATURES = (*GEOMETRY_FEATURES[:8], "same_layer")
PHI_ODD_FEATURES = ("curvature", "sin_dphi")  # change sign when phi and the charge do
Z_ODD_FEATURES = ("z0", "slope", "deta", "dz", "inner_z", "outer_z")  # change sign with z

_MAX_Z0 = 10.0  # 100 mm; pairs at equal radius point nowhere on the beam line
_MAX_SIZE = 30.0  # channels; a direction along the module's plane has no finite size
_BLOCK = 65536  # pairs a task
_CELLS, _CHARGE = FEATURES.index("cell_count"), FEATURES.index("charge")
CHANGE_SIZE, CHARGE_SPREAD = 0.08, 0.15  # jitter: share of sizes changed, relative width


def pair_feature_names(clusters: bool) -> tuple[str, ...]:
    """Columns of `pair_features` for hits with and without cluster features."""
    return PAIR_FEATURES if clusters else GEOMETRY_FEATURES


def pair_features(
    hits: Hits, edge_index: Tensor, detector: Detector, threads: int | None = None
) -> Tensor:
    """(n_edges, n_features) float32, columns PAIR_FEATURES (GEOMETRY_FEATURES without clusters).

    edge_index (2, n_edges) int64 is directed, inner hit first.
    """
    rows = hit_rows(hits, detector)
    clusters = np.zeros((len(hits), 2), np.float32)
    if hits.has_clusters:
        clusters = np.ascontiguousarray(hits.features.cpu().numpy()[:, [_CELLS, _CHARGE]])
    first, second = (np.ascontiguousarray(ends) for ends in edge_index.cpu().numpy())
    layer = hits.layer.cpu().numpy()
    n_edges, n_columns = len(first), len(pair_feature_names(hits.has_clusters))
    features = np.empty((n_edges, n_columns), np.float32)

    def task(begin: int) -> None:
        block = slice(begin, begin + _BLOCK)
        _fill(rows, clusters, layer, first[block], second[block], features[block])

    threads = threads or torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(task, range(0, n_edges, _BLOCK)))
    return torch.from_numpy(features).to(edge_index.device)


@njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)
def _fill(rows, clusters, layer, first, second, out):  # type: ignore[no-untyped-def]
    with_shape = out.shape[1] > 13
    for k in range(len(first)):
        i, j = first[k], second[k]
        a, b = rows[i], rows[j]
        distance, sine, curvature, arc, cos_i, sin_i, cos_j, sin_j = circle(a, b)
        dz = b[Z] - a[Z]
        dr = b[R] - a[R]
        cot = dz / arc
        z0 = np.float32(0.01) * (a[Z] - dz * a[R] / dr)
        # written so that a pair at equal radius (infinite or not a number) gets a limit too
        z0 = z0 if z0 > -_MAX_Z0 else -_MAX_Z0
        z0 = z0 if z0 < _MAX_Z0 else _MAX_Z0
        steep = abs(cot) + np.sqrt(cot * cot + np.float32(1.0))
        slope = np.log(steep)
        out[k, 0] = np.float32(1000.0) * curvature
        out[k, 1] = z0
        out[k, 2] = slope if cot >= 0 else -slope
        out[k, 3] = np.float32(10.0) * sine
        out[k, 4] = b[ETA] - a[ETA]
        out[k, 5] = np.float32(0.01) * dr
        out[k, 6] = np.float32(0.01) * dz
        out[k, 7] = np.float32(0.01) * np.sqrt(distance * distance + dz * dz)
        out[k, 8] = np.float32(0.001) * a[R]
        out[k, 9] = np.float32(0.001) * a[Z]
        out[k, 10] = np.float32(0.001) * b[R]
        out[k, 11] = np.float32(0.001) * b[Z]
        out[k, 12] = np.float32(1.0) if layer[i] == layer[j] else np.float32(0.0)
        if not with_shape:
            continue
        length = np.sqrt(np.float32(1.0) + cot * cot)
        for end in range(2):
            hit = a if end == 0 else b
            u, v, w = crossing(hit, cos_i if end == 0 else cos_j, sin_i if end == 0 else sin_j, cot)
            inverse = np.float32(1.0) / max(w, np.float32(1e-6))
            u = min(u * inverse, np.float32(_MAX_SIZE))
            v = min(v * inverse, np.float32(_MAX_SIZE))
            column = 13 + 6 * end
            row = i if end == 0 else j
            out[k, column] = hit[SIZE_U] - u
            out[k, column + 1] = hit[SIZE_V] - v
            out[k, column + 2] = u
            out[k, column + 3] = v
            out[k, column + 4] = clusters[row, 1] * w / length
            out[k, column + 5] = clusters[row, 0]


def edge_features(
    hits: Hits, edge_index: Tensor, detector: Detector, names: tuple[str, ...] = EDGE_FEATURES
) -> Tensor:
    """(n_edges, len(names)) float32, chosen columns of `pair_features`."""
    columns = pair_feature_names(hits.has_clusters)
    chosen = [columns.index(name) for name in names]
    return pair_features(hits, edge_index, detector)[:, chosen]


def jitter_clusters(hits: Hits, detector: Detector, generator: torch.Generator) -> Hits:
    """The hits with charge and cluster size smeared, so that training cannot lean on either.

    Charge is multiplied by exp(N(0, 0.15)); in 8 % of the cases, along u and v by itself, the
    size changes by one channel up or down, never below one. The direction angles follow the
    sizes. Simulated clusters are more regular than real ones; hits without cells stay as they
    are. Hits without cluster features are returned unchanged.
    """
    if not hits.has_clusters:
        return hits
    column = {name: FEATURES.index(name) for name in FEATURES}
    features = hits.features.clone()
    n_hits = len(hits)
    real = features[:, column["cell_count"]] > 0
    spread = CHARGE_SPREAD * torch.randn(n_hits, generator=generator)
    features[:, column["charge"]] *= torch.exp(spread)
    for name, pitches in (("lx", detector.pitch_u), ("ly", detector.pitch_v)):
        pitch = torch.from_numpy(pitches.astype(np.float32))[hits.module]
        draw = torch.rand(n_hits, generator=generator)
        step = (draw < CHANGE_SIZE / 2).float() - (draw > 1 - CHANGE_SIZE / 2).float()
        size = features[:, column[name]]
        features[:, column[name]] = torch.where(
            real, torch.maximum(size + step * pitch, torch.minimum(size, pitch)), size
        )
    lx, ly, lz = (features[:, column[name]] for name in ("lx", "ly", "lz"))
    rotation = torch.from_numpy(detector.rotation.astype(np.float32))[hits.module]
    gx, gy, gz = torch.einsum("nij,nj->ni", rotation, torch.stack([lx, ly, lz], dim=1)).unbind(1)
    angles = {
        "leta": torch.asinh(lz / torch.hypot(lx, ly)),
        "lphi": torch.atan2(ly, lx),
        "geta": torch.asinh(gz / torch.hypot(gx, gy)),
        "gphi": torch.atan2(gy, gx),
    }
    for name, angle in angles.items():
        features[:, column[name]] = torch.where(real, angle, features[:, column[name]])
    return hits.with_features(features)
