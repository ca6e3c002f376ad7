"""What each network is taught: the batches, the losses, the figures of merit."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.trained import RADIUS, tiny_recipe
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.gnn.lesson import GraphLesson, cut, load_graph, reflect
from hitgraph.graph.filter.lesson import HARD_SCORE, FilterLesson
from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings
from hitgraph.graph.radius.lesson import (
    MARGIN,
    N_HARD,
    N_RANDOM,
    EmbeddingLesson,
    radius_at_efficiency,
)
from hitgraph.hits import FEATURES, Hits, hits_from_event, with_columns
from hitgraph.lessons.lesson import Batch
from hitgraph.lessons.losses import auc, kept_at_efficiency, weighted_loss
from hitgraph.lessons.material import Example, Read
from hitgraph.lessons.samples import (
    Sample,
    edge_truth,
    load_sample,
    load_state,
    make_sample,
    save_sample,
    save_state,
)
from hitgraph.lessons.sectors import sector_of
from hitgraph.lessons.teacher import Teacher
from hitgraph.pairs import GEOMETRY_FEATURES, pair_features
from hitgraph.recipe import Recipe
from hitgraph.state import State
from hitgraph.tensor_files import write_tensors


@dataclass(frozen=True)
class Material:
    """Two events as files, with all pairs of hits on different layers as candidate edges."""

    detector: Detector
    samples: list[Path]
    candidates: list[Path]

    def read(self, number: int) -> Example:
        sample = load_sample(self.samples[number])
        return Example(sample, load_state(sample.hits, self.candidates[number]))

    @property
    def reads(self) -> list[Read]:
        return [partial(self.read, number) for number in range(len(self.samples))]

    def filter_lesson(self, recipe: Recipe) -> FilterLesson:
        settings: Any = recipe.step("filter").settings
        both = self.reads, self.reads
        return FilterLesson(settings, recipe.truth, recipe.seed, *both, Teacher(), self.detector)

    def event_of(self, batch: Batch) -> int:
        """The number of the event in which the true edges of a batch join hits of a particle."""
        ends = batch.edge_index[:, batch.y > 0]
        particles = [read().sample.particle_id for read in self.reads]
        (number,) = (k for k, one in enumerate(particles) if torch.equal(*one[ends]))
        return number

    def embedding_lesson(self, recipe: Recipe) -> EmbeddingLesson:
        settings: Any = recipe.step("graph").settings
        return EmbeddingLesson(settings, recipe.truth, recipe.seed, self.reads, self.reads)


@pytest.fixture
def material(make_event: Callable[..., Event], tmp_path: Path) -> Material:
    return make_material([make_event(n_particles=8, n_noise=6, seed=s) for s in (1, 2)], tmp_path)


def make_material(events: list[Event], folder: Path) -> Material:
    samples, candidates = [], []
    detector = events[0].detector
    assert detector is not None
    for event in events:
        sample = make_sample(event, detector, True, tiny_recipe().truth)
        pairs = torch.combinations(torch.arange(len(sample.hits))).T
        layer = sample.hits.layer
        inner_first = torch.where(layer[pairs[0]] < layer[pairs[1]], pairs, pairs.flip(0))
        edges = inner_first[:, layer[pairs[0]] != layer[pairs[1]]]
        samples.append(folder / f"{event.name}-sample")
        candidates.append(folder / f"{event.name}-candidates")
        save_sample(sample, samples[-1])
        save_state(State(sample.hits, edges), candidates[-1])
    return Material(detector, samples, candidates)


class Fixed(nn.Module):
    """A network whose score is a function of the sine of the azimuth difference alone."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, _x: Tensor, _edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        return 2.0 - edge_attr[:, GEOMETRY_FEATURES.index("sin_dphi")].abs() + self.nothing


def pairs_of(batch: Batch, rows: Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, batch.edge_index[:, rows].T.tolist()))


