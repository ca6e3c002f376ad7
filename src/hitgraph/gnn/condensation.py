"""Object condensation (arXiv 2002.03605, for tracks arXiv 2309.16754): tracks without edges.

A network gives each hit a place h in a learnt space and beta in (0, 1), how much it stands for its
particle. With the charge q = arctanh(beta)^2 + q_min, and the hit alpha of largest charge of each
particle k, the loss is

    attraction   mean over the hits i of particles of  q_i q_alpha |h_i - h_alpha|^2
    repulsion    the same over the hits of others, of  q_i q_alpha max(0, 1 - |h_i - h_alpha|)
    beta         mean over particles of 1 - beta_alpha, and the mean beta of noise

Tracks are made by falling beta: a hit above a cut that is on no track yet takes all such hits
within a radius of it. The network exchanges messages between neighbours in learnt spaces (GravNet,
arXiv 1902.07987), so it needs no graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.graph.neighbours import MAX_DIMENSIONS, radius_neighbours, radius_pairs
from hitgraph.hits.columns import check_hit_columns, expand_groups
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.losses import mean_of_known
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.objects import NOISE, objects_of
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_at_least,
    check_not_empty,
    refuse_graph_settings,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.nn.azimuths import Azimuths
from hitgraph.nn.blocks import Standardise, mlp
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State
from hitgraph.tensors import NOT_NEGATIVE, SHARE, build_network, learnt_tensors, load_learnt

Q_MIN = 0.01  # of arXiv 2309.16754
BETA_CUTS, RADII = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9), (0.2, 0.4, 0.6, 0.8, 1.0)
_TINY = 1e-12


@dataclass(frozen=True)
class CondensationNetworkSettings:
    """Sizes of the network."""

    hidden: int = 64  # width of the state of a hit
    rounds: int = 3  # exchanges between neighbours
    dimensions: int = 4  # of the spaces in which neighbours are looked for
    neighbours: int = 8  # of a hit, at most
    reach: float = 1.0  # how far neighbours may lie in those spaces
    outputs: int = 8  # dimensions of the space in which hits condense

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, rounds=0, neighbours=1)
        for key in ("dimensions", "outputs"):
            if not 1 <= getattr(self, key) <= MAX_DIMENSIONS:
                raise SettingsError(
                    f"{key}: {getattr(self, key)} is not allowed, 1 to {MAX_DIMENSIONS}"
                )
        if self.reach <= 0:
            raise SettingsError(f"reach: {self.reach} is not allowed, above 0")


@dataclass(frozen=True)
class CondensationSettings(StageSettings):
    """Object condensation: hits gather around one of them in a learnt space; needs no edges."""

    network: CondensationNetworkSettings = field(  # sizes
        default_factory=CondensationNetworkSettings
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    hit_inputs: tuple[str, ...] = ("position",)  # columns of hits, or their groups
    repulsion: float = 1.0  # weight in the loss, beside the attraction's 1
    noise: float = 0.1  # weight of the mean beta of noise
    min_hits: int = 3  # smaller groups are no track

    paper: ClassVar[str] = "2309.16754"
    gives: ClassVar[frozenset[str]] = frozenset({LABELS, "hit.beta", "hit.place"})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_trackml_weights(self.training)
        check_at_least(self, repulsion=0, noise=0, min_hits=1)
        object.__setattr__(self, "hit_inputs", expand_groups(self.hit_inputs))
        check_hit_columns("hit_inputs", self.hit_inputs)
        check_not_empty(self, "hit_inputs")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({HITS, *(f"hit.{name}" for name in self.hit_inputs)})

    def build(self) -> "CondensationNetwork":
        """The untrained network."""
        return CondensationNetwork(self.network, self.hit_inputs)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "CondensationStage":
        network, (beta_cut, radius) = load_learnt(
            self.build, tensors, context.device, self.network, beta_cut=SHARE, radius=NOT_NEGATIVE
        )
        return CondensationStage(context, self, network, beta_cut, radius)

    def learn(
        self, context: Context, material: Material, workshop: Workshop
    ) -> "CondensationStage":
        """The network, then the cuts with the highest TrackML score of targets in validation."""
        network = build_network(self.build, self.network)
        network.learn_inputs(material.train[0]().sample.hits.take(self.hit_inputs))
        lesson = CondensationLesson(self, workshop.seed, material.train, material.validation)
        merit = workshop.fit(network, lesson, self.training)
        choices = {
            (beta_cut, radius): CondensationStage(context, self, network, beta_cut, radius)
            for beta_cut in BETA_CUTS
            for radius in RADII
        }
        scores: dict[tuple[float, float], list[float]] = {cuts: [] for cuts in choices}
        for read in material.validation:
            example = read()
            judged = choices[BETA_CUTS[0], RADII[0]].judge(example.state)
            for cuts, stage in choices.items():
                labels = stage.labels(judged)
                scores[cuts].append(workshop.score(example, labels, example.sample.target))
        means = {cuts: mean_of_known(found) or 0.0 for cuts, found in scores.items()}
        best = max(means, key=lambda cuts: means[cuts])
        workshop.record({**merit, "beta_cut": best[0], "radius": best[1]})
        return choices[best]


class CondensationNetwork(nn.Module):
    """From the columns of hits to beta and a place in the space where they condense."""

    def __init__(self, settings: CondensationNetworkSettings, names: Sequence[str]) -> None:
        super().__init__()
        self.backend: Backend = "auto"
        self.azimuths = Azimuths(tuple(names))
        width = settings.hidden
        self.standardise = Standardise(self.azimuths.n_outputs)
        self.encode = mlp([self.azimuths.n_outputs, width, width])
        self.rounds = nn.ModuleList(GravNet(settings) for _ in range(settings.rounds))
        self.beta = mlp([width, width, 1])
        self.place = mlp([width, width, settings.outputs])

    def learn_inputs(self, features: Tensor) -> None:
        """Standardise by a sample of hits (n_hits, n_names)."""
        self.standardise.learn(self.azimuths(features))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(n_hits, n_names) -> logits of beta (n_hits,), places (n_hits, outputs)."""
        states = self.encode(self.standardise(self.azimuths(features)))
        for one_round in self.rounds:
            states = states + one_round(states, self.backend)
        return self.beta(states).squeeze(1).float(), self.place(states).float()


