"""Clusters smeared for a training: simulated ones are more regular than real ones."""

import numpy as np
import torch

from hitgraph.event.detector import Detector
from hitgraph.hits import FEATURES, Hits

CHANGE_SIZE, CHARGE_SPREAD = 0.08, 0.15  # share of sizes changed, relative width


def jitter_clusters(hits: Hits, detector: Detector, generator: torch.Generator) -> Hits:
    """The hits with charge and cluster size smeared, so that training cannot lean on either.

    Charge is multiplied by exp(N(0, 0.15)); in 8 % of the cases, along u and v by itself, the
    size changes by one channel up or down, never below one. The direction angles follow the
    sizes. Simulated clusters are more regular than real ones; hits without cells stay as they
    are. Hits without cluster features are returned unchanged.
    """
    if not hits.has_clusters:
        return hits
    column = {name: hits.columns.index(name) for name in FEATURES}
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
