"""Teaching the regression: tracks of the pipeline before it, with the truth of their particles."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.seeds import generator
from hitgraph.state import State
from hitgraph.tracks.parameters import HOPELESS
from hitgraph.tracks.regression import inputs_of, whitened

BATCH = 1024  # tracks a step
LARGEST = (
    6.0  # errors of the fit by which a track may be off and still teach: others have wrong hits
)

Tracks = dict[str, Tensor]


def tracks_of(sample: Sample, state: State, majority: Tensor, max_radius: float) -> Tracks:
    """What the lesson reads of one event: inputs, whitened truth, and whether a track teaches.

    majority (n_tracks,) is the particle of most hits of each track, 0 = noise. Tracks teach of
    charged particles born within `max_radius` mm of the beam line.
    """
    assert state.labels is not None
    inputs = inputs_of(state)
    rows = torch.nonzero(state.labels >= 0).squeeze(1)
    track = state.labels[rows]
    mine = rows[(sample.particle_id[rows] == majority[track]) & (majority[track] != 0)]
    true = torch.zeros(len(majority), sample.perigee.shape[1])
    born = torch.full((len(majority),), torch.inf)
    true[state.labels[mine]] = sample.perigee[mine]  # the same of all hits of a particle
    born[state.labels[mine]] = sample.born[mine]
    w = whitened(true, state.track["parameters"], inputs)
    teaches = (true[:, 4] != 0) & (born <= max_radius) & (state.track["ndf"] > 0)
    teaches &= state.track["chi2"] < HOPELESS
    teaches &= (w.abs() <= LARGEST).all(1)
    return {
        "hits": inputs.hits,
        "tracks": inputs.tracks,
        "track": inputs.track,
        "w": torch.where(teaches[:, None], w, 0.0),
        "teaches": teaches,
    }


def together(events: Sequence[Callable[[], Mapping[str, Tensor]]]) -> Tracks:
    """The tracks that teach, of several events; their hits stand track by track."""
    parts: list[Tracks] = []
    n_before = 0
    for read in events:
        one = read()
        teaches = one["teaches"]
        number = torch.cumsum(teaches, 0) - 1 + n_before
        kept = torch.nonzero(teaches[one["track"]]).squeeze(1)
        kept = kept[torch.argsort(one["track"][kept], stable=True)]
        parts.append(
            {
                "hits": one["hits"][kept],
                "track": number[one["track"][kept]],
                "tracks": one["tracks"][teaches],
                "w": one["w"][teaches],
            }
        )
        n_before += int(teaches.sum())
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True, eq=False)
class RegressionLesson(Lesson):
    """Each step takes some tracks of all events mixed."""

    seed: int
    tracks: Tracks  # of the training events
    validation: Tracks

    n_validation = 1

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return max(1, -(-len(self.tracks["w"]) // BATCH))

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "regression", epoch)
        order = torch.randperm(len(self.tracks["w"]), generator=random)
        for some in torch.tensor_split(order, self.n_batches):
            yield _batch(self.tracks, some)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return _loss(network, batch)

    def validation_batch(self, number: int) -> Batch:  # noqa: ARG002
        return _batch(self.validation, torch.arange(len(self.validation["w"])))

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        mean, factor = network(batch.x, batch.edge_attr, batch.edge_index[1])
        pull = (factor @ (batch.y - mean)[:, :, None])[:, :, 0]
        off = (batch.y - mean).square().mean(0).sqrt() / batch.y.square().mean(0).sqrt()
        return {
            "val_loss": float(_loss(network, batch)),
            "val_pull": float(pull.std()),  # of all five, 1 where the errors are right
            "val_error": float(off.mean()),  # over that of the fit
        }


def _loss(network: nn.Module, batch: Batch) -> Tensor:
    """Mean negative logarithm of the Gaussian likelihood, less a constant."""
    mean, factor = network(batch.x, batch.edge_attr, batch.edge_index[1])
    pull = (factor @ (batch.y - mean)[:, :, None])[:, :, 0]
    size = factor.diagonal(dim1=1, dim2=2).log().sum(1)
    loss: Tensor = (pull.square().sum(1) / 2 - size).mean()
    return loss


def _batch(tracks: Tracks, some: Tensor) -> Batch:
    """The tracks of these numbers: edges lead from each hit to its track."""
    n = torch.bincount(tracks["track"], minlength=len(tracks["w"]))
    begin = torch.cumsum(n, 0) - n
    track = torch.repeat_interleave(torch.arange(len(some)), n[some])
    place = torch.arange(len(track)) - (torch.cumsum(n[some], 0) - n[some])[track]
    rows = begin[some][track] + place
    return Batch(
        x=tracks["hits"][rows],
        edge_index=torch.stack([torch.arange(len(rows)), track]),
        edge_attr=tracks["tracks"][some],
        y=tracks["w"][some],
        weight=torch.ones(len(some)),
    )
