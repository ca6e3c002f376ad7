"""What a graph network is taught: sectors, reflections."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.trained import tiny_recipe
from tests.training.lessons import labelled
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.gnn.lesson import GraphLesson, cut, load_graph, reflect
from hitgraph.hits import Hits, hits_from_event, with_columns
from hitgraph.lessons.lesson import Batch
from hitgraph.lessons.sectors import sector_of
from hitgraph.pairs import GEOMETRY_FEATURES, pair_features
from hitgraph.tensor_files import write_tensors


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
