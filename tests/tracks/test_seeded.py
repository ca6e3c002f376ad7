"""Tracks out of seeds: who gets a hit that several want, what is taught, and both networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.trained import tiny_recipe, train_quietly
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation import evaluate
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.pipeline import Pipeline
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tracks.cnn import CnnNetworkSettings, look
from hitgraph.tracks.cnn.circles import circles_through
from hitgraph.tracks.cnn.lesson import reach_of
from hitgraph.tracks.cnn.stage import CnnSettings, CnnStage
from hitgraph.tracks.lstm import Follower, Gaussian, LstmNetworkSettings, places_of
from hitgraph.tracks.lstm.lesson import sequences_of
from hitgraph.tracks.lstm.search import follow
from hitgraph.tracks.seeded import seeds_of, tracks_of
from hitgraph.tracks.seeded.truth import true_members

TRUTH = TruthSettings(min_pt=0.0, min_hits=3)
RADII = (50.0, 100.0, 150.0, 200.0, 250.0, 300.0)  # mm
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm": {"network": {"hidden": 16}, "training": {"epochs": 40, "learning_rate": 0.01}},
    "cnn": {
        "network": {"bins": 16, "hidden": 8, "layers": 3, "detector_layers": 4},
        "training": {"epochs": 40, "learning_rate": 0.01},
    },
}
by_network = pytest.mark.parametrize("name", NETWORKS)


def test_a_hit_goes_to_the_better_track_and_what_is_left_of_the_other_has_to_be_enough() -> None:
    members = torch.tensor([[0, 1, 2, 3], [3, 4, 5, 6], [2, 3, 7, -1], [8, 9, -1, -1]])
    quality = torch.tensor([2.0, 1.0, 3.0, 4.0])
    labels = tracks_of(members, quality, n_hits=11, min_hits=3)
    # the third wins 2 and 3; the first keeps half of its hits only, the fourth has too few
    assert labels.tolist() == [-1, -1, 0, 0, 1, 1, 1, 0, -1, -1, -1]
    assert tracks_of(members, quality, n_hits=11, min_hits=2)[8:10].tolist() == [0, 0]
    assert tracks_of(members[:0], quality[:0], n_hits=2, min_hits=3).tolist() == [-1, -1]


@pytest.fixture(scope="module")
def sample(make_event: Callable[..., Event]) -> Sample:
    event = make_event(n_particles=12, n_noise=20, seed=3)
    assert event.detector is not None
    return make_sample(event, event.detector, False, TRUTH)


def test_members_are_the_hits_of_a_particle_from_layer_to_layer(sample: Sample) -> None:
    members = true_members(sample)
    assert members.shape == (12, 4)
    assert len(torch.unique(sample.particle_id[members[:, 0]])) == 12
    for track in members:
        assert len(torch.unique(sample.particle_id[track])) == 1
        assert sample.hits.layer[track].tolist() == [0, 1, 2, 3]


def test_of_two_hits_on_a_layer_the_first_is_a_member(sample: Sample) -> None:
    """The second layer becomes the first one: three layers are left, no more than a seed has."""
    layer = sample.hits.layer.clone()
    layer[layer == 1] = 0
    hits = type(sample.hits)(sample.hits.features, sample.hits.position, layer, sample.hits.module)
    assert len(true_members(Sample(**{**vars(sample), "hits": hits}))) == 0


# ---------------------------------------------------------------- the LSTM


def test_the_gaussian_is_that_of_its_covariance() -> None:
    rho, errors = 0.6, np.array([0.01, 0.2])
    covariance = np.diag(errors) @ np.array([[1, rho], [rho, 1]]) @ np.diag(errors)
    way, mean = np.array([0.03, -0.1]), np.array([0.02, 0.3])
    one = Gaussian(*(torch.tensor(float(value)).double() for value in (*mean, *errors, rho)))
    chi2 = one.chi2(*(torch.tensor(float(value)).double() for value in way))
    assert float(chi2) == pytest.approx((way - mean) @ np.linalg.solve(covariance, way - mean))
    assert float(one.log_determinant()) == pytest.approx(np.linalg.slogdet(covariance)[1])


def straight_ahead() -> Follower:
    """Expects every track to go on as it went, within a milliradian and a millimetre or so."""
    network = Follower(LstmNetworkSettings(4)).eval().requires_grad_(False)
    last: Any = network.head[-1]
    last.weight.zero_()
    last.bias.zero_()
    network.scale.copy_(torch.tensor([0.02, 0.02]))
    return network


def straight(turn: float = 0.0) -> tuple[Tensor, Tensor]:
    """Positions (24, 3) mm of three straight tracks, the third only on the first four layers, and
    of noise; and their layers."""
    tracks = [(0.0, 0.5, 6), (0.02, 0.5, 6), (1.0, -1.0, 4)]
    found = [(phi, cot * r, layer) for phi, cot, n in tracks for layer, r in enumerate(RADII[:n])]
    found += [(0.5 + 0.3 * k, 40.0 * k, k % 6) for k in range(8)]
    phi, z, layer = (np.array(values) for values in zip(*found, strict=True))
    r = np.array(RADII)[layer]
    position = np.stack([r * np.cos(phi + turn), r * np.sin(phi + turn), z], axis=1)
    return torch.from_numpy(position), torch.from_numpy(layer)


@pytest.mark.parametrize("turn", [0.0, 3.13, -2.0])
def test_straight_tracks_are_followed_to_their_ends(turn: float) -> None:
    position, layer = straight(turn)
    seeds = torch.tensor([[0, 1, 2], [6, 7, 8], [12, 13, 14]])
    radius = torch.tensor([r / 1000 for r in RADII])
    members, quality = follow(straight_ahead(), places_of(position), layer, seeds, radius, 9.0)
    assert members[0].tolist() == list(range(6))
    assert members[1].tolist() == list(range(6, 12))
    assert members[2].tolist() == [12, 13, 14, 15, -1, -1]
    assert quality.tolist() == pytest.approx([27.0, 27.0, 9.0], abs=0.1)


def test_layers_without_a_radius_are_passed_over() -> None:
    position, layer = straight()
    radius = torch.tensor([r / 1000 for r in RADII])
    radius[4] = -1.0
    seeds = torch.tensor([[0, 1, 2]])
    members, _ = follow(straight_ahead(), places_of(position), layer, seeds, radius, 9.0)
    assert members.tolist() == [[0, 1, 2, 3, -1, 5]]
    none, quality = follow(straight_ahead(), places_of(position), layer, seeds[:0], radius, 9.0)
    assert none.shape == (0, 6)
    assert quality.shape == (0,)


def test_what_is_taught_is_the_way_to_the_next_hit_behind_the_seed(sample: Sample) -> None:
    """Of four hits the one behind the third, unless the particle comes back inward there."""
    members = true_members(sample)
    made = sequences_of(sample)
    assert made["teaches"].tolist() == [[0.0, 0.0, 1.0]] * 12
    position = sample.hits.position[members].double()
    r, z = position[:, :, :2].norm(dim=2) / 1000, position[:, :, 2] / 1000
    torch.testing.assert_close(made["ways"][:, :, 0].double(), r.diff(dim=1), atol=1e-6, rtol=1e-4)
    slopes = z.diff(dim=1) / r.diff(dim=1)
    torch.testing.assert_close(
        made["inputs"][:, 1:, 6].double(), slopes[:, :2], atol=1e-4, rtol=1e-3
    )
    assert made["inputs"][:, 0, 4:].abs().max() == 0  # before the first hit there is none
    moved = sample.hits.position.clone()
    moved[members[:, 3]] = moved[members[:, 1]]
    hits = type(sample.hits)(sample.hits.features, moved, sample.hits.layer, sample.hits.module)
    assert sequences_of(Sample(**{**vars(sample), "hits": hits}))["teaches"].sum() == 0


# ---------------------------------------------------------------- the images


def on_a_helix(s: Tensor, turn: float, curvature: float, off: float = 0.0) -> Tensor:
    """Positions (n, 3) mm at the lengths s (n,) mm of a helix from (20, -5, 7), of slope 0.5, and
    `off` mm to the right of it."""
    phi = turn + curvature * s
    x, y = [20 * torch.ones_like(s), -5 * torch.ones_like(s)]
    if curvature:
        x = x + (phi.sin() - np.sin(turn)) / curvature
        y = y - (phi.cos() - np.cos(turn)) / curvature
    else:
        x, y = x + s * np.cos(turn), y + s * np.sin(turn)
    return torch.stack([x + off * phi.sin(), y - off * phi.cos(), 7 + 0.5 * s], dim=1)


@pytest.mark.parametrize("curvature", [0.0, 1e-7, 5e-4, -0.004])
@pytest.mark.parametrize("turn", [0.4, 3.1, -2.0])
def test_hits_are_as_far_from_the_helix_of_a_seed_as_they_were_put(
    turn: float, curvature: float
) -> None:
    s = torch.tensor([0.0, 40.0, 90.0, 300.0, 700.0, -60.0]).double()
    circles = circles_through(on_a_helix(s[:3], turn, curvature)[None])
    for off in (0.0, 2.0, -3.0):
        hits = on_a_helix(s, turn, curvature, off)
        hits[:, 2] += 0.25
        across, along, way = circles.at(torch.zeros(6).long()).ways(hits)
        torch.testing.assert_close(across, torch.full_like(s, off), atol=1e-5, rtol=0)
        torch.testing.assert_close(way, s, atol=1e-5, rtol=0)
        torch.testing.assert_close(along, torch.full_like(s, 0.25), atol=1e-5, rtol=0)
        reach = torch.full((6,), abs(off) + 0.1)
        assert circles.near(hits, reach)[1].tolist() == list(range(6))
        assert not off or not len(circles.near(hits, reach - 1.0)[1])


def test_images_reach_as_far_as_a_share_of_the_hits_lies(sample: Sample) -> None:
    members = true_members(sample)
    x, y = sample.hits.position[members].double().unbind(2)[:2]
    place = torch.complex(x, y)
    # of the circle through a, b, c about the origin m: |a - m| = |b - m| = |c - m|
    a, b, c, last = place.T
    w = (c - a) / (b - a)
    middle = a + (b - a) * (w - w.abs().square()) / (2j * w.imag)
    across = ((last - middle).abs() - (a - middle).abs()).abs()
    channel = torch.arange(4)
    half = reach_of([sample], channel, 5, 1.0)
    assert half.shape == (2, 5)
    assert float(half[0, 3]) == pytest.approx(max(float(across.max()), 1.0), rel=1e-3)
    assert half[:, [0, 1, 2, 4]].tolist() == [[1.0] * 4] * 2  # no hit behind a seed
    less = reach_of([sample, sample], channel, 5, 0.5)
    assert float(less[0, 3]) == pytest.approx(max(float(across.quantile(0.5)), 1.0), rel=0.2)


def test_an_image_shows_what_is_near_the_helix_of_its_seed_and_ahead() -> None:
    s = torch.tensor([0.0, 50.0, 100.0, 150.0]).double()
    track = on_a_helix(s, 3.1, 0.002)
    track[3] = on_a_helix(s[3:], 3.1, 0.002, off=1.0)[0] + torch.tensor([0.0, 0.0, 5.0])
    right = on_a_helix(s[3:], 3.1, 0.002, off=6.0) + torch.tensor([0.0, 0.0, 25.0])
    far = on_a_helix(s[3:], 3.1, 0.002, off=6.0) + torch.tensor([0.0, 0.0, 45.0])
    behind = on_a_helix(-s[3:], 3.1, 0.002)
    position = torch.cat([track, right, far, behind])
    layer = torch.tensor([0, 1, 2, 3, 3, 3, 3])
    settings = CnnNetworkSettings(bins=4, detector_layers=4)
    half = torch.tensor([[10.0] * 4, [40.0] * 4])
    seed = torch.tensor([[0, 1, 2]])
    seen = look(position, layer, seed, half, settings)
    images = seen.images[0]
    assert images.shape == (8, 4, 4)
    assert seen.hit.tolist() == [0, 1, 2, 3, 4]
    assert images[3].nonzero().tolist() == [[2, 2], [3, 3]]
    assert images[:3].sum() == images[4:7].sum() == 3  # the seed in both
    assert images[7].sum() == 0
    layer[4] = -1  # passed over
    assert look(position, layer, seed, half, settings).hit.tolist() == [0, 1, 2, 3]
    half[0, 3] = 5.0  # of one layer
    layer[4] = 3
    assert look(position, layer, seed, half, settings).hit.tolist() == [0, 1, 2, 3]


class Brighter(torch.nn.Module):
    """Likes what is far along z; no weights."""

    def forward(self, images: Tensor) -> Tensor:
        n, channels, bins, _ = images.shape
        return torch.linspace(-4, 4, bins).expand(n, channels // 2, bins, bins)


def test_the_hit_of_the_best_pixel_of_each_layer_is_taken(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    z = np.array([0.0, 0, 0, 10, 15, -10, 18])
    layer = torch.tensor([0, 1, 2, 3, 3, 4, 5])
    x = 100.0 * (1 + layer.numpy())
    position = torch.from_numpy(np.stack([x, np.zeros(7), z], axis=1))
    settings = CnnSettings(CnnNetworkSettings(8, 8, 2, 6), hit_cut=0.5)
    network: Any = Brighter()
    half = torch.tensor([[5.0] * 6, [20.0] * 6])
    stage = CnnStage(Context(tiny_event.detector), settings, network, torch.arange(6), half)
    members, quality = stage.members(position, layer, torch.tensor([[0, 1, 2]]))
    assert members[0, :6].tolist() == [0, 1, 2, 4, -1, 6]
    score = torch.sigmoid(torch.linspace(-4, 4, 8))
    assert float(quality) == pytest.approx(float(score[7] + score[7] - 1.0))


# ---------------------------------------------------------------- as stages


@pytest.fixture(scope="module")
def pipelines(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, settings in NETWORKS.items():
        found[name] = tmp_path_factory.mktemp("seeded") / name
        tracks = {"use": name, "seed_cut": 0.1, "min_hits": 4, **settings}
        train_quietly(tiny_recipe(gnn=None, tracks=tracks), tiny_store, found[name])
    return found


@by_network
def test_it_learns_to_find_what_its_seeds_begin(
    name: str, pipelines: dict[str, Path], tiny_store: Path
) -> None:
    pipeline = Pipeline.load(pipelines[name])
    event = list_events([tiny_store])[-1].read()
    result = pipeline.run(event, keep=["filter"])
    state = result.kept["filter"]
    seeds = seeds_of(state, 0.1)
    particle = torch.from_numpy(np.array(event.truth.particle_id))[seeds]  # type: ignore[union-attr]
    right = torch.unique(particle[(particle == particle[:, :1]).all(1) & (particle[:, 0] != 0), 0])
    found = evaluate(event, result.labels).matchings["double majority"]
    assert found.purity.passed >= len(right) / 2 > 0


@by_network
def test_what_is_in_a_file_is_checked(name: str, pipelines: dict[str, Path]) -> None:
    pipeline = Pipeline.load(pipelines[name])
    settings: Any = pipeline.recipe.stages[-1].settings
    tensors = pipeline.stages["tracks"].tensors()
    again = settings.load(pipeline.context, tensors).tensors()
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], tensors[key]) for key in tensors)
    with pytest.raises(InputError, match="other: unknown tensor"):
        settings.load(pipeline.context, {**tensors, "other": torch.zeros(1)})
    table = "radius" if name == "lstm" else "channel"
    with pytest.raises(InputError, match=f"{table}: is torch"):
        settings.load(pipeline.context, {**tensors, table: tensors[table][:-1]})


@by_network
def test_an_event_without_edges_has_no_tracks(
    name: str, pipelines: dict[str, Path], sample: Sample
) -> None:
    stage = Pipeline.load(pipelines[name]).stages["tracks"]
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    labels = stage(State(sample.hits).with_edges(nothing, logit=torch.zeros(0))).labels
    assert labels is not None
    assert bool((labels == -1).all())


def test_more_layers_than_images_have_room_for_are_refused(
    tiny_store: Path, tmp_path: Path
) -> None:
    network = {**NETWORKS["cnn"]["network"], "detector_layers": 3}
    recipe = tiny_recipe(gnn=None, tracks={"use": "cnn", "network": network})
    with pytest.raises(
        SettingsError, match="detector_layers: 3 is too few, targets have hits on 4"
    ):
        train_quietly(recipe, tiny_store, tmp_path / "out")


@by_network
def test_targets_on_too_few_layers_teach_nothing(
    name: str, tiny_store: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(gnn=None, tracks={"use": name}, truth__min_hits=5)
    with pytest.raises(InputError, match="no true edge"):
        train_quietly(recipe, tiny_store, tmp_path / "out")


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="coverage: 0"):
        CnnSettings(coverage=0.0)
    with pytest.raises(SettingsError, match="hit_cut"):
        CnnSettings(hit_cut=1.5)
    with pytest.raises(SettingsError, match="layers"):
        CnnNetworkSettings(layers=1)
