"""GravNet (arXiv 1902.07987): hits that lie near each other in a learnt space hear each other.

Every round gives a hit a place s and a message f. Of its neighbours, those within a reach of it
(at most so many nearest), it hears the mean and the maximum of

    f_j exp(-10 |s_i - s_j|^2 / reach^2)

Other than in the paper the reach is bounded, so that the fixed-radius search finds the neighbours,
two hits are neighbours of each other where either counts the other among its nearest, and a round
adds to the state of a hit instead of being concatenated with it. With `shortcut` a linear map
of the inputs of a hit is added to its place: a network that is little taught starts from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.graph.neighbours import MAX_DIMENSIONS, radius_pairs
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.settings import check_above, check_at_least
from hitgraph.nn.azimuths import Azimuths
from hitgraph.nn.blocks import Standardise, mlp


@dataclass(frozen=True)
class GravNetSettings:
    """Sizes of the network."""

    hidden: int = 64  # width of the state of a hit
    rounds: int = 3  # exchanges between neighbours
    dimensions: int = 4  # of the spaces in which neighbours are looked for
    neighbours: int = 8  # of a hit, at most
    reach: float = 1.0  # how far neighbours may lie in those spaces
    outputs: int = 8  # dimensions of the space in which hits condense
    shortcut: bool = False  # add a linear map of the inputs to the place of a hit there

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, rounds=0, neighbours=1)
        for key in ("dimensions", "outputs"):
            if not 1 <= getattr(self, key) <= MAX_DIMENSIONS:
                raise SettingsError(
                    f"{key}: {getattr(self, key)} is not allowed, 1 to {MAX_DIMENSIONS}"
                )
        check_above(self, reach=0)


class GravNet(nn.Module):
    """From the columns of hits to beta and a place in the space where they condense."""

    def __init__(
        self, settings: GravNetSettings, names: Sequence[str], centre: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.backend: Backend = "auto"
        self.centred = [names.index(name) for name in centre]
        self.azimuths = Azimuths(tuple(names))
        width = settings.hidden
        self.standardise = Standardise(self.azimuths.n_outputs)
        self.encode = mlp([self.azimuths.n_outputs, width, width])
        self.rounds = nn.ModuleList(GravNetLayer(settings) for _ in range(settings.rounds))
        self.beta = mlp([width, width, 1])
        self.place = mlp([width, width, settings.outputs])
        self.shortcut = None
        if settings.shortcut:
            self.shortcut = nn.Linear(self.azimuths.n_outputs, settings.outputs)

    def learn_inputs(self, features: Tensor) -> None:
        """Standardise by the hits of an event (n_hits, n_names)."""
        self.standardise.learn(self._inputs(features))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(n_hits, n_names) -> logits of beta (n_hits,), places (n_hits, outputs)."""
        inputs = self.standardise(self._inputs(features))
        states = self.encode(inputs)
        for one_round in self.rounds:
            states = states + one_round(states, self.backend)
        place = self.place(states).float()
        if self.shortcut is not None:
            place = place + self.shortcut(inputs).float()
        return self.beta(states).squeeze(1).float(), place

    def _inputs(self, features: Tensor) -> Tensor:
        """(n_hits, n_names) -> (n_hits, n_inputs), those of `centre` from their mean on."""
        if self.centred and len(features):
            features = features.clone()
            features[:, self.centred] -= features[:, self.centred].mean(dim=0)
        return self.azimuths(features)


class GravNetLayer(nn.Module):
    """What a hit hears of its neighbours in a learnt space: mean and maximum."""

    def __init__(self, settings: GravNetSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.hidden
        self.space = nn.Linear(width, settings.dimensions)
        self.message = nn.Linear(width, width)
        self.update = mlp([3 * width, width, width])

    def forward(self, states: Tensor, backend: Backend) -> Tensor:
        """(n_hits, width) -> the same."""
        settings = self.settings
        places = self.space(states).float()
        pairs = radius_pairs(places.detach(), settings.reach, settings.neighbours, backend)
        source, target = torch.cat([pairs, pairs.flip(0)], dim=1)
        d_squared = (places[source] - places[target]).square().sum(dim=1)
        weight = torch.exp(-10 * d_squared / settings.reach**2)[:, None]
        heard = weight * self.message(states).float()[source]
        nothing = heard.new_zeros(len(states), heard.shape[1])
        count = heard.new_zeros(len(states)).index_add(0, target, torch.ones_like(d_squared))
        mean = nothing.index_add(0, target, heard) / count.clamp_min(1)[:, None]
        rows = target[:, None].expand_as(heard)
        loudest = nothing.scatter_reduce(0, rows, heard, "amax", include_self=False)
        new: Tensor = self.update(torch.cat([states, mean, loudest], dim=1))
        return new
