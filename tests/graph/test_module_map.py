"""The module map: rings, ranges, and a search that agrees with testing every pair and triplet."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.truth import true_edges
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.graph.module_map import ModuleMapBuilder, ModuleMapSettings, learn_module_map
from hitgraph.graph.module_map.learning import rings_of
from hitgraph.graph.module_map.rings import Rings, find_rings
from hitgraph.graph.module_map.statistics import CutSettings, Ranges, learn_ranges
from hitgraph.graph.module_map.tables import ModuleMap
from hitgraph.graph.module_map.values import (
    PAIR_VARIABLES,
    TRIPLET_VARIABLES,
    columns_of,
    pair_values,
    triplet_values,
)
from hitgraph.hits import Hits, hits_from_event
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend
from hitgraph.operations import toy_event, toy_graph

ALL = ModuleMapSettings(min_seen=1, max_radius=1e6)
backends = pytest.mark.parametrize("backend", ["cpu", "plain"])


def as_set(edges: Tensor) -> set[tuple[int, int]]:
    found = list(map(tuple, edges.T.tolist()))
    assert len(found) == len(set(found)), "an edge was found twice"
    return set(found)


# ---------------------------------------------------------------- rings


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=3))
def test_each_pair_of_modules_is_one_member_of_its_class(sizes: list[int]) -> None:
    size = np.array(sizes)
    rings = Rings(
        np.repeat(np.arange(len(size)), size), np.concatenate([np.arange(n) for n in size]), size
    )
    n = int(size.sum())
    inner, outer = (one.ravel() for one in np.indices((n, n)))
    classes, members = np.unique(rings.classes(inner, outer), return_counts=True)
    row, a, b = rings.members(classes)
    assert sorted(zip(a, b, strict=True)) == sorted(zip(inner, outer, strict=True))
    assert np.array_equal(rings.classes(a, b), classes[row])
    rings_of_class = classes // size.max()
    smaller = np.minimum(size[rings_of_class // len(size)], size[rings_of_class % len(size)])
    assert np.array_equal(members, smaller)
    assert classes.max() < rings.n_classes


def test_a_turn_about_the_beam_leaves_the_class_of_a_pair() -> None:
    rings = Rings(np.repeat([0, 1], 8), np.tile(np.arange(8), 2), np.array([8, 8]))
    for a, b, turn in itertools.product(range(8), range(8), range(8)):
        one = rings.classes(np.array([a]), np.array([8 + b]))
        assert one == rings.classes(np.array([(a + turn) % 8]), np.array([8 + (b + turn) % 8]))


def test_rings_of_a_barrel_are_its_rows_along_z(tiny_event: Event) -> None:
    """tests.conftest: layers of 8 to 36 modules around the beam and 7 along it."""
    assert tiny_event.detector is not None
    detector: Detector = tiny_event.detector
    rings = find_rings(detector)
    assert sorted(rings.size) == sorted([8, 16, 24, 36] * 7)
    for ring, n in enumerate(rings.size):
        of_ring = np.flatnonzero(rings.ring == ring)
        assert len(np.unique(detector.layer[of_ring])) == 1
        assert np.ptp(detector.centre[of_ring, 2]) < 1e-6
        assert sorted(rings.place[of_ring]) == list(range(n))


# ---------------------------------------------------------------- ranges


def ranges(cuts: Any, values: list[float], least: int = 1, **chosen: Any) -> list[list[float]]:
    how = CutSettings(cuts, **{"widen": 0.0, "n_rms": 1.0, "hybrid_seen": 4, "tail": 0.2} | chosen)
    key = np.zeros(len(values), np.int64)
    found = learn_ranges(key, np.array(values, np.float32)[:, None], least, how)
    assert found.seen.tolist() == [len(values)] * len(found.key)
    return [one[0].tolist() for one in found.bounds]


def test_ranges_are_those_of_their_definition() -> None:
    values = [1.0, 5.0, 2.0, 4.0, 3.0]  # mean 3, rms sqrt(2)

    def close(low: float, high: float) -> list[Any]:
        return [pytest.approx([low, high], abs=1e-4)]

    assert ranges("minmax", values) == close(1, 5)
    assert ranges("minmax", values, widen=1.0) == close(1 - 4 / 5, 5 + 4 / 5)
    assert ranges("meanrms", values) == close(3 - 2**0.5, 3 + 2**0.5)
    assert ranges("meanrms", values, n_rms=9.0) == close(1, 5)  # not beyond what was seen
    assert ranges("hybrid", values) == close(3 - 2**0.5, 3 + 2**0.5)
    assert ranges("hybrid", values, hybrid_seen=6) == close(1, 5)
    assert ranges("quantile", values) == close(2, 4)
    assert ranges("minmax", values, least=5) == close(1, 5)
    assert ranges("minmax", values, least=6) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10, width=32)), min_size=1))
def test_each_connection_has_the_range_of_its_own_values(pairs: list[tuple[int, float]]) -> None:
    key, value = np.array([k for k, _ in pairs]), np.array([[v] for _, v in pairs], np.float32)
    found = learn_ranges(key, value, 2, CutSettings("minmax", 0.0, 1.0, 1, 0.0))
    often = [k for k in sorted(set(key.tolist())) if (key == k).sum() > 1]
    assert found.key.tolist() == often
    for row, k in enumerate(often):
        own = value[key == k]
        low, high = found.bounds[row, 0]
        assert low <= own.min()
        assert high >= own.max()
        assert high - low <= np.ptp(own) + 1e-3


# ---------------------------------------------------------------- values


def hits_at(position: list[list[float]]) -> Hits:
    n = len(position)
    where = torch.tensor(position).reshape(n, 3)
    return Hits(torch.zeros(n, 3), where, torch.zeros(n).long(), torch.arange(n))


def test_values_of_a_straight_line_from_the_beam_line() -> None:
    """x = r, z = 10 + 2 r: no change of azimuth, z0 of 10 mm, no difference of slopes."""
    hits = hits_at([[10.0, 0, 30], [20.0, 0, 50], [40.0, 0, 90]])
    columns = columns_of(hits)
    first, middle, last = torch.tensor([[0], [1], [2]])
    z0, dphi, slope, deta = pair_values(columns, first, middle)[0].tolist()
    assert (z0, dphi, slope) == pytest.approx((10, 0, 0))
    assert deta == pytest.approx(np.arcsinh(3) - np.arcsinh(2.5), abs=1e-6)
    values = triplet_values(columns, first, middle, last)[0]
    named = dict(zip(TRIPLET_VARIABLES, values.tolist(), strict=True))
    assert named["z0_12"] == named["z0_23"] == pytest.approx(10)
    assert named["diff_dzdr"] == pytest.approx(0, abs=1e-6)
    assert named["diff_phi_slope"] == pytest.approx(0, abs=1e-9)


def test_azimuth_goes_the_short_way_around() -> None:
    turned = [np.pi - 0.1, -np.pi + 0.1]
    hits = hits_at(
        [[r * np.cos(a), r * np.sin(a), 0] for r, a in zip((10, 20), turned, strict=True)]
    )
    values = pair_values(columns_of(hits), torch.tensor([0]), torch.tensor([1]))[0]
    assert values[1:3].tolist() == pytest.approx([0.2, 0.02], rel=1e-5)


def test_diff_dydx_is_what_the_reader_of_maps_computes() -> None:
    """(y2 - y1) / (x1 - x2) - (y2 - y3) / (x2 - x3), in the order of ModuleMapGraph."""
    (x1, y1, _), (x2, y2, _), (x3, y3, _) = points = [[10.0, 1, 0], [22, 5, 0], [41, 6, 0]]
    value = triplet_values(columns_of(hits_at(points)), *torch.tensor([[0], [1], [2]]))[0, -1]
    assert TRIPLET_VARIABLES[-1] == "diff_dydx"
    assert float(value) == pytest.approx((y2 - y1) / (x1 - x2) - (y2 - y3) / (x2 - x3))


def test_hits_of_one_radius_or_on_the_beam_line_have_finite_values() -> None:
    """A difference that is divided by counts as 0.001 mm where it is less."""
    hits = hits_at([[3.0, 4, 0], [4, 3, 1], [3, 4, 2], [0, 0, 5], [0, 0, 7]])
    every = torch.combinations(torch.arange(5), with_replacement=True).T
    assert bool(torch.isfinite(pair_values(columns_of(hits), *every)).all())
    triples = torch.combinations(torch.arange(5), 3).T
    assert bool(torch.isfinite(triplet_values(columns_of(hits), *triples)).all())
    z0, dphi, slope, _ = pair_values(columns_of(hits), torch.tensor([0]), torch.tensor([1]))[0]
    assert float(z0) == pytest.approx(0 - 5 * 1 / 0.001)
    assert float(slope) == pytest.approx(float(dphi) / 0.001)


# ---------------------------------------------------------------- the search


def brute_force(learnt: ModuleMap, hits: Hits, triplets: bool) -> set[tuple[int, int]]:
    """Every pair against the range of its class, or its own; then every triplet of them."""
    n, columns, module = learnt.n_modules, columns_of(hits), hits.module.numpy()
    far = squared_distance(hits.position)
    index = torch.cartesian_prod(torch.arange(len(hits)), torch.arange(len(hits))).T
    index = index[:, index[0] != index[1]]
    outward = (far[index[1]] > far[index[0]]) | (
        (far[index[1]] == far[index[0]]) & (index[1] > index[0])
    )
    index = index[:, outward]
    classes = learnt.pairs.find(learnt.rings.classes(*module[index.numpy()]))
    own = learnt.own_pairs.find(module[index[0]] * n + module[index[1]])
    bounds = chosen(learnt.own_pairs, own, learnt.pairs, classes)
    kept = inside(pair_values(columns, *index), bounds)
    edges, classes = index[:, kept], classes[kept]
    if not triplets:
        return as_set(edges)
    one, other = edge_pairs(edges, len(hits))
    a, b, c = edges[0, one], edges[1, one], edges[1, other]
    bounds = chosen(
        learnt.own_triplets,
        learnt.own_triplets.find((module[a] * n + module[b]) * n + module[c]),
        learnt.triplets,
        learnt.triplets.find(classes[one] * len(learnt.pairs.key) + classes[other]),
    )
    kept = inside(triplet_values(columns, a, b, c), bounds)
    return as_set(edges[:, torch.cat([one[kept], other[kept]]).unique()])


def chosen(own: Ranges, own_row: Any, shared: Ranges, row: Any) -> np.ndarray:
    """Bounds of its own where there are any, those of the class otherwise; empty without either."""
    nothing = np.full((1, *shared.bounds.shape[1:]), np.nan, np.float32)
    every = np.concatenate([own.bounds, shared.bounds, nothing])
    return every[np.where(own_row >= 0, own_row, np.where(row >= 0, len(own.key) + row, -1))]


def inside(values: Tensor, bounds: np.ndarray) -> Tensor:
    low, high = torch.from_numpy(bounds).unbind(2)
    return ((values >= low) & (values <= high)).all(dim=1).nonzero().squeeze(1)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    fallback=st.sampled_from(["ring", "none"]),
    own_seen=st.integers(1, 4),
    triplets=st.booleans(),
)
def test_the_search_agrees_with_testing_everything(
    seed: int, fallback: Any, own_seen: int, triplets: bool
) -> None:
    learning = [toy_graph(seed + k)[:3] for k in range(3)]
    detector = learning[0][1]
    wanted = replace(ALL, fallback=fallback, own_seen=own_seen, triplets=triplets, widen=2.0)
    learnt = learn_module_map(((hits, edges) for hits, _, edges in learning), detector, wanted)
    hits = toy_graph(seed + 3)[0]
    expected = brute_force(learnt, hits, triplets)
    builder = ModuleMapBuilder(learnt, triplets, threads=1)
    assert as_set(builder.build(hits, "cpu")) == expected
    assert as_set(builder.build(hits, "plain")) == expected


@backends
@pytest.mark.parametrize("fallback", ["ring", "none"])
def test_true_edges_that_were_learnt_are_found_again(
    make_event: Callable[..., Event], backend: Backend, fallback: Any
) -> None:
    """All of them, and with triplets those of particles of three hits and more."""
    event = make_event(60, 30, seed=4)
    assert event.detector is not None
    hits, edges = hits_from_event(event, event.detector), torch.from_numpy(true_edges(event))
    for triplets in (False, True):
        wanted = replace(ALL, fallback=fallback, triplets=triplets)
        learnt = learn_module_map([(hits, edges)], event.detector, wanted)
        found = as_set(ModuleMapBuilder(learnt, triplets).build(hits, backend))
        assert as_set(edges) <= found  # each particle of these events crosses four layers


def turned(event: Event, steps: int) -> Event:
    """A toy event turned about the beam by so many eighths."""
    angle = steps * np.pi / 4
    hits = event.hits
    return replace(
        event,
        hits=replace(
            hits,
            x=(hits.x * np.cos(angle) - hits.y * np.sin(angle)).astype(np.float32),
            y=(hits.x * np.sin(angle) + hits.y * np.cos(angle)).astype(np.float32),
            module_id=((hits.module_id - 1 + steps) % 8 + 1).astype(np.int32),
        ),
    )


@backends
def test_what_was_seen_of_a_pair_of_modules_holds_for_its_turned_twins(backend: Backend) -> None:
    hits, detector, edges, _ = toy_graph(5)
    learnt = learn_module_map([(hits, edges)], detector, replace(ALL, widen=1.0))
    builder = ModuleMapBuilder(learnt)
    straight = as_set(builder.build(hits, backend))
    assert len(straight) > 50
    for steps in (1, 4):
        other = hits_from_event(turned(toy_event(5), steps), detector)
        differ = as_set(builder.build(other, backend)) ^ straight
        assert len(differ) < 0.05 * len(straight)  # by the rounding of turned positions
    alone = learn_module_map([(hits, edges)], detector, replace(ALL, fallback="none"))
    other = hits_from_event(turned(toy_event(5), 1), detector)
    assert len(as_set(ModuleMapBuilder(alone).build(other, backend))) < len(straight) / 2


@pytest.mark.parametrize("triplets", [True, False])
def test_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, triplets: bool) -> None:
    hits, detector, edges, _ = toy_graph(2)
    learnt = learn_module_map([(hits, edges)], detector, ALL)
    one = ModuleMapBuilder(learnt, triplets, threads=1).build(hits)
    monkeypatch.setattr("hitgraph.graph.module_map.builder._HITS", 7)
    monkeypatch.setattr("hitgraph.graph.module_map.builder._EDGES", 5)
    assert torch.equal(ModuleMapBuilder(learnt, triplets, threads=2).build(hits), one)


def test_parts_change_nothing_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    hits, detector, edges, _ = toy_graph(2)
    builder = ModuleMapBuilder(learn_module_map([(hits, edges)], detector, ALL))
    whole = as_set(builder.build(hits, "plain"))
    monkeypatch.setattr("hitgraph.graph.module_map.plain.PAIRS", 10)
    assert as_set(builder.build(hits, "plain")) == whole


# ---------------------------------------------------------------- what is refused


def test_no_true_edges_are_refused(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    nothing = torch.empty(2, 0, dtype=torch.int64)
    with pytest.raises(InputError, match="no true edges"):
        learn_module_map([(hits, nothing)], tiny_event.detector, ALL)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"cuts": "all"}, "cuts: 'all' is not allowed; any of minmax, meanrms, hybrid, quantile"),
        ({"fallback": "layer"}, "fallback: 'layer' is not allowed; any of ring, none"),
        ({"min_seen": 0}, "min_seen: 0 is not allowed, at least 1"),
        ({"own_seen": 0}, "own_seen: 0"),
        ({"tail": 0.5}, r"tail: 0.5 is not in \[0, 0.5\)"),
        ({"widen": -1.0}, "widen: -1.0 is not allowed, at least 0"),
        ({"n_rms": 0.0}, "n_rms: 0.0 is not allowed, above 0"),
        ({"max_radius": 0.0}, "max_radius"),
    ],
)
def test_settings_that_make_no_map_are_refused(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ModuleMapSettings(**chosen)


def test_a_map_of_another_detector_is_refused() -> None:
    hits, detector, edges, _ = toy_graph(0)
    tensors = learn_module_map([(hits, edges)], detector, ALL).tensors()
    smaller = detector.take(slice(0, 4))
    with pytest.raises(InputError, match=r"pairs\.key: holds"):
        ModuleMap.from_tensors(tensors, rings_of(smaller, ALL))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("pairs.key", lambda key: key.flip(0), "pairs.key: does not rise"),
        ("triplets.key", lambda key: key - key.max() - 1, "triplets.key: holds"),
        ("pairs.bounds", lambda bounds: bounds.flip(2), "pairs.bounds: the range of z0 in row 0"),
        ("triplets.bounds", lambda bounds: bounds.flip(2), "the range of z0_12 in row 0"),
        ("pairs.seen", lambda seen: seen * 0, "pairs.seen: holds 0"),
    ],
)
def test_tensors_that_are_no_map_are_refused(
    name: str, change: Callable[[Tensor], Tensor], message: str
) -> None:
    hits, detector, edges, _ = toy_graph(0)
    tensors = learn_module_map([(hits, edges)], detector, replace(ALL, widen=1.0)).tensors()
    with pytest.raises(InputError, match=message):
        ModuleMap.from_tensors({**tensors, name: change(tensors[name])}, rings_of(detector, ALL))


def test_the_variables_are_named_once() -> None:
    assert len(set(TRIPLET_VARIABLES)) == 11
    assert [f"{name}_12" for name in PAIR_VARIABLES] == list(TRIPLET_VARIABLES[:4])
