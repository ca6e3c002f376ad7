"""Joining fragments: tracks that are parts of one particle, told by a small network.

A missing edge breaks a track in two. Each part is fitted with a helix through the beam line
(tracks/helix.py); pairs of parts with similar directions are judged by how well the helices
agree and how well each one leads to the near end of the other. The best pairs are joined first,
never two parts that both have a hit on one module.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.graph.hits import Hits
from hitgraph.graph.networks import Standardise, mlp
from hitgraph.tracks.checks import check_min_hits, check_score
from hitgraph.tracks.helix import Helices, fit_helices, wrap
from hitgraph.tracks.merge import merge_groups
from hitgraph.tracks.unionfind import as_labels, number_sets

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# Pairs of parts are looked at whose directions differ by less than about these.
PHI_REACH, ETA_REACH = 0.25, 0.35

JOIN_FEATURES = (
    "phi0",  # difference of the helices, in units of 0.01 rad, signed logarithm
    "curvature",  # the same for the curvature, 0.05 / m
    "z0",  # 1 mm
    "cot",  # 0.02
    *("inner_curvature", "outer_curvature"),  # 1/m
    *("inner_eta", "outer_eta"),  # asinh of cot(theta)
    *("inner_first_r", "inner_last_r", "outer_first_r", "outer_last_r"),  # m
    *("inner_last_z", "outer_first_z"),  # m
    *("inner_hits", "outer_hits"),  # 10
    *("outward_phi", "outward_z"),  # mm, inner helix to the outer part's first hit, signed log
    *("inward_phi", "inward_z"),  # mm, outer helix to the inner part's last hit, signed logarithm
    *("both_phi", "both_z"),  # mm, sizes of both added, logarithm
    "gap",  # m, from the inner part's last hit to the outer part's first
)


@dataclass(frozen=True)
class JoinSettings:
    """The network that judges pairs of parts, and what is done with its scores."""

    hidden: int = 48  # width of the hidden layers
    layers: int = 2  # hidden layers
    score_cut: float = 0.9  # pairs strictly above it are joined
    min_hits: int = 3  # shorter tracks are dropped, after parts are joined
    max_hits: int = 30  # longer tracks are not made

    def __post_init__(self) -> None:
        for key in ("hidden", "layers"):
            if getattr(self, key) < 1:
                raise SettingsError(f"{key}: {getattr(self, key)} is not allowed, at least 1")
        check_score("score_cut", self.score_cut)
        check_min_hits(self.min_hits)


class JoinNetwork(nn.Module):
    """Logit that two parts are of one particle."""

    def __init__(self, settings: JoinSettings) -> None:
        super().__init__()
        self.standardise = Standardise(len(JOIN_FEATURES))
        widths = [settings.hidden] * settings.layers
        self.layers = mlp([len(JOIN_FEATURES), *widths, 1])

    def forward(self, features: Tensor) -> Tensor:
        """(n_pairs, n_features) -> (n_pairs,)."""
        logits: Tensor = self.layers(self.standardise(features)).squeeze(-1)
        return logits


@dataclass(frozen=True, eq=False)
class PartPairs:
    """Pairs of tracks that may be parts of one particle."""

    inner: Int64  # (n_pairs,) track numbers; the part whose hits are nearer to the origin
    outer: Int64  # (n_pairs,)
    features: Tensor  # (n_pairs, len(JOIN_FEATURES)) float32


def part_pairs(hits: Hits, labels: Tensor, max_hits: int) -> PartPairs:
    """All pairs of tracks with similar directions and at most `max_hits` hits together.

    labels (n_hits,), -1 = no track.
    """
    number = labels.cpu().numpy()
    rows = np.flatnonzero(number >= 0)
    track = number[rows]
    position = hits.position.cpu().numpy()[rows].astype(np.float64)
    if len(track) == 0:
        nothing = np.empty(0, np.int64)
        return PartPairs(nothing, nothing, torch.zeros(0, len(JOIN_FEATURES)))
    helices = fit_helices(position, track)
    n_hits = np.bincount(track)
    distance = np.linalg.norm(position, axis=1)
    order = np.lexsort((distance, track))
    ends = np.cumsum(n_hits)
    first, last = order[ends - n_hits], order[ends - 1]

    directions = np.stack(
        [
            np.cos(helices.phi0) / PHI_REACH,
            np.sin(helices.phi0) / PHI_REACH,
            np.arcsinh(helices.cot) / ETA_REACH,
        ],
        axis=1,
    )
    pairs = cKDTree(directions).query_pairs(1.0, output_type="ndarray").astype(np.int64)
    pairs = pairs[n_hits[pairs].sum(1) <= max_hits]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]  # the tree's order is not specified
    mean = np.bincount(track, distance) / n_hits
    swap = mean[pairs[:, 0]] > mean[pairs[:, 1]]
    inner = np.where(swap, pairs[:, 1], pairs[:, 0])
    outer = np.where(swap, pairs[:, 0], pairs[:, 1])
    features = _features(helices, position, n_hits, first, last, inner, outer)
    return PartPairs(inner, outer, torch.from_numpy(features))


def _features(
    helices: Helices,
    position: Float64,
    n_hits: Int64,
    first: Int64,
    last: Int64,
    inner: Int64,
    outer: Int64,
) -> NDArray[np.float32]:
    r = np.hypot(position[:, 0], position[:, 1]) / 1000
    z = position[:, 2] / 1000
    curvature = 1000 * helices.curvature
    eta = np.arcsinh(helices.cot)
    out_phi, out_z = _misses(helices, position, inner, first[outer])
    in_phi, in_z = _misses(helices, position, outer, last[inner])
    gap = np.linalg.norm(position[first[outer]], axis=1) - np.linalg.norm(
        position[last[inner]], axis=1
    )
    columns = [
        _log(wrap(helices.phi0[inner] - helices.phi0[outer]), 0.01),
        _log(curvature[inner] - curvature[outer], 0.05),
        _log(helices.z0[inner] - helices.z0[outer], 1.0),
        _log(helices.cot[inner] - helices.cot[outer], 0.02),
        *(curvature[inner], curvature[outer], eta[inner], eta[outer]),
        *(r[first[inner]], r[last[inner]], r[first[outer]], r[last[outer]]),
        *(z[last[inner]], z[first[outer]]),
        *(n_hits[inner] / 10, n_hits[outer] / 10),
        *(_log(out_phi, 1.0), _log(out_z, 1.0), _log(in_phi, 1.0), _log(in_z, 1.0)),
        _log(np.abs(out_phi) + np.abs(in_phi), 1.0),
        _log(np.abs(out_z) + np.abs(in_z), 1.0),
        gap / 1000,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _misses(
    helices: Helices, position: Float64, track: Int64, hit: Int64
) -> tuple[Float64, Float64]:
    """By how much helices miss hits (mm): along phi, and along z across the direction of flight."""
    r = np.hypot(position[hit, 0], position[hit, 1])
    phi, z = helices.at(track, r)
    off_phi = wrap(phi - np.arctan2(position[hit, 1], position[hit, 0]))
    return r * off_phi, (z - position[hit, 2]) / np.hypot(1.0, helices.cot[track])


def _log(value: Float64, unit: float) -> Float64:
    """Signed logarithm: linear below `unit`, logarithmic above."""
    return np.sign(value) * np.log1p(np.abs(value) / unit)


def join_tracks(
    hits: Hits, labels: Tensor, pairs: PartPairs, scores: Tensor, settings: JoinSettings
) -> Tensor:
    """Labels (n_hits,) with the parts joined and short tracks dropped.

    scores (n_pairs,) from 0 to 1. By falling score, two tracks become one unless both have a hit
    on one module or the joint track would be longer than `max_hits`.
    """
    number = labels.cpu().numpy()
    rows = np.flatnonzero(number >= 0)
    rows = rows[np.argsort(number[rows], kind="stable")]
    track = number[rows]
    within = np.flatnonzero(np.diff(track) == 0)  # this hit and the next are on one track
    first = np.searchsorted(track, np.arange(int(number.max(initial=-1)) + 1))
    score = scores.cpu().numpy()
    order = np.argsort(-score, kind="stable")
    order = order[score[order] > settings.score_cut]
    parent = merge_groups(
        np.concatenate([within, first[pairs.inner[order]]]),
        np.concatenate([within + 1, first[pairs.outer[order]]]),
        hits.module.cpu().numpy()[rows],
        settings.max_hits,
        len(within),
    )
    joined = np.full(len(number), -1, np.int64)
    joined[rows] = number_sets(parent, settings.min_hits)
    return as_labels(joined, hits)