class GravNet(nn.Module):
    """What a hit hears of its neighbours in a learnt space: mean and maximum."""

    def __init__(self, settings: CondensationNetworkSettings) -> None:
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


@dataclass(frozen=True, eq=False)
class CondensationStage:
    """Ready to run."""

    context: Context
    settings: CondensationSettings
    network: CondensationNetwork
    beta_cut: float  # what a hit needs to begin a track
    radius: float  # how far from it the hits of the track may lie

    def __post_init__(self) -> None:
        self.network.backend = self.context.backend

    def __call__(self, state: State) -> State:
        judged = self.judge(state)
        return judged.with_labels(self.labels(judged))

    def judge(self, state: State) -> State:
        """The hits with beta (n_hits,) and place (n_hits, outputs)."""
        with torch.no_grad(), self.context.mixed_precision():
            beta, place = self.network(state.hits.take(self.settings.hit_inputs))
        return state.with_hit(beta=torch.sigmoid(beta), place=place)

    def labels(self, state: State) -> Tensor:
        """(n_hits,) of hits with beta and place."""
        return condense(
            state.hit["beta"],
            state.hit["place"],
            self.beta_cut,
            self.radius,
            self.settings.min_hits,
            self.context.backend,
        )

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, beta_cut=self.beta_cut, radius=self.radius)


