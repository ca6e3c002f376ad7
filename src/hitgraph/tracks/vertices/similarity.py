"""Which tracks are of one vertex, learnt: a Siamese network on pairs of tracks, then clustering."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.event.perigee import PARAMETERS
from hitgraph.hits import Hits
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, logits_of, mlp
from hitgraph.tracks.stage import TrackSettings
from hitgraph.tracks.vertices.beam import BeamTracks
from hitgraph.tracks.vertices.density import track_density

Float64 = NDArray[np.float64]

REACH = 4.0  # errors of z0, beyond which two tracks are no pair
AT_ONCE = 200_000  # pairs that are judged, so that those of a large event do not fill the memory
AROUND = 2.0  # mm on either side, in which the tracks around a pair are counted
N_TRACK, N_PAIR = 10, 6  # columns of a track and of a pair
_LEAST = 1e-3  # mm and tracks per mm, of what a logarithm is taken


@dataclass(frozen=True)
class SimilaritySettings:
    """Sizes of the network."""

    hidden: int = 32  # width of the hidden layers

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1)


class Similarity(nn.Module):
    """The same network embeds both tracks of a pair; a second one judges the pair.

    Neither sees where on the beam line a track is, only how far the two are apart and how dense
    tracks are there.
    """

    def __init__(self, settings: SimilaritySettings) -> None:
        super().__init__()
        width = settings.hidden
        self.of_tracks, self.of_pairs = Standardise(N_TRACK), Standardise(N_PAIR)
        self.embed = mlp([N_TRACK, width, width])
        self.judge = mlp([2 * width + N_PAIR, width, width, 1])

    def forward(self, tracks: Tensor, pairs: Tensor, columns: Tensor) -> Tensor:
        """(n_pairs,) logits; tracks (n_tracks, N_TRACK), pairs (2, n_pairs), columns of pairs."""
        one, other = self.embed(self.of_tracks(tracks))[pairs]
        both = torch.cat([one + other, (one - other).abs(), self.of_pairs(columns)], dim=1)
        return logits_of(self.judge, both)


@dataclass(frozen=True, eq=False)
class SimilarTracks:
    """A finder's seeds: the mean z0 of each group of tracks that a track builder makes of the graph
    of their pairs, in which tracks are the hits."""

    network: Similarity
    labeller: TrackSettings

    def __call__(self, tracks: BeamTracks) -> Float64:
        """(n_groups,) mm."""
        return self.seeds(tracks, *self.scored_pairs(tracks))

    def scored_pairs(self, tracks: BeamTracks) -> tuple[Tensor, Tensor]:
        """(2, n_pairs) int64 rows of tracks, and (n_pairs,) float32 scores from 0 to 1."""
        device = self.network.of_tracks.mean.device
        pairs, columns = (one.to(device) for one in pairs_of(tracks))
        of_tracks = track_columns(tracks).to(device)
        parts = zip(torch.split(pairs, AT_ONCE, dim=1), torch.split(columns, AT_ONCE), strict=True)
        with torch.inference_mode():
            logits = torch.cat([self.network(of_tracks, *part) for part in parts])
        return pairs, torch.sigmoid(logits.float())

    def seeds(self, tracks: BeamTracks, pairs: Tensor, scores: Tensor) -> Float64:
        """(n_groups,) mm, of pairs with these scores."""
        hits = _as_hits(tracks, scores.device)
        group = self.labeller.build(hits, pairs, scores).cpu().numpy()
        on = group >= 0
        weight = tracks.error[on] ** -2
        total = np.bincount(group[on], weight)
        return np.asarray(np.bincount(group[on], weight * tracks.z0[on]) / total, np.float64)


def pairs_of(tracks: BeamTracks) -> tuple[Tensor, Tensor]:
    """Pairs of tracks whose z0 agree within REACH errors.

    (2, n_pairs) int64 rows of tracks, and (n_pairs, 6) float32 columns: the pull of their distance,
    and the logarithms of distance, its error, the density of tracks where both together say that
    they come from, that at their own z0, and the number of tracks within AROUND.
    """
    order = np.argsort(tracks.z0, kind="stable")
    z0, error = tracks.z0[order], tracks.error[order]
    reach = REACH * np.hypot(error, error.max(initial=0))
    first = np.arange(len(z0))
    count = np.searchsorted(z0, z0 + reach, side="right") - first - 1
    one = np.repeat(first, count)
    other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(count) - count, count)
    distance, both = z0[other] - z0[one], np.hypot(error[one], error[other])
    near = distance <= REACH * both
    one, other, distance, both = one[near], other[near], distance[near], both[near]
    common = z0[one] + distance * (error[one] / both) ** 2
    density = _density(tracks)
    at_own = density(z0)
    within = np.searchsorted(z0, common + AROUND) - np.searchsorted(z0, common - AROUND)
    columns = [distance / both, np.log(distance + _LEAST), np.log(both), np.log(density(common))]
    columns += [(np.log(at_own[one]) + np.log(at_own[other])) / 2, np.log1p(within)]
    pairs = torch.from_numpy(order[np.stack([one, other])])
    return pairs, torch.from_numpy(np.stack(columns, axis=1)).float()


def track_columns(tracks: BeamTracks) -> Tensor:
    """(n_tracks, 10) float32: pull of d0, cot(theta), log pT, charge, log of the error of each
    parameter and of z0 as that of a collision. No z0 and no phi."""
    error = np.sqrt(np.einsum("nii->ni", tracks.covariance))
    d0, theta, qop = (
        tracks.parameters[:, PARAMETERS.index(name)] for name in ("d0", "theta", "qop")
    )
    columns = [d0 / error[:, 0], 1 / np.tan(theta), np.log(tracks.pt), np.sign(qop)]
    columns += [*np.log(error).T, np.log(tracks.error)]
    return torch.from_numpy(np.stack(columns, axis=1)).float()


def _density(tracks: BeamTracks) -> Callable[[Float64], Float64]:
    place, density = track_density(tracks)
    if not len(place):
        return lambda z: np.full(len(z), _LEAST)
    return lambda z: np.interp(z, place, density, left=0, right=0) + _LEAST


def _as_hits(tracks: BeamTracks, device: torch.device) -> Hits:
    """What a track builder is given: each track on a module of its own, at its z0."""
    n = len(tracks)
    position = torch.zeros(n, 3, device=device)
    position[:, 2] = torch.from_numpy(tracks.z0)
    row = torch.arange(n, device=device)
    return Hits(torch.zeros(n, 0, device=device), position, torch.zeros_like(row), row)