def joined(batches: list[Batch]) -> Batch:
    """The batches of one event as one."""
    first = batches[0]
    assert all(torch.equal(batch.x, first.x) for batch in batches)
    return Batch(
        first.x,
        torch.cat([batch.edge_index for batch in batches], dim=1),
        torch.cat([batch.edge_attr for batch in batches if batch.edge_attr is not None]),
        torch.cat([batch.y for batch in batches]),
        torch.cat([batch.weight for batch in batches]),
    )


# ---------------------------------------------------------------- filter


def test_an_epoch_of_the_filter_shows_all_true_edges_and_as_many_hard_and_easy_fakes(
    material: Material,
) -> None:
    """arXiv 2103.06995, section 5.2."""
    lesson = material.filter_lesson(tiny_recipe())
    network = Fixed()
    batches = list(lesson.batches(network, epoch=0))
    assert len(batches) == lesson.n_batches == 8
    seen = []
    for place in (0, 4):
        batch = joined(batches[place : place + 4])
        number = material.event_of(batch)
        seen.append(number)
        sample = load_sample(material.samples[number])
        truth = {pair for pair in _all_same(sample) if pair in _candidates(material, number)}
        assert pairs_of(batch, batch.y > 0) == truth
        assert int((batch.y > 0).sum()) == len(truth)
        fakes = batch.y == 0
        assert len(pairs_of(batch, fakes)) == int(fakes.sum())  # each once
        assert batch.edge_attr is not None
        scores = torch.sigmoid(network(batch.x, batch.edge_index, batch.edge_attr))
        n_hard = int((fakes & (scores > HARD_SCORE)).sum())
        n_easy = int((fakes & (scores <= HARD_SCORE)).sum())
        assert 0 < n_hard <= len(truth)
        assert n_easy == len(truth)  # there are many more
        assert bool((batch.weight == 1).all())
    assert sorted(seen) == [0, 1]


def test_batches_that_are_not_balanced_are_a_sample_of_all_candidates(material: Material) -> None:
    """As many as of balanced ones; no pair twice, true ones no more often than by chance."""
    lesson = material.filter_lesson(tiny_recipe(filter__balanced=False))
    seen = []
    for epoch in range(10):
        batches = list(lesson.batches(Fixed(), epoch))
        assert len(batches) == lesson.n_batches == 8
        for batch in (joined(batches[:4]), joined(batches[4:])):
            assert len(pairs_of(batch, batch.y >= 0)) == len(batch.y)
            number = material.event_of(batch)
            sample, state = material.read(number)
            y, weight = edge_truth(sample, state.graph(), lesson.truth)
            n_true = int(((y > 0) & (weight > 0)).sum())
            assert len(batch.y) == min(3 * n_true, int((weight > 0).sum()))
            share = n_true / int((weight > 0).sum())
            seen.append((float(batch.y.sum()), share * len(batch.y)))
    found, expected = (sum(column) for column in zip(*seen, strict=True))
    assert abs(found - expected) < 5 * math.sqrt(expected)
    assert len(set(seen)) > 1


@pytest.mark.parametrize("bound", [HARD_SCORE, 0.8])
def test_hard_fakes_are_those_that_score_above_the_bound(
    material: Material, monkeypatch: pytest.MonkeyPatch, bound: float
) -> None:
    """Where all fakes are looked at, every hard one is shown, as long as there is room."""
    monkeypatch.setattr("hitgraph.graph.filter.lesson.N_SCORED", 1000)
    monkeypatch.setattr("hitgraph.graph.filter.lesson.HARD_SCORE", bound)
    lesson = material.filter_lesson(tiny_recipe())
    batch = joined(list(lesson.batches(Fixed(), 0))[:4])
    number = material.event_of(batch)
    sample, edges = load_sample(material.samples[number]), material.read(number).state.graph()
    y, _ = edge_truth(sample, edges, lesson.truth)
    features = pair_features(sample.hits, edges, material.detector)
    score = torch.sigmoid(Fixed()(sample.hits.features, edges, features))
    all_hard = set(map(tuple, edges[:, (y == 0) & (score > bound)].T.tolist()))
    assert batch.edge_attr is not None
    shown = torch.sigmoid(Fixed()(batch.x, batch.edge_index, batch.edge_attr)) > bound
    hard = pairs_of(batch, (batch.y == 0) & shown)
    assert hard <= all_hard
    room = int((y > 0).sum())
    assert len(hard) == min(room, len(all_hard)) > 0
    assert (len(all_hard) < room) == (bound == 0.8)  # there is room for all, and there is none


