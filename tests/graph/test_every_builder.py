"""What holds for every graph builder, learnt on small events, by the kernels and in torch."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.host import nothing_on_the_host
from tests.trained import BUILDERS
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.settings import parse_choice
from hitgraph.stage import STAGES, Context, Stage, StageSettings, kind_of, needs_of
from hitgraph.state import LABELS, State
from hitgraph.training.workshop import StageWorkshop

IN_LAYERS = {"delaunay"}  # joins hits of one layer and one wire: tests/graph/test_delaunay.py
NAMES = [  # those that need nothing but hits
    name
    for name in STAGES.own
    if kind_of(STAGES[name]) == "builder" and LABELS not in needs_of(STAGES[name])
    if name not in IN_LAYERS
]
names = pytest.mark.parametrize("name", NAMES)
backends = pytest.mark.parametrize("backend", ["cpu", "plain"])

Learnt = Callable[[str], tuple[StageSettings, Stage]]


@pytest.fixture(scope="module")
def samples(make_event: Callable[..., Event]) -> list[Sample]:
    events = [make_event(n_particles=40, n_noise=20, seed=seed) for seed in range(5)]
    return [make_sample(e, e.detector, True, TruthSettings()) for e in events if e.detector]


@pytest.fixture(scope="module")
def detector(tiny_event: Event) -> Detector:
    assert tiny_event.detector is not None
    return tiny_event.detector


@pytest.fixture(scope="module")
def learnt(
    samples: list[Sample], detector: Detector, tmp_path_factory: pytest.TempPathFactory
) -> Learnt:
    """Settings and stage by name, each learnt when it is first asked for."""
    made: dict[str, tuple[StageSettings, Stage]] = {}
    reads = [partial(Example, sample, State(sample.hits)) for sample in samples[:4]]
    material = Material(reads[:3], reads[3:])

    def learn(name: str) -> tuple[StageSettings, Stage]:
        if name not in made:
            settings = settings_of(name)
            folder: Path = tmp_path_factory.mktemp(name)
            shop = StageWorkshop(
                "graph", folder, 1, TruthSettings(), "cpu", False, True, lambda _: None
            )
            made[name] = settings, settings.learn(Context(detector), material, shop)
        return made[name]

    return learn


def settings_of(name: str) -> StageSettings:
    chosen: dict[str, Any] = BUILDERS.get(name, {})
    return parse_choice(STAGES, {"use": name, **chosen}, name)


def build(
    learnt: Learnt, name: str, detector: Detector, hits: Any, backend: Backend = "auto"
) -> Tensor:
    settings, stage = learnt(name)
    again = settings.load(Context(detector, backend=backend), stage.tensors())
    return again(State(hits)).graph()


def keys(edges: Tensor) -> list[tuple[int, int]]:
    return sorted(map(tuple, edges.T.tolist()))


@names
@backends
def test_edges_run_outward_from_module_to_module_each_pair_once(
    learnt: Learnt, samples: list[Sample], detector: Detector, name: str, backend: Backend
) -> None:
    hits = samples[-1].hits
    edges = build(learnt, name, detector, hits, backend)
    assert edges.dtype == torch.int64
    assert edges.shape[1] > 0
    far, (inner, outer) = squared_distance(hits.position), edges
    assert bool((far[inner] <= far[outer]).all())
    assert bool((hits.module[inner] != hits.module[outer]).all())
    assert len(set(keys(edges))) == edges.shape[1]


@names
def test_most_true_edges_of_another_event_are_among_them(
    learnt: Learnt, samples: list[Sample], detector: Detector, name: str
) -> None:
    found = set(keys(build(learnt, name, detector, samples[-1].hits)))
    wanted = keys(samples[-1].true_edges)
    assert len(found & set(wanted)) > 0.6 * len(wanted)


@names
def test_kernels_and_torch_find_the_same(
    learnt: Learnt, samples: list[Sample], detector: Detector, name: str
) -> None:
    one, other = (
        keys(build(learnt, name, detector, samples[-1].hits, backend))
        for backend in ("cpu", "plain")
    )
    assert one == other


@names
@backends
def test_the_order_of_hits_changes_nothing(
    learnt: Learnt, samples: list[Sample], detector: Detector, name: str, backend: Backend
) -> None:
    hits = samples[-1].hits
    order = torch.randperm(len(hits), generator=torch.Generator().manual_seed(3))
    edges = build(learnt, name, detector, hits, backend)
    shuffled = build(learnt, name, detector, hits.select(order), backend)
    assert keys(order[shuffled]) == keys(edges)


@names
def test_nothing_goes_through_the_host(
    learnt: Learnt, samples: list[Sample], detector: Detector, name: str, device: str
) -> None:
    settings, taught = learnt(name)
    stage = settings.load(
        Context(detector, torch.device(device), backend="plain"), taught.tensors()
    )
    state = State(samples[-1].hits.to(device))
    edges = stage(state).graph()  # tables go to the device once
    with nothing_on_the_host():
        assert torch.equal(stage(state).graph(), edges)


@names
@backends
def test_a_hit_or_none_has_no_edges(
    learnt: Learnt, samples: list[Sample], detector: Detector, name: str, backend: Backend
) -> None:
    for n in (0, 1):
        hits = samples[-1].hits.select(torch.arange(n))
        assert build(learnt, name, detector, hits, backend).shape == (2, 0)


@names
def test_what_was_learnt_is_checked_when_it_is_read(
    learnt: Learnt, detector: Detector, name: str
) -> None:
    settings, stage = learnt(name)
    context, tensors = Context(detector), stage.tensors()
    for one in tensors:
        lacking = {key: value for key, value in tensors.items() if key != one}
        with pytest.raises(InputError, match=one.rpartition(".")[2]):
            settings.load(context, lacking)
    with pytest.raises(InputError, match="odd"):
        settings.load(context, {**tensors, "odd": torch.zeros(1)})
    for one, value in tensors.items():
        if value.is_floating_point() and value.numel():
            with pytest.raises(InputError, match="NaN"):
                settings.load(context, {**tensors, one: value * torch.nan})
