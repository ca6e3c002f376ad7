"""Which tracks are of one vertex, learnt: a Siamese network on pairs of tracks, then clustering."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitgraph.errors import InputError
from hitgraph.event.perigee import PARAMETERS
from hitgraph.nn.blocks import Standardise, mlp
from hitgraph.tensor_files import read_tensors, write_tensors
from hitgraph.tensors import learnt_tensors, load_learnt
from hitgraph.tracks.contraction.cpu import contract
from hitgraph.tracks.unionfind import number_sets
from hitgraph.vertices.tracks import BeamTracks

Float64 = NDArray[np.float64]

REACH = 4.0  # errors of z0, beyond which two tracks are no pair
N_TRACK, N_PAIR = 10, 3  # columns of a track and of a pair
LIMIT = 6.0  # of the evidence of one pair


@dataclass(frozen=True)
class SimilaritySettings:
    """Widths of the network."""

    hidden: int = 32


class Similarity(nn.Module):
    """The same network embeds both tracks of a pair; a second one judges the pair.

    Neither sees where on the beam line a track is, only how far the two are apart.
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
        logits: Tensor = self.judge(both).squeeze(1)
        return logits


@dataclass(frozen=True, eq=False)
class SimilarTracks:
    """A finder's seeds: groups of tracks whose pairs say together that they are of one vertex.

    The groups are those of greedy additive contraction (arXiv 1505.06973), the track builder
    `contraction`; a seed is the mean z0 of a group.
    """

    network: Similarity

    def __call__(self, tracks: BeamTracks) -> Float64:
        pairs, columns = pairs_of(tracks)
        with torch.inference_mode():
            logits = self.network(track_columns(tracks), torch.from_numpy(pairs), columns)
        evidence = LIMIT * np.tanh(logits.double().numpy() / LIMIT)
        n = len(tracks)
        parent = contract(pairs[0].copy(), pairs[1].copy(), evidence, np.arange(n), n)
        group = number_sets(parent, 2)
        total = np.zeros((2, int(group.max(initial=-1)) + 1))
        on = group >= 0
        weight = tracks.error[on] ** -2
        np.add.at(total[0], group[on], weight * tracks.z0[on])
        np.add.at(total[1], group[on], weight)
        return np.asarray(total[0] / total[1], np.float64)


def pairs_of(tracks: BeamTracks) -> tuple[NDArray[np.int64], Tensor]:
    """(2, n_pairs) rows of tracks whose z0 agree within REACH errors, and (n_pairs, 3) columns:
    the pull of their distance, the logarithms of distance and error."""
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
    columns = np.stack([distance / both, np.log(distance + 1e-3), np.log(both)], axis=1)
    return order[np.stack([one, other])], torch.from_numpy(columns).float()


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


def write_similarity(network: Similarity, path: Path) -> None:
    """Write what a network has learnt. Raises HitgraphError if it cannot be written."""
    write_tensors(learnt_tensors(network), path)


def read_similarity(path: Path) -> SimilarTracks:
    """Read what `write_similarity` wrote. Raises InputError for anything else."""
    settings = SimilaritySettings()
    try:
        network, _ = load_learnt(
            lambda: Similarity(settings), read_tensors(path), torch.device("cpu"), settings
        )
    except InputError as error:
        raise InputError(
            f"{path}: is no network that benchmarks/vertex_similarity.py taught ({error})"
        ) from error
    return SimilarTracks(network)
