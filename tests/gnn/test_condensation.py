"""Object condensation: the loss by hand, the labels by a slow reference."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.gnn.condensation.lesson import CondensationLesson, shares, without_gaps
from hitgraph.gnn.condensation.loss import condensation_loss
from hitgraph.gnn.condensation.network import GravNet, GravNetLayer, GravNetSettings
from hitgraph.gnn.condensation.stage import GravNetStageSettings
from hitgraph.lessons.material import Example
from hitgraph.lessons.objects import NEUTRAL, NOISE
from hitgraph.lessons.samples import make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.state import State
from hitgraph.tracks.condensation import CondensationSettings, condense

Q_MIN = 0.01  # of arXiv 2309.16754


def slow_condense(
    beta: Tensor, place: Tensor, beta_cut: float, radius: float, min_hits: int
) -> set[frozenset[int]]:
    """One hit after the other."""
    free = set(range(len(beta)))
    tracks = set()
    for hit in sorted(range(len(beta)), key=lambda hit: (-float(beta[hit]), hit)):
        if hit not in free or float(beta[hit]) < beta_cut:
            continue
        near = {
            other
            for other in free
            if float((place[other] - place[hit]).square().sum()) <= radius**2
        }
        free -= near
        if len(near) >= min_hits:
            tracks.add(frozenset(near))
    return tracks


@settings(max_examples=150, deadline=None)
@given(
    n_hits=st.integers(0, 40),
    seed=st.integers(0, 10**6),
    min_hits=st.integers(1, 3),
    ties=st.booleans(),
    backend=st.sampled_from(["cpu", "plain"]),
)
def test_tracks_are_those_of_one_hit_after_the_other(
    n_hits: int, seed: int, min_hits: int, ties: bool, backend: str
) -> None:
    random = torch.Generator().manual_seed(seed)
    beta = torch.rand(n_hits, generator=random)
    if ties:
        beta = (beta * 4).round() / 4
    place = torch.randn(n_hits, 2, generator=random)
    labels = condense(beta, place, CondensationSettings(0.3, 0.7, min_hits), backend)  # type: ignore[arg-type]
    found = {
        frozenset(torch.nonzero(labels == track).squeeze(1).tolist())
        for track in set(labels.tolist()) - {-1}
    }
    assert found == slow_condense(beta, place, 0.3, 0.7, min_hits)
    assert sorted(set(labels.tolist()) - {-1}) == list(range(len(found)))


def charge(beta: float) -> float:
    return math.atanh(beta) ** 2 + Q_MIN


def test_the_loss_is_that_of_the_formulas() -> None:
    """Two objects of two hits and of one, a noise hit, a hit that does not count."""
    beta = [0.6, 0.2, 0.4, 0.3, 0.9]
    place = torch.tensor([[0.0, 0.0], [0.3, 0.0], [0.0, 0.5], [5.0, 5.0], [0.1, 0.1]])
    owner = torch.tensor([0, 0, 1, NOISE, NEUTRAL])
    q = [charge(one) for one in beta]
    attraction = (q[1] * q[0] * 0.3**2) / 3
    apart = math.hypot(0.3, 0.5)
    # hit 2 and the first object's 0, then hits 0 and 1 and the second object's 2
    repulsion = (q[2] * q[0] * 0.5 + q[0] * q[2] * 0.5 + q[1] * q[2] * (1 - apart)) / 3
    wanted = attraction + 2.0 * repulsion + ((1 - 0.6) + (1 - 0.4)) / 2 + 0.5 * 0.3
    logits = torch.logit(torch.tensor(beta))
    found = condensation_loss(logits, place, owner, torch.ones(5), Q_MIN, repulsion=2.0, noise=0.5)
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_hits_count_by_their_weight() -> None:
    """The same objects, hits of which count 0.2, 0.8 and 1: the shares in their objects."""
    beta = [0.6, 0.2, 0.4, 0.3]
    place = torch.tensor([[0.0, 0.0], [0.3, 0.0], [0.0, 0.5], [5.0, 5.0]])
    owner = torch.tensor([0, 0, 1, NOISE])
    weight = shares(torch.tensor([1.0, 4.0, 7.0, 100.0]), owner)
    torch.testing.assert_close(weight, torch.tensor([0.2, 0.8, 1.0, 0.0]))
    q = [charge(one) for one in beta]
    apart = math.hypot(0.3, 0.5)
    attraction = 0.8 * q[1] * q[0] * 0.3**2 / 2
    repulsion = (q[2] * q[0] * 0.5 + 0.2 * q[0] * q[2] * 0.5 + 0.8 * q[1] * q[2] * (1 - apart)) / 2
    wanted = attraction + repulsion + ((1 - 0.6) + (1 - 0.4)) / 2
    logits = torch.logit(torch.tensor(beta))
    found = condensation_loss(logits, place, owner, weight, Q_MIN, repulsion=1.0, noise=0.0)
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_a_lesson_weighs_hits_by_their_column(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    sample = make_sample(tiny_event, tiny_event.detector, True, TruthSettings())
    example = Example(sample, State(sample.hits))
    settings = GravNetStageSettings(hit_inputs=("position",), weigh_by="charge")
    assert "hit.charge" in settings.needs
    batch = CondensationLesson(settings, 1, [], [lambda: example]).validation_batch(0)
    assert len(batch.y) == len(sample.hits)
    for k in range(int(batch.y.max()) + 1):
        assert float(batch.weight[batch.y == k].sum()) == pytest.approx(1, abs=1e-4)
    assert not batch.weight[batch.y < 0].any()


def test_columns_of_stages_before_it_are_inputs(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    sample = make_sample(tiny_event, tiny_event.detector, True, TruthSettings())
    state = State(sample.hits).with_hit(around=torch.arange(len(sample.hits)).float())
    settings = GravNetStageSettings(hit_inputs=("r", "around"))
    assert "hit.around" in settings.needs
    lesson = CondensationLesson(settings, 1, [], [lambda: Example(sample, state)])
    assert torch.equal(lesson.validation_batch(0).x[:, 1], state.hit["around"])


@pytest.mark.parametrize("owner", [[NOISE, NOISE], [NEUTRAL, NEUTRAL], [0, 0], []])
def test_events_with_next_to_nothing_have_a_finite_loss(owner: list[int]) -> None:
    logits = torch.zeros(len(owner), requires_grad=True)
    place, ones = torch.zeros(len(owner), 2, requires_grad=True), torch.ones(len(owner))
    loss = condensation_loss(
        logits, place, torch.tensor(owner, dtype=torch.int64), ones, 0.5, 1.0, 1.0
    )
    loss.backward()
    assert math.isfinite(float(loss.detach()))


def test_steps_gather_what_belongs_together() -> None:
    torch.manual_seed(0)
    logits = torch.zeros(12, requires_grad=True)
    place = torch.randn(12, 2, requires_grad=True)
    owner = torch.arange(12) // 4
    optimiser = torch.optim.Adam([logits, place], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        condensation_loss(logits, place, owner, torch.ones(12), 0.01, 1.0, 0.0).backward()
        optimiser.step()
    labels = condense(
        torch.sigmoid(logits).detach(), place.detach(), CondensationSettings(0.5, 0.5, 2)
    )
    assert len(set(labels.tolist())) == 3
    for k in range(3):
        assert len(set(labels[owner == k].tolist())) == 1


@pytest.mark.parametrize("n_hits", [0, 1, 30])
def test_the_order_of_hits_does_not_matter(n_hits: int) -> None:
    torch.manual_seed(0)
    names = ("r", "phi", "z")
    network = GravNet(GravNetSettings(hidden=8), names).eval()
    network.learn_inputs(torch.randn(50, 3))
    features = torch.randn(n_hits, 3)
    order = torch.randperm(n_hits)
    with torch.no_grad():
        beta, place = network(features)
        again = network(features[order])
    torch.testing.assert_close(again[0], beta[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again[1], place[order], rtol=1e-4, atol=1e-5)


def test_with_a_shortcut_places_are_a_linear_map_of_the_inputs_and_more() -> None:
    """Of a network whose states say nothing of places, only that is left."""
    torch.manual_seed(0)
    network = GravNet(GravNetSettings(hidden=8, outputs=2, shortcut=True), ("r", "z")).eval()
    features = torch.randn(50, 2)
    network.learn_inputs(features)
    with torch.no_grad():
        network.place[-1].weight.zero_()
        network.place[-1].bias.zero_()
        places = network(features)[1]
        middle = network((features[:25] + features[25:]) / 2)[1]
    torch.testing.assert_close(middle, (places[:25] + places[25:]) / 2)
    assert float(places.std()) > 0.1


def test_what_counts_from_its_mean_can_be_moved() -> None:
    """And with it nothing but the event: other columns stay where they are."""
    torch.manual_seed(0)
    settings, names = GravNetSettings(hidden=8), ("x", "y", "z")
    network = GravNet(settings, names, ("x", "y")).eval()
    network.learn_inputs(torch.randn(50, 3))
    features = torch.randn(30, 3)
    with torch.no_grad():
        beta, place = network(features)
        moved = network(features + torch.tensor([5.0, -3.0, 0.0]))
        deeper = network(features + torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(moved[0], beta, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(moved[1], place, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(deeper[1], place, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hit_inputs": ()}, "hit_inputs: is empty"),
        ({"repulsion": -1.0}, "repulsion: -1.0 is not allowed, at least 0"),
        ({"q_min": 0.0}, r"q_min: 0\.0 is not allowed, above 0"),
        ({"sectors": 0}, "sectors: 0 is not allowed, at least 1"),
        ({"centre": ("x",)}, "centre: 'x' is not allowed, hit_inputs that are no angle"),
        ({"centre": ("phi",)}, "centre: 'phi' is not allowed"),
        ({"centre": ("r",), "sectors": 2}, "centre: is for whole events, so sectors has to be 1"),
        ({"weigh_by": "energy"}, "weigh_by: 'energy' is not allowed; any of r, phi"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        GravNetStageSettings(**changes)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="outputs: 17 is not allowed, 1 to 16"):
        GravNetSettings(outputs=17)
    with pytest.raises(SettingsError, match=r"reach: 0\.0 is not allowed, above 0"):
        GravNetSettings(reach=0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta_cut": 1.5}, r"beta_cut: 1.5 is not in \[0, 1\]"),
        ({"radius": 0.0}, "radius: 0.0 is not allowed, above 0"),
        ({"min_hits": 0}, "min_hits: 0 is not allowed, at least 1"),
    ],
)
def test_impossible_cuts_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CondensationSettings(**changes)  # type: ignore[arg-type]


def test_the_objects_of_a_sector_are_numbered_anew() -> None:
    owner = torch.tensor([7, NOISE, 2, 7, NEUTRAL, 2, 9])
    assert without_gaps(owner).tolist() == [1, NOISE, 0, 1, NEUTRAL, 0, 2]


def test_a_hit_hears_the_mean_and_the_loudest_of_its_neighbours() -> None:
    """Three hits on a line, the first two within reach of each other, the third of nobody."""
    layer = GravNetLayer(GravNetSettings(hidden=1, dimensions=1, reach=1.0, neighbours=2))
    with torch.no_grad():
        for part, slope in ((layer.space, 1.0), (layer.message, 2.0)):
            part.weight.fill_(slope)
            part.bias.zero_()
    layer.update = torch.nn.Identity()  # type: ignore[assignment]
    found = layer(torch.tensor([[0.0], [0.5], [3.0]]), "auto")
    weight = math.exp(-10 * 0.5**2)
    expected = [[0.0, weight * 1.0, weight * 1.0], [0.5, 0.0, 0.0], [3.0, 0.0, 0.0]]
    torch.testing.assert_close(found, torch.tensor(expected))
