"""Metric learning: a network that puts neighbouring hits of a track close together in a latent
space, and the graph builder that joins what is close (arXiv 2103.06995, sections 3.2 and 5.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.graph.neighbours import MAX_DIMENSIONS, radius_neighbours, radius_pairs
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.azimuths import Azimuths
from hitgraph.nn.blocks import Standardise

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}
BATCH = 16_384  # hits the network takes at a time, so that its layers stay small
PROBE_HITS = 64  # hits whose neighbours are counted to guess how many there will be


@dataclass(frozen=True)
class EmbeddingSettings:
    """Sizes of the embedding network. The paper: 6 layers of 512, tanh, layer norm, 8-D."""

    hidden: int = 128  # width of every hidden layer
    layers: int = 3  # hidden layers
    dimensions: int = 8  # of the latent space
    activation: Literal["tanh", "relu", "silu"] = "tanh"  # or relu, silu
    layer_norm: bool = True  # normalise each hidden layer before its activation

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, layers=1)
        if not 2 <= self.dimensions <= MAX_DIMENSIONS:
            raise SettingsError(
                f"dimensions: {self.dimensions} is not allowed, 2 to {MAX_DIMENSIONS}"
            )
        if self.activation not in ACTIVATIONS:
            raise SettingsError(
                f"activation: {self.activation!r} is not allowed; any of {', '.join(ACTIVATIONS)}"
            )


class EmbeddingNetwork(nn.Module):
    """From the features of a hit to its place in the latent space.

    The paper takes 12 features. Azimuths enter as
    cosine and sine, so that hits on either side of phi = pi are as near as they are in space.
    """

    def __init__(self, settings: EmbeddingSettings, names: Sequence[str]) -> None:
        """`names` are those of the columns of hits that it sees."""
        super().__init__()
        self.settings = settings
        self.names = tuple(names)
        self.azimuths = Azimuths(self.names)
        n_inputs = self.azimuths.n_outputs
        self.standardise = Standardise(n_inputs)
        layers: list[nn.Module] = []
        width = n_inputs
        for _ in range(settings.layers):
            layers.append(nn.Linear(width, settings.hidden))
            if settings.layer_norm:
                layers.append(nn.LayerNorm(settings.hidden))
            layers.append(ACTIVATIONS[settings.activation]())
            width = settings.hidden
        layers.append(nn.Linear(width, settings.dimensions))
        self.layers = nn.Sequential(*layers)

    def learn_inputs(self, features: Tensor) -> None:
        """Standardise by the mean and spread of a sample of hits (n_hits, n_features)."""
        self.standardise.learn(self.azimuths(features))

    def forward(self, features: Tensor) -> Tensor:
        """(n_hits, n_features) in natural units -> (n_hits, dimensions)."""
        latents: Tensor = self.layers(self.standardise(self.azimuths(features)))
        return latents


def hinge_loss(
    d_squared: Tensor, is_true: Tensor, margin: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Comparative hinge loss of arXiv 2103.06995, equation 5, with p = 2: the mean over pairs of

    d² where the pair is true, max(0, margin² - d²) where it is not.

    d_squared (n_pairs,), is_true (n_pairs,) bool, weight (n_pairs,) or none for equal weights.
    Without pairs, or if all weights are zero, the loss is zero.
    """
    loss = torch.where(is_true, d_squared, (margin**2 - d_squared).clamp_min(0.0))
    weight = torch.ones_like(loss) if weight is None else weight
    return (weight * loss).sum() / weight.sum().clamp_min(1e-6)


