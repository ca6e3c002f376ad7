"""Teaching the LSTM: after each hit from the third on, where the particle's next one lies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor, nn

from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.seeds import generator
from hitgraph.tracks.helix import wrap
from hitgraph.tracks.lstm import Follower, inputs_of, places_of
from hitgraph.tracks.seeded import SEED_HITS
from hitgraph.tracks.seeded.truth import true_members

BATCH = 256  # tracks a step
LEAST_STEP = 1e-3  # m, of the radius between two hits that teach
Tracks = dict[str, Tensor]


def sequences_of(sample: Sample) -> Tracks:
    """The targets of an event: inputs (n, L, 7), ways (n, L, 3) dr, dphi, dz to the next hit, and
    whether it is there and asked for, teaches (n, L)."""
    members = true_members(sample)
    there = members >= 0
    places = places_of(sample.hits.position[members.clamp_min(0)])
    ways = torch.stack(
        [
            torch.diff(places.r, dim=1),
            wrap(torch.diff(places.phi, dim=1)),
            torch.diff(places.z, dim=1),
        ],
        dim=2,
    )
    outward = there[:, 1:] & (ways[:, :, 0] > LEAST_STEP)
    teaches = torch.cumprod(outward.long(), dim=1).bool()  # until it turns back
    teaches[:, : SEED_HITS - 1] = False
    return {
        "inputs": inputs_of(places)[:, :-1],
        "ways": ways,
        "teaches": teaches.float(),
    }


def together(parts: Sequence[Tracks]) -> Tracks:
    """The tracks of several events, filled up to one length."""
    longest = max(part["inputs"].shape[1] for part in parts)

    def filled(one: Tensor) -> Tensor:
        lacking = list(one.shape)
        lacking[1] = longest - one.shape[1]
        return torch.cat([one, one.new_zeros(lacking)], dim=1)

    return {name: torch.cat([filled(part[name]) for part in parts]) for name in parts[0]}


def learn_scales(network: Follower, tracks: Tracks) -> None:
    """Of the inputs, and of what changes from one layer to the next."""
    teaches = tracks["teaches"] > 0
    inputs, ways = tracks["inputs"][teaches], tracks["ways"][teaches]
    network.standardise.learn(inputs)
    change = ways[:, 1:] / ways[:, :1] - inputs[:, -2:]
    network.scale.copy_(change.abs().quantile(0.9, dim=0).clamp_min(1e-6))


@dataclass(frozen=True, eq=False)
class LstmLesson(Lesson):
    """Each step takes some tracks of all events mixed."""

    seed: int
    tracks: Tracks
    validation: Tracks

    n_validation = 1

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return max(1, -(-len(self.tracks["inputs"]) // BATCH))

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "lstm", epoch)
        order = torch.randperm(len(self.tracks["inputs"]), generator=random)
        for some in torch.tensor_split(order, self.n_batches):
            yield _batch(self.tracks, some)

    def validation_batch(self, number: int) -> Batch:  # noqa: ARG002
        return _batch(self.validation, torch.arange(len(self.validation["inputs"])))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        chi2, log_determinant = _expected(network, batch)
        return (chi2 + log_determinant).mean() / 2 + log(2 * pi)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        chi2, log_determinant = _expected(network, batch)
        return {
            "val_loss": float((chi2 + log_determinant).mean() / 2 + log(2 * pi)),
            "val_chi2": float(chi2.median()),  # 1.39 where the errors are right
        }


def _expected(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """chi2 and logarithm of the determinant of each hit that teaches."""
    assert isinstance(network, Follower)
    teaches = batch.weight > 0
    known = network.read(batch.x)[0][teaches]
    dr, dphi, dz = batch.y[teaches].unbind(1)
    there = network.expect(known, batch.x[teaches][:, -2:], dr)
    return there.chi2(dphi, dz), there.log_determinant()


def _batch(tracks: Tracks, some: Tensor) -> Batch:
    return Batch(
        x=tracks["inputs"][some],
        edge_index=torch.zeros(2, 0, dtype=torch.int64),
        edge_attr=None,
        y=tracks["ways"][some],
        weight=tracks["teaches"][some],
    )
