"""Teaching the similarity of tracks, on events whose collisions are known."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.vertices.similarity import Similarity, SimilaritySettings, pairs_of, track_columns
from hitgraph.vertices.tracks import BeamTracks

BATCH = 4096  # pairs
RATE = 3e-3  # at the start, down to nothing along a cosine

# the tracks of an event, and the collision of each, 0 for a fake
Event = tuple[BeamTracks, NDArray[np.int64]]


def teach(events: Sequence[Event], steps: int = 2000, seed: int = 0) -> Similarity:
    """A network taught on the pairs of these events; pairs with a fake are of two vertices."""
    samples = [_sample(*event) for event in events]
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Similarity(SimilaritySettings())
    network.of_tracks.learn(torch.cat([tracks for tracks, *_ in samples]))
    network.of_pairs.learn(torch.cat([columns for _, _, columns, _ in samples]))
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        tracks, pairs, columns, same = samples[step % len(samples)]
        some = torch.randint(pairs.shape[1], (BATCH,), generator=generator)
        logits = network(tracks, pairs[:, some], columns[some])
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(logits, same[some]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return network.eval()


def accuracy(network: Similarity, event: Event) -> float:
    """Share of the pairs of an event that are judged rightly at a score of 0.5."""
    tracks, pairs, columns, same = _sample(*event)
    with torch.inference_mode():
        right = (network(tracks, pairs, columns) > 0) == (same > 0.5)
    return float(right.float().mean())


def _sample(
    tracks: BeamTracks, collision: NDArray[np.int64]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pairs, columns = pairs_of(tracks)
    one, other = collision[pairs]
    same = torch.from_numpy((one == other) & (one > 0)).float()
    return track_columns(tracks), torch.from_numpy(pairs), columns, same
