"""The learnt correction of the helix fit: mirrors, turns, errors, and which tracks teach it."""

import numpy as np
import pytest
import torch
from tests.tracks.helices import RADII, hits_at
from torch import Tensor

from hitgraph.lessons.lesson import Batch
from hitgraph.lessons.samples import Sample
from hitgraph.state import State
from hitgraph.tracks.regression import (
    RegressionNetwork,
    RegressionNetworkSettings,
    corrected,
    inputs_of,
    whitened,
)
from hitgraph.tracks.regression.lesson import RegressionLesson, together, tracks_of

SIGNS = torch.tensor(
    [-1.0, 1.0, -1.0, 1.0, -1.0], dtype=torch.float64
)  # of a mirror along the beam


def fitted_state(n: int = 30, seed: int = 0) -> State:
    """Tracks on all layers, with made-up fits and pulls."""
    random = torch.Generator().manual_seed(seed)
    n_layers = len(RADII)
    labels = torch.arange(n).repeat_interleave(n_layers)
    layer = torch.arange(n_layers).repeat(n)
    phi = 6.0 * torch.rand(n, generator=random)[labels]
    r = torch.from_numpy(RADII)[layer]
    position = torch.stack([r * phi.cos(), r * phi.sin(), r / 2], dim=1)
    half = torch.randn(n, 5, 5, generator=random, dtype=torch.float64) / 10
    covariance = half @ half.mT + 0.01 * torch.eye(5)
    theta = 0.3 + 2.5 * torch.rand(n, generator=random).double()
    qop = torch.randn(n, generator=random).double().sign() * (
        0.2 + torch.rand(n, generator=random).double()
    )
    other = torch.randn(n, 3, generator=random).double()
    parameters = torch.cat([other, theta[:, None], qop[:, None]], dim=1)
    track = {
        "parameters": parameters,
        "covariance": covariance,
        "chi2": 10 * torch.rand(n, generator=random).double(),
        "ndf": torch.full((n,), 2 * n_layers - 5),
    }
    hits = hits_at(position.numpy(), layer.numpy())
    pull = torch.randn(len(labels), 2, generator=random)
    return State(hits, labels=labels, hit={"pull": pull}, track=track)