def _candidates(material: Material, number: int) -> set[tuple[int, int]]:
    return set(map(tuple, material.read(number).state.graph().T.tolist()))


def _all_same(sample: Sample) -> set[tuple[int, int]]:
    """Pairs of one particle, inner layer first."""
    found = set()
    for i in range(len(sample.hits)):
        for j in range(len(sample.hits)):
            same = sample.particle_id[i] == sample.particle_id[j] != 0
            if same and sample.hits.layer[i] < sample.hits.layer[j]:
                found.add((i, j))
    return found


@pytest.mark.parametrize(("skip_edges", "share"), [("true", 6), ("neutral", 3), ("fake", 3)])
def test_neutral_edges_are_not_shown_to_the_filter(
    material: Material, skip_edges: str, share: int
) -> None:
    """Four hits a particle: three edges between neighbours, three that skip some."""
    lesson = material.filter_lesson(tiny_recipe(truth__skip_edges=skip_edges))
    batches = list(lesson.batches(Fixed(), 0))
    assert sum(int((batch.y > 0).sum()) for batch in batches) == 2 * 8 * share
    assert all(bool((batch.weight > 0).all()) for batch in batches)
    if skip_edges != "fake":
        shown = joined(batches[:4])
        fakes = pairs_of(shown, shown.y == 0)
        assert not fakes & _all_same(load_sample(material.samples[material.event_of(shown)]))


def test_no_edge_of_particles_that_are_no_target_is_shown(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    event = make_event(n_particles=8, n_noise=0, seed=3)
    recipe = tiny_recipe(truth__min_pt=1.5, truth__skip_edges="fake")
    material = make_material([event], tmp_path)
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, recipe.truth)
    save_sample(sample, material.samples[0])
    assert bool(sample.target.any())
    assert not bool(sample.target.all())
    batch = joined(list(material.filter_lesson(recipe).batches(Fixed(), 0)))
    other = sample.particle_id[batch.edge_index]
    same = other[0] == other[1]
    assert bool(sample.target[batch.edge_index[0][same]].all())


def test_weights_of_equation_4_reach_the_loss(material: Material) -> None:
    recipe = tiny_recipe(filter__training__trackml_weights=True)
    lesson = material.filter_lesson(recipe)
    batch = joined(list(lesson.batches(Fixed(), 0))[:4])
    weight = load_sample(material.samples[material.event_of(batch)]).weight
    mean = weight[batch.edge_index].mean(0)
    expected = torch.where(batch.y > 0, mean, torch.ones_like(mean))
    torch.testing.assert_close(batch.weight, expected)


@pytest.mark.parametrize("kind", ["filter", "embedding"])
def test_batches_are_a_function_of_seed_and_epoch(material: Material, kind: str) -> None:
    def edges(seed: int, epoch: int) -> list[list[list[int]]]:
        changes = {"graph": RADIUS} if kind == "embedding" else {}
        recipe = tiny_recipe(seed=seed, **changes)
        torch.manual_seed(0)
        if kind == "filter":
            batches = material.filter_lesson(recipe).batches(Fixed(), epoch)
        else:
            network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
            batches = material.embedding_lesson(recipe).batches(network, epoch)
        return [batch.edge_index.tolist() for batch in batches]

    assert edges(1, 0) == edges(1, 0)
    assert edges(1, 0) != edges(1, 1)
    assert edges(1, 0) != edges(2, 0)