@dataclass(frozen=True)
class RadiusBuilder:
    """Graph builder: an edge between any two hits within a radius in the latent space."""

    network: EmbeddingNetwork
    radius: float
    max_neighbours: int | None = None  # keep pairs among this many nearest of either hit

    @torch.no_grad()
    def build(self, hits: Hits, backend: Backend = "auto") -> Tensor:
        """(2, n_edges) int64, each pair once, from the inner hit to the outer.

        Two hits of one module are never joined: a true edge leads from module to module.
        """
        features = hits.take(self.network.names)
        latents = torch.cat([self.network(part) for part in features.split(BATCH)])  # type: ignore[no-untyped-call]
        pairs = radius_pairs(
            latents,
            self.radius,
            self.max_neighbours,
            key=squared_distance(hits.position),
            dtype=torch.int32,  # half the memory of what is left of them
            backend=backend,
        )
        return pairs[:, hits.module[pairs[0]] != hits.module[pairs[1]]].long()


@torch.no_grad()
def mine_pairs(
    latents: Tensor,
    true_edges: Tensor,
    n_random: int,
    radius: float,
    generator: torch.Generator,
    n_hard: int = 0,
    neutral: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Pairs to train an embedding on, (2, n_pairs) int64 with i < j, and which are true (n_pairs,).

    All true edges, up to `n_random` random pairs and about `n_hard` pairs within `radius` of each
    other in the latent space (arXiv 2103.06995, section 5.2: random pairs are enough at first,
    hard negatives inside the margin later). No pair comes twice; true and `neutral` edges, in
    either direction, are not among the negatives. latents (n_hits, d), true_edges and neutral
    (2, n), the generator on the CPU.
    """
    n_hits = len(latents)
    true = torch.unique(_keys(true_edges, n_hits))
    negative = [_random_keys(n_random, n_hits, generator).to(latents.device)]
    if n_hard > 0 and n_hits > 1:
        negative.append(_hard_keys(latents.float(), radius, n_hard, generator))
    keys = torch.unique(torch.cat(negative))
    excluded = true if neutral is None else torch.cat([true, _keys(neutral, n_hits)])
    keys = keys[~torch.isin(keys, excluded)]
    is_true = torch.arange(len(true) + len(keys), device=latents.device) < len(true)
    keys = torch.cat([true, keys])
    return torch.stack([keys // n_hits, keys % n_hits]), is_true


def squared_length(latents: Tensor, pairs: Tensor) -> Tensor:
    """Squared latent distance of each pair, (n_pairs,)."""
    difference = latents.index_select(0, pairs[0]) - latents.index_select(0, pairs[1])
    return difference.square().sum(dim=1)


def _keys(pairs: Tensor, n_hits: int) -> Tensor:
    """One number a pair, the same for both directions."""
    return torch.minimum(pairs[0], pairs[1]) * n_hits + torch.maximum(pairs[0], pairs[1])


def _random_keys(n_pairs: int, n_hits: int, generator: torch.Generator) -> Tensor:
    """Keys of pairs of two different hits, drawn with replacement."""
    if n_hits < 2:
        return torch.empty(0, dtype=torch.int64)
    first = torch.randint(n_hits, (n_pairs,), generator=generator)
    second = torch.randint(n_hits - 1, (n_pairs,), generator=generator)
    return _keys(torch.stack([first, second + (second >= first)]), n_hits)


def _hard_keys(latents: Tensor, radius: float, n_pairs: int, generator: torch.Generator) -> Tensor:
    """Keys of about `n_pairs` pairs: everything within the radius of some hits chosen at random.

    Neighbours of a few hits are counted first, since a young network may put all hits in one place
    and a search around every one of them would not fit into memory.
    """
    n_hits = len(latents)
    order = torch.randperm(n_hits, generator=generator).to(latents.device)
    probe = order[:PROBE_HITS]
    found = radius_neighbours(latents[probe], latents, radius).shape[1] - len(probe)  # less selves
    n_sources = min(n_hits, max(1, n_pairs * len(probe) // max(1, found)))
    sources = order[:n_sources]
    near = radius_neighbours(latents[sources], latents, radius)
    pairs = torch.stack([sources[near[0]], near[1]])
    return _keys(pairs[:, pairs[0] != pairs[1]], n_hits)