def condense(
    beta: Tensor,
    place: Tensor,
    beta_cut: float,
    radius: float,
    min_hits: int,
    backend: Backend = "auto",
) -> Tensor:
    """Track of each hit, (n_hits,) int64 from 0 without gaps, -1 = none; on any device.

    By falling beta (n_hits,), equal ones by row, each hit of at least `beta_cut` that is on no
    track takes all hits on no track within `radius` of its place (n_hits, d). Groups of fewer than
    `min_hits` are no track. All hits whose rivals are decided on are decided on at once.
    """
    n_hits, device = len(beta), beta.device
    order = torch.argsort(beta, descending=True, stable=True)
    order = order[beta[order] >= beta_cut]  # by rank: the hits that may begin a track
    rank = torch.full((n_hits,), len(order), device=device)
    rank[order] = torch.arange(len(order), device=device)
    first, hit = radius_neighbours(place[order], place, radius, backend)
    later = rank[hit] < len(order)
    high, low = first[later], rank[hit[later]]
    high, low = high[high < low], low[high < low]  # who is taken if the other begins a track
    begins = torch.zeros(len(order), dtype=torch.bool, device=device)
    open_ = torch.ones_like(begins)
    while bool(open_.any()):
        waits = torch.zeros_like(begins)
        waits[low[open_[high]]] = True
        now = open_ & ~waits
        begins |= now
        taken = torch.zeros_like(begins)
        taken[low[now[high]]] = True
        open_ &= ~now & ~taken
    chosen = begins[first]
    owner = torch.full((n_hits,), len(order), device=device)
    owner.scatter_reduce_(0, hit[chosen], first[chosen], "amin")
    size = torch.bincount(owner, minlength=len(order) + 1)
    kept = size >= min_hits
    kept[len(order)] = False
    label = torch.where(kept, torch.cumsum(kept, 0) - 1, -1)
    return label[owner]


@dataclass(frozen=True, eq=False)
class CondensationLesson(Lesson):
    """One step an event, on all its hits."""

    stage: CondensationSettings
    seed: int
    train: Sequence[Read]
    validation: Sequence[Read]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.train)

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "condensation", epoch)
        for row in torch.randperm(len(self.train), generator=random).tolist():
            yield self._batch(self.train[row]())

    def validation_batch(self, number: int) -> Batch:
        return self._batch(self.validation[number]())

    def _batch(self, example: Example) -> Batch:
        """y (n_hits,) is the number of the object that a hit belongs to, or NOISE, NEUTRAL."""
        y = objects_of(example.sample)
        hits = example.sample.hits.take(self.stage.hit_inputs)
        return rows_batch(hits, y, torch.ones(len(y)))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        beta, place = network(batch.x)
        return condensation_loss(beta, place, batch.y, self.stage.repulsion, self.stage.noise)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        return {"val_loss": float(self.loss(network, batch))}


def condensation_loss(
    beta_logit: Tensor, place: Tensor, owner: Tensor, repulsion: float, noise: float
) -> Tensor:
    """The loss above, of hits with logits of beta (n_hits,) and places (n_hits, d).

    owner (n_hits,) int64 is the object of each hit, from 0 without gaps, or NOISE or NEUTRAL.
    """
    beta = torch.sigmoid(beta_logit).clamp(1e-6, 1 - 1e-6)
    loss = beta_logit.sum() * 0
    if bool((owner == NOISE).any()):
        loss = loss + noise * beta[owner == NOISE].mean()
    rows = torch.nonzero(owner >= 0).squeeze(1)
    if len(rows) == 0:
        return loss
    own = owner[rows]
    charge = torch.atanh(beta) ** 2 + Q_MIN
    n_objects = int(own.max()) + 1
    with torch.no_grad():  # the hit of largest charge of each object, of equal ones the first
        largest = charge.new_zeros(n_objects).scatter_reduce(0, own, charge[rows], "amax")
        is_largest = charge[rows] == largest[own]
        alpha = torch.full((n_objects,), len(beta), device=own.device)
        alpha.scatter_reduce_(0, own[is_largest], rows[is_largest], "amin")
    squared = (place[rows] - place[alpha[own]]).square().sum(dim=1)
    loss = loss + (charge[rows] * charge[alpha[own]] * squared).mean()
    near = radius_neighbours(place[alpha].detach(), place.detach(), 1.0)
    others = owner[near[1]] != near[0]
    k, i = near[0][others], near[1][others]
    i, k = i[owner[i] >= 0], k[owner[i] >= 0]
    distance = ((place[i] - place[alpha[k]]).square().sum(dim=1) + _TINY).sqrt()
    pushed = charge[i] * charge[alpha[k]] * (1 - distance).clamp_min(0)
    return loss + repulsion * pushed.sum() / len(rows) + (1 - beta[alpha]).mean()
