"""What holds for every track builder that needs a place for every hit, and no edges."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tracks.graphs import make_hits, partition
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.objects import objects_of
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.stage import STAGES, Context, StageSettings, gives_of, needs_of
from hitgraph.state import EDGES, LABELS, State
from hitgraph.tracks import checks
from hitgraph.tracks.checks import TooManyPairs
from hitgraph.training.workshop import StageWorkshop

NAMES = [
    name
    for name in STAGES.own
    if LABELS in gives_of(STAGES[name])
    and "hit.place" in needs_of(STAGES[name])
    and EDGES not in needs_of(STAGES[name])
]
names = pytest.mark.parametrize("name", NAMES)
backends = pytest.mark.parametrize("backend", ["cpu", "plain"])


@pytest.fixture(scope="module")
def detector(tiny_event: Event) -> Detector:
    assert tiny_event.detector is not None
    return tiny_event.detector


@pytest.fixture(scope="module")
def some_detector(detector: Detector) -> Callable[[], Detector]:
    """For tests whose arguments hypothesis prints."""
    return lambda: detector


def build(
    name: str, detector: Detector, place: Tensor, beta: Tensor, backend: Backend = "auto"
) -> Tensor:
    chosen: Any = STAGES[name]
    made: StageSettings = chosen(radius=0.5, min_hits=2)
    context = Context(detector, backend=backend)
    tensors = {"radius": torch.tensor(0.5).double(), "beta_cut": torch.tensor(0.1).double()}
    tensors = {key: value for key, value in tensors.items() if hasattr(made, key)}
    stage = made.load(context, tensors)
    assert stage.tensors() == tensors
    labels = stage(State(make_hits(len(place))).with_hit(place=place, beta=beta)).labels
    assert labels is not None
    return labels


def drawn(n_hits: int, seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n_hits, 2, generator=random), torch.rand(n_hits, generator=random)


def test_there_are_two() -> None:
    assert {"condensation", "dbscan_points"} <= set(NAMES)


@names
@backends
def test_groups_far_from_each_other_are_tracks(
    name: str, backend: Backend, detector: Detector
) -> None:
    place = torch.tensor([[0.0, 0], [5, 5], [0.1, 0], [9, 0], [5, 5.2], [0, 0.1], [4.9, 5]])
    labels = build(name, detector, place, torch.full((7,), 0.5), backend)
    assert labels.tolist() == [0, 1, 0, -1, 1, 0, 1]


@names
@backends
@settings(max_examples=30, deadline=None)
@given(n_hits=st.integers(0, 40), seed=st.integers(0, 1000))
def test_the_order_of_hits_changes_no_track(
    name: str, backend: Backend, some_detector: Callable[[], Detector], n_hits: int, seed: int
) -> None:
    detector = some_detector()
    place, beta = drawn(n_hits, seed)
    order = torch.randperm(n_hits, generator=torch.Generator().manual_seed(seed))
    labels = build(name, detector, place, beta, backend)
    again = build(name, detector, place[order], beta[order], backend)
    there = {frozenset(order[list(track)].tolist()) for track in partition(again)}
    assert there == partition(labels)
    found = sorted(set(labels.tolist()) - {-1})
    assert found == list(range(len(found)))


@names
def test_what_is_no_number_in_a_file_is_refused(name: str, detector: Detector) -> None:
    made = STAGES[name]()
    numbers = {key: torch.tensor(0.5).double() for key in ("radius", "beta_cut")}
    good = {key: value for key, value in numbers.items() if hasattr(made, key)}
    for wrong in (float("nan"), -1.0):
        with pytest.raises(InputError, match="radius"):
            made.load(Context(detector), {**good, "radius": torch.tensor(wrong).double()})
    with pytest.raises(InputError, match="other: unknown tensor"):
        made.load(Context(detector), {**good, "other": torch.tensor(0.5).double()})


@pytest.fixture(scope="module")
def material(make_event: Callable[..., Event]) -> Material:
    """Hits of a particle lie within 0.1 of each other, particles 1 apart."""

    def example(sample: Sample) -> Example:
        owner = objects_of(sample).clamp_min(-1).float()
        random = torch.Generator().manual_seed(1)
        place = owner[:, None] + 0.1 * torch.rand(len(owner), 1, generator=random)
        place = torch.cat([place, torch.zeros_like(place)], dim=1)
        beta = torch.rand(len(owner), generator=random)
        return Example(sample, State(sample.hits).with_hit(place=place, beta=beta))

    events = [make_event(n_particles=20, n_noise=0, seed=seed) for seed in range(2)]
    truth = TruthSettings(min_pt=0.0, min_hits=3)
    samples = [make_sample(e, e.detector, False, truth) for e in events if e.detector]
    reads = [partial(example, sample) for sample in samples]
    return Material(reads[:1], reads[1:])


def workshop(folder: Path) -> StageWorkshop:
    return StageWorkshop("tracks", folder, 1, TruthSettings(), "cpu", False, True, lambda _: None)


@names
def test_cuts_are_chosen_with_which_all_is_found(
    name: str, material: Material, detector: Detector, tmp_path: Path
) -> None:
    shop = workshop(tmp_path)
    chosen: Any = STAGES[name]
    chosen(radius=1e-3).learn(Context(detector), material, shop)
    assert shop.facts["target_score"] == pytest.approx(1.0)
    assert 0.02 < shop.facts["radius"] < 1.0


@names
def test_radii_too_large_for_the_memory_are_passed_over(
    name: str,
    material: Material,
    detector: Detector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a radius of 50 all hits are neighbours; where all radii are so, that is said."""
    n_hits = len(material.validation[0]().sample.hits)
    monkeypatch.setattr(checks, "MAX_PAIRS", n_hits**2 // 2)
    chosen: Any = STAGES[name]
    shop = workshop(tmp_path)
    chosen(radius=50.0).learn(Context(detector), material, shop)
    assert shop.facts["radius"] < 50.0
    monkeypatch.setattr(checks, "MAX_PAIRS", 1)
    with pytest.raises(TooManyPairs, match="points have about"):
        chosen(radius=50.0).learn(Context(detector), material, shop)