def some_network(seed: int = 1) -> RegressionNetwork:
    """With weights at random."""
    torch.manual_seed(seed)
    network = RegressionNetwork(RegressionNetworkSettings(16, 1)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.requires_grad_(False)


def answer(network: RegressionNetwork, state: State) -> tuple[Tensor, Tensor]:
    inputs = inputs_of(state)
    mean, factor = network(inputs.hits, inputs.tracks, inputs.track)
    return corrected(state.track["parameters"], inputs, mean, factor)


def test_before_it_learns_it_is_the_fit() -> None:
    state = fitted_state()
    found, covariance = answer(RegressionNetwork(RegressionNetworkSettings()).eval(), state)
    torch.testing.assert_close(found, state.track["parameters"])
    torch.testing.assert_close(covariance, state.track["covariance"])


def test_a_mirrored_track_has_mirrored_parameters() -> None:
    """The charge turns around, and with it d0, phi and the pulls across the beam."""
    state, network = fitted_state(), some_network()
    mirror = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    seen = {
        **state.track,
        "parameters": SIGNS * state.track["parameters"],
        "covariance": SIGNS[:, None] * state.track["covariance"] * SIGNS,
    }
    hits = hits_at((state.hits.position * mirror).numpy(), state.hits.layer.numpy())
    pull = state.hit["pull"] * torch.tensor([-1.0, 1.0])
    mirrored = State(hits, labels=state.labels, hit={"pull": pull}, track=seen)
    (one, of_one), (other, of_other) = answer(network, state), answer(network, mirrored)
    assert not torch.allclose(one, state.track["parameters"])
    torch.testing.assert_close(other, SIGNS * one, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(of_other, SIGNS[:, None] * of_one * SIGNS, rtol=1e-5, atol=1e-6)


def test_turning_the_event_turns_phi_alone() -> None:
    state, network = fitted_state(), some_network()
    turn = torch.tensor([0.0, 0.0, 0.5, 0.0, 0.0], dtype=torch.float64)
    turned = {**state.track, "parameters": state.track["parameters"] + turn}
    c, s = np.cos(0.5), np.sin(0.5)
    position = state.hits.position.numpy() @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    hits = hits_at(position, state.hits.layer.numpy())
    after = State(hits, labels=state.labels, hit=state.hit, track=turned)
    (one, of_one), (other, of_other) = answer(network, state), answer(network, after)
    difference = other - one - turn
    difference[:, 2] = torch.atan2(difference[:, 2].sin(), difference[:, 2].cos())
    torch.testing.assert_close(difference, torch.zeros_like(difference), rtol=0, atol=1e-5)
    torch.testing.assert_close(of_one, of_other, rtol=1e-5, atol=1e-6)


def test_covariances_can_be_inverted() -> None:
    _, covariance = answer(some_network(), fitted_state())
    assert torch.equal(covariance, covariance.mT)
    assert (torch.linalg.eigvalsh(covariance) > 0).all()


def test_whitening_and_correcting_are_each_other_s_way_back() -> None:
    state = fitted_state()
    inputs = inputs_of(state)
    shift = torch.randn(30, 5, generator=torch.Generator().manual_seed(3))
    unit = torch.eye(5).expand(30, 5, 5)
    found, _ = corrected(state.track["parameters"], inputs, shift, unit)
    w = whitened(found, state.track["parameters"], inputs)
    torch.testing.assert_close(w, shift, rtol=1e-4, atol=1e-4)


def lesson_of(width: float) -> RegressionLesson:
    """Many tracks whose fits are off by `width` of their errors and by one error in d0."""
    random = torch.Generator().manual_seed(5)
    n = 4000
    tracks = {
        "hits": torch.randn(3 * n, 4, generator=random),
        "tracks": torch.randn(n, 9, generator=random),
        "track": torch.arange(n).repeat_interleave(3),
        "w": width * torch.randn(n, 5, generator=random) + torch.tensor([1.0, 0, 0, 0, 0]),
    }
    return RegressionLesson(7, tracks, tracks)


def test_it_learns_how_wrong_the_errors_of_the_fit_are() -> None:
    """Fits that are off by half of their errors, and biased: the known mean and width come out."""
    torch.manual_seed(0)
    lesson, network = lesson_of(0.5), RegressionNetwork(RegressionNetworkSettings(8, 1))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    batches: list[Batch] = []
    for epoch in range(40):
        for batch in lesson.batches(network, epoch):
            batches.append(batch)
            optimiser.zero_grad()
            lesson.loss(network, batch).backward()
            optimiser.step()
    assert sum(len(batch.y) for batch in batches[: lesson.n_batches]) == 4000  # each once an epoch
    check = lesson.validation_batch(0)
    with torch.no_grad():
        assert check.edge_attr is not None
        mean, factor = network(check.x, check.edge_attr, check.edge_index[1])
        figures = lesson.measure(network, check)
    assert mean.mean(0).tolist() == pytest.approx([1, 0, 0, 0, 0], abs=0.1)
    assert factor.diagonal(dim1=1, dim2=2).mean(0).tolist() == pytest.approx([2] * 5, rel=0.1)
    assert figures["val_pull"] == pytest.approx(1, abs=0.05)


def test_tracks_of_known_charged_particles_teach() -> None:
    state = fitted_state(4)
    n_hits = len(state.hits)
    assert state.labels is not None
    particle = state.labels + 1
    perigee = state.track["parameters"][state.labels].float()
    perigee[particle == 2] = 0.0  # without charge
    born = torch.zeros(n_hits)
    born[particle == 3] = 50.0
    flat, yes = torch.zeros(n_hits), torch.ones(n_hits, dtype=torch.bool)
    sample = Sample(
        hits=state.hits,
        particle_id=particle,
        step=flat.int(),
        target=yes,
        weight=flat,
        true_edges=torch.zeros(2, 0, dtype=torch.int64),
        born=born,
        primary=yes,
        perigee=perigee,
    )
    majority = torch.tensor([1, 2, 3, 0])  # the last track is of nobody
    made = tracks_of(sample, state, majority, 20.0)
    assert made["teaches"].tolist() == [True, False, False, False]
    torch.testing.assert_close(made["w"], torch.zeros(4, 5), rtol=0, atol=1e-3)
    both = together([lambda: made, lambda: made])
    assert both["track"].tolist() == [0] * len(RADII) + [1] * len(RADII)
    assert len(both["w"]) == len(both["tracks"]) == 2