def test_an_event_without_true_edges_does_no_harm(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    """An event of noise among the training events: the loss is zero, not NaN."""
    material = make_material([make_event(n_particles=0, n_noise=6)], tmp_path)
    lesson = material.filter_lesson(tiny_recipe())
    network = Fixed()
    batches = list(lesson.batches(network, 0))
    assert len(batches) == lesson.n_batches
    for batch in batches:
        loss = lesson.loss(network, batch)
        loss.backward()
        assert float(loss.detach()) == 0.0
    measured = lesson.measure(network, lesson.validation_batch(0))
    assert all(math.isfinite(value) for value in measured.values())

    embedding = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    other = material.embedding_lesson(tiny_recipe(graph=RADIUS))
    for epoch in (0, 1):
        (batch,) = other.batches(embedding, epoch)
        assert float(other.loss(embedding, batch).detach()) == 0.0
    measured = other.measure(embedding, other.validation_batch(0))
    assert all(math.isfinite(value) for value in measured.values())


# ---------------------------------------------------------------- losses and figures of merit


def labelled(y: list[float], weight: list[float] | None = None) -> Batch:
    n_edges = len(y)
    return Batch(
        torch.zeros(2, 1),
        torch.zeros(2, n_edges, dtype=torch.int64),
        torch.zeros(n_edges, 1),
        torch.tensor(y),
        torch.ones(n_edges) if weight is None else torch.tensor(weight),
    )


def test_the_loss_is_the_weighted_mean_cross_entropy() -> None:
    logits = torch.tensor([0.0, math.log(3.0), -5.0])
    batch = labelled([1.0, 0.0, 1.0], [1.0, 2.0, 0.0])
    by_hand = (1.0 * math.log(2.0) + 2.0 * math.log(4.0)) / 3.0  # the last one is neutral
    assert float(weighted_loss(logits, batch)) == pytest.approx(by_hand)
    both = torch.stack([logits, torch.zeros(3)])
    assert float(weighted_loss(both, batch)) == pytest.approx((by_hand + math.log(2.0)) / 2)


def test_nothing_but_neutral_edges_is_no_loss() -> None:
    logits = torch.randn(3, requires_grad=True)
    loss = weighted_loss(logits, labelled([1.0, 1.0, 1.0], [0.0] * 3))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert logits.grad.tolist() == [0.0] * 3


def test_edges_kept_at_an_efficiency() -> None:
    """Of four true edges at 4, 3, 2, 1: to keep three of four, everything from 2 up stays."""
    logits = torch.tensor([4.0, 3.0, 2.0, 1.0, 2.5, 0.5, 9.0])
    batch = labelled([1, 1, 1, 1, 0, 0, 1], [1, 1, 1, 1, 1, 1, 0])
    assert kept_at_efficiency(logits, batch, 0.75) == pytest.approx(4 / 4)
    assert kept_at_efficiency(logits, batch, 1.0) == pytest.approx(5 / 4)
    assert kept_at_efficiency(logits, labelled([0.0] * 7), 0.9) == 0.0


def test_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(60, generator=random)
    y = (torch.rand(60, generator=random) < 0.3).float()
    weight = (torch.rand(60, generator=random) < 0.8).float()
    batch = labelled(y.tolist(), weight.tolist())
    true, fake = logits[(y > 0) & (weight > 0)], logits[(y == 0) & (weight > 0)]
    in_order = (true[:, None] > fake[None, :]).float().mean()
    assert auc(logits, batch) == pytest.approx(float(in_order))
    assert auc(logits, labelled([1.0] * 60)) == 1.0


# ---------------------------------------------------------------- graph network


def graph_lesson(path: Path, **changes: object) -> GraphLesson:
    recipe = tiny_recipe(**changes)
    settings: Any = recipe.step("gnn").settings
    read = partial(load_file, path)
    return GraphLesson(settings, recipe.seed, [read], [read])


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """200 hits at random azimuths, numbered by their one feature; 400 edges at random."""
    random = torch.Generator().manual_seed(0)
    edges = torch.randint(200, (2, 400), generator=random)
    write_tensors(
        {
            "x": torch.arange(200.0)[:, None],
            "phi": (torch.rand(200, generator=random) * 2 - 1) * math.pi,
            "edge_index": edges.int(),
            "edge_attr": (edges[0] * 1000 + edges[1]).float()[:, None],
            "y": torch.ones(400, dtype=torch.uint8),
            "weight": torch.ones(400),
        },
        tmp_path / "graph",
    )
    return tmp_path / "graph"


@pytest.mark.parametrize("sectors", [1, 2, 5])
def test_every_hit_is_in_one_sector_and_every_edge_in_one_at_most(
    graph: Path, sectors: int
) -> None:
    lesson = graph_lesson(graph, gnn__sectors=sectors)
    phi = load_graph(partial(load_file, graph)).phi
    assert phi is not None
    for epoch in range(3):
        batches = list(lesson.batches(nn.Identity(), epoch))
        assert len(batches) == lesson.n_batches == sectors
        rows = torch.cat([batch.x[:, 0] for batch in batches])
        assert sorted(rows.tolist()) == list(range(200))
        edges = [edge for batch in batches for edge in batch.edge_attr[:, 0].tolist()]  # type: ignore[index]
        assert len(edges) <= 400
        for batch in batches:  # hits keep their edges
            ends = batch.x[batch.edge_index, 0]
            assert torch.equal(ends[0] * 1000 + ends[1], batch.edge_attr[:, 0])  # type: ignore[index]
            around = phi[batch.x[:, 0].long()].sort().values
            gap = torch.diff(around, append=around[:1] + 2 * math.pi).max()
            assert sectors == 1 or float(gap) > 2 * math.pi * (1 - 1 / sectors) - 1e-4


def test_sectors_that_overlap_count_an_edge_once_and_see_all_that_is_near(graph: Path) -> None:
    overlap = 0.4
    lesson = graph_lesson(graph, gnn__sectors=5, gnn__overlap=overlap)
    whole = load_graph(partial(load_file, graph))
    assert whole.phi is not None
    counted: Counter[float] = Counter()
    for batch in lesson.batches(nn.Identity(), 0):
        outer = torch.unique(batch.x[batch.edge_index[1, batch.weight > 0], 0].long())
        apart = (whole.phi[:, None] - whole.phi[outer] + math.pi) % (2 * math.pi) - math.pi
        near = torch.nonzero((apart.abs() < overlap - 1e-4).any(dim=1)).squeeze(1)
        assert set(near.tolist()) <= set(batch.x[:, 0].long().tolist())
        counted.update(names(batch)[batch.weight > 0].tolist())
    assert counted <= Counter(names(whole).tolist())
    apart = (whole.phi[whole.edge_index].diff(dim=0)[0] + math.pi) % (2 * math.pi) - math.pi
    assert Counter(names(whole)[apart.abs() < overlap - 1e-4].tolist()) <= counted


def names(batch: Batch) -> Tensor:
    """(n_edges,) the one feature of an edge, which names its hits."""
    assert batch.edge_attr is not None
    return batch.edge_attr[:, 0]


@pytest.mark.parametrize(("sectors", "overlap"), [(1, 0.1), (8, 0.8), (8, -0.1)])
def test_an_overlap_beyond_the_next_sector_is_refused(sectors: int, overlap: float) -> None:
    with pytest.raises(SettingsError, match="overlap"):
        tiny_recipe(gnn__sectors=sectors, gnn__overlap=overlap)


@given(phi=st.floats(-10, 10, width=32), n_sectors=st.integers(1, 16))
def test_a_sector_is_a_number_below_the_count(phi: float, n_sectors: int) -> None:
    (sector,) = sector_of(torch.tensor([phi]), n_sectors).tolist()
    assert 0 <= sector < n_sectors
    middle = (sector + 0.5) * 2 * math.pi / n_sectors
    away = abs((phi - middle + math.pi) % (2 * math.pi) - math.pi)
    assert away <= math.pi / n_sectors + 1e-5


def test_a_part_of_a_graph_has_the_edges_with_both_ends_in_it() -> None:
    batch = Batch(
        torch.arange(4.0)[:, None],
        torch.tensor([[0, 1, 1, 3], [1, 2, 3, 0]]),
        torch.arange(4.0)[:, None],
        torch.tensor([1.0, 0.0, 1.0, 0.0]),
        torch.tensor([1.0, 2.0, 3.0, 4.0]),
    )
    part = cut(batch, torch.tensor([True, True, False, True]))
    assert part.x[:, 0].tolist() == [0, 1, 3]
    assert part.edge_index.tolist() == [[0, 1, 2], [1, 2, 0]]
    assert part.edge_attr is not None
    assert part.edge_attr[:, 0].tolist() == [0, 2, 3]
    assert part.y.tolist() == [1, 1, 0]
    assert part.weight.tolist() == [1, 3, 4]


def test_an_empty_sector_teaches_nothing() -> None:
    settings: Any = tiny_recipe().step("gnn").settings
    network = settings.build()
    batch = labelled([1.0])._replace(x=torch.zeros(2, 2), edge_attr=torch.zeros(1, 4))
    empty = cut(batch, torch.tensor([False, False]))
    lesson = GraphLesson(settings, 0, [], [])
    loss = lesson.loss(network, empty)
    loss.backward()
    assert float(loss.detach()) == 0.0


MIRRORED = ("r", "phi", "z", "x", "y", "eta")


@pytest.mark.parametrize("mirrors", ["x", "y", "z", "xy", "yz", "xyz"])
def test_a_mirrored_event_looks_as_reflect_says(
    make_event: Callable[..., Event], mirrors: str
) -> None:
    """The real features of mirrored hits (x -> -x, y -> -y, z -> -z) are the reflected features.

    Mirroring at a plane through the beam turns the curvature of a track, as charge conjugation
    does.
    """
    event = make_event(n_particles=8, n_noise=6, seed=5)
    detector = event.detector
    assert detector is not None
    recipe = tiny_recipe(
        gnn__hit_inputs=list(MIRRORED), gnn__edge_inputs=[*GEOMETRY_FEATURES, "logit"]
    )
    settings: Any = recipe.step("gnn").settings
    hits = hits_from_event(event, detector, clusters=False)
    pairs = torch.combinations(torch.arange(len(hits))).T
    logits = torch.linspace(-1, 1, pairs.shape[1])
    sign = torch.tensor([-1.0 if axis in mirrors else 1.0 for axis in "xyz"])
    x, y, z = (hits.position * sign).unbind(1)
    there = Hits(
        torch.stack([torch.hypot(x, y), torch.atan2(y, x), z], dim=1),
        hits.position * sign,
        hits.layer,
        hits.module,
    )
    further = [name for name in MIRRORED if name not in hits.columns]
    hits, there = with_columns(hits, further), with_columns(there, further)
    batch, mirrored = (
        Batch(
            some.take(MIRRORED),
            pairs,
            torch.cat([pair_features(some, pairs, detector), logits[:, None]], dim=1),
            torch.zeros(pairs.shape[1]),
            torch.ones(pairs.shape[1]),
        )
        for some in (hits, there)
    )
    reflected = reflect(batch, settings, mirrors)  # type: ignore[arg-type]
    torch.testing.assert_close(reflected.x, mirrored.x)
    assert reflected.edge_attr is not None
    torch.testing.assert_close(reflected.edge_attr, mirrored.edge_attr, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(batch.x, mirrored.x)
    twice = reflect(reflected, settings, mirrors)  # type: ignore[arg-type]
    torch.testing.assert_close(twice.x, batch.x)
    assert torch.equal(twice.edge_attr, batch.edge_attr)  # type: ignore[arg-type]


def test_reflections_come_at_random(graph: Path) -> None:
    recipe = {"gnn__reflect": True, "gnn__hit_inputs": ["z"], "gnn__edge_inputs": ["sin_dphi"]}
    lesson = graph_lesson(graph, **recipe)
    seen = set()
    for epoch in range(20):
        (batch,) = lesson.batches(nn.Identity(), epoch)
        assert batch.edge_attr is not None
        seen.add((float(batch.x[1, 0].sign()), float(batch.edge_attr[1, 0].sign())))
    assert seen == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


@pytest.mark.parametrize("mirror", ["x", "y"])
def test_only_the_mirrors_that_the_recipe_names_are_looked_into(graph: Path, mirror: str) -> None:
    recipe = {"gnn__reflect": True, "gnn__mirrors": [mirror], "gnn__hit_inputs": ["z"]}
    lesson = graph_lesson(graph, **recipe, gnn__edge_inputs=["sin_dphi"])
    seen = set()
    for epoch in range(20):
        (batch,) = lesson.batches(nn.Identity(), epoch)
        assert batch.edge_attr is not None
        seen.add((float(batch.x[1, 0].sign()), float(batch.edge_attr[1, 0].sign())))
    assert seen == {(1, 1), (1, -1)}


# ---------------------------------------------------------------- embedding


def test_an_epoch_of_the_embedding_shows_all_true_edges_then_hard_negatives(
    material: Material,
) -> None:
    recipe = tiny_recipe(graph=RADIUS | {"random_epochs": 1})
    lesson = material.embedding_lesson(recipe)
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    network.learn_inputs(load_sample(material.samples[0]).hits.features)
    n_negative = []
    for epoch in (0, 1):
        batches = list(lesson.batches(network, epoch))
        assert len(batches) == lesson.n_batches == 2
        n_true = sum(int((batch.y > 0).sum()) for batch in batches)
        assert n_true == 2 * 8 * 3  # three edges between the four hits of each particle
        n_negative.append(sum(int((batch.y == 0).sum()) for batch in batches))
    assert n_negative[0] <= N_RANDOM * n_true
    assert n_negative[0] < n_negative[1] <= (N_RANDOM + N_HARD) * n_true


def test_the_sectors_of_an_epoch_have_each_hit_once(material: Material) -> None:
    """And the true edges with both ends in them."""
    n_sectors = 4
    lesson = material.embedding_lesson(tiny_recipe(graph=RADIUS | {"sectors": n_sectors}))
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    batches = list(lesson.batches(network, 0))
    assert len(batches) == lesson.n_batches == n_sectors * len(material.samples)
    rows = torch.cat([batch.x for batch in batches])
    samples = [load_sample(path) for path in material.samples]
    features = torch.cat([sample.hits.take(FEATURES) for sample in samples])
    assert len(rows) == len(features)
    assert torch.equal(rows.unique(dim=0), features.unique(dim=0))
    n_true = sum(sample.true_edges.shape[1] for sample in samples)
    assert 0 < sum(int((batch.y > 0).sum()) for batch in batches) <= n_true
    for batch in batches:
        turn = batch.x[:, FEATURES.index("phi")].sort().values
        gap = torch.diff(turn, append=turn[:1] + 2 * math.pi).max()
        assert float(gap) > 2 * math.pi * (1 - 1 / n_sectors) - 1e-4


def test_all_pairs_of_a_track_are_true_where_the_recipe_says_so(material: Material) -> None:
    recipe = tiny_recipe(graph=RADIUS | {"true_pairs": "track"})
    lesson = material.embedding_lesson(recipe)
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    for batch in lesson.batches(network, 0):
        sample = load_sample(material.samples[material.event_of(batch)])
        hits = range(len(sample.hits))
        same = {(i, j) for i in hits for j in hits if i < j and _of_one(sample, i, j)}
        assert pairs_of(batch, batch.y > 0) == same
        assert int((batch.y > 0).sum()) == len(same) == 8 * 6  # of four hits of each particle
        assert not pairs_of(batch, batch.y == 0) & same


def _of_one(sample: Sample, i: int, j: int) -> bool:
    return bool(sample.target[i]) and bool(sample.particle_id[i] == sample.particle_id[j])


def test_most_mined_pairs_lie_within_the_margin(material: Material) -> None:
    """Random pairs of an untrained network lie anywhere, mined ones where the loss pushes."""
    lesson = material.embedding_lesson(tiny_recipe(graph=RADIUS | {"random_epochs": 0}))
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    with torch.no_grad():
        network.layers[-1].weight *= 20  # spread the hits out
    sample = load_sample(material.samples[0])
    random = torch.Generator().manual_seed(0)
    latents = network(sample.hits.features).detach()
    mined = lesson._batch(network, sample, True, random)
    plain = lesson._batch(network, sample, False, random)

    def share(batch: Batch) -> float:
        ends = latents[batch.edge_index[:, batch.y == 0]]
        return float(((ends[0] - ends[1]).norm(dim=1) < MARGIN).float().mean())

    assert share(mined) > 2 * share(plain)


@pytest.mark.parametrize(("skip_edges", "weight"), [("true", 0.0), ("neutral", 0.0), ("fake", 1.0)])
def test_other_pairs_of_a_particle_repel_only_if_the_recipe_says_so(
    material: Material, skip_edges: str, weight: float
) -> None:
    recipe = tiny_recipe(graph=RADIUS, truth__skip_edges=skip_edges)
    lesson = material.embedding_lesson(recipe)
    sample = load_sample(material.samples[0])
    chain = sample.true_edges[:, :1]
    onward = sample.true_edges[:, sample.true_edges[0] == chain[1, 0]]
    pairs = torch.cat([chain, torch.stack([chain[0], onward[1]])], dim=1)  # an edge, a skip
    batch = lesson._labelled(sample, pairs, torch.tensor([True, False]))
    assert batch.y.tolist() == [1.0, 0.0]
    assert batch.weight.tolist() == [1.0, weight]


def test_the_radius_holds_the_wanted_share_of_true_edges(material: Material) -> None:
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    distances = []
    for path in material.samples:
        sample = load_sample(path)
        ends = network(sample.hits.features).detach()[sample.true_edges]
        distances.append((ends[0] - ends[1]).norm(dim=1))
    distance = torch.cat(distances)
    for efficiency in (0.5, 0.9, 1.0):
        radius = radius_at_efficiency(network, material.reads, efficiency)
        share = float((distance <= radius * (1 + 1e-6)).float().mean())
        assert share == pytest.approx(efficiency, abs=1.01 / len(distance))


def test_the_embedding_is_judged_by_neighbours_a_hit_at_that_radius(material: Material) -> None:
    lesson = material.embedding_lesson(tiny_recipe(graph=RADIUS))
    torch.manual_seed(0)
    network = EmbeddingNetwork(EmbeddingSettings(8, 1, 3), FEATURES)
    with torch.no_grad():
        measured = lesson.measure(network, lesson.validation_batch(0))
    latents = network(load_sample(material.samples[0]).hits.features).detach().numpy()
    distance = np.linalg.norm(latents[:, None] - latents[None, :], axis=2)
    near = (distance <= measured["val_radius"]).sum(1).mean()
    assert measured["val_loss"] == pytest.approx(near, rel=0.02)
