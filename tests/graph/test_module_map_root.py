"""A module map as ROOT files: read back, and searched as ACTS searches it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hitgraph.errors import MissingExtraError
from hitgraph.event.acts_modules import geometry_ids, module_ids
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.known_detectors import acts_module_numbers, trackml_module_numbers
from hitgraph.graph.module_map import ModuleMapBuilder, ModuleMapSettings, learn_module_map
from hitgraph.graph.module_map.root import write_root_map
from hitgraph.graph.module_map.tables import ModuleMap
from hitgraph.graph.module_map.values import DPHI_SLOPE, columns_of
from hitgraph.graph.windows import OPEN
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.operations import toy_graph

PAIR = [f"{name}{side}" for side in ("min", "max") for name in ("z0", "dphi", "phiSlope", "deta")]


def test_a_map_needs_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uproot", None)
    learnt, detector, _ = a_map("ring")
    with pytest.raises(MissingExtraError, match=r"hitgraph\[root\]"):
        write_root_map(learnt, detector, tmp_path / "map")
    assert list(tmp_path.iterdir()) == []


def a_map(fallback: Any) -> tuple[ModuleMap, Detector, Hits]:
    """A learnt map that does not look at what ACTS has no branch for, and hits to search.

    Its ranges are a little wider, so that no pair is at the end of one but for rounding.
    """
    learning = [toy_graph(seed)[:3] for seed in (7, 8, 9)]
    wanted = ModuleMapSettings(min_seen=1, own_seen=2, widen=2.0, fallback=fallback)
    detector = learning[0][1]
    learnt = learn_module_map(((hits, edges) for hits, _, edges in learning), detector, wanted)
    for table in (learnt.pairs, learnt.own_pairs, learnt.triplets, learnt.own_triplets):
        slack = 1e-3 * (1 + np.abs(table.bounds).max(axis=2))
        table.bounds[..., 0] -= slack
        table.bounds[..., 1] += slack
    for table in (learnt.triplets, learnt.own_triplets):
        table.bounds[:, DPHI_SLOPE] = -OPEN, OPEN
    return learnt, detector, learning[0][0]


def read(path: Path, tree: str) -> dict[str, np.ndarray]:
    uproot = pytest.importorskip("uproot")
    with uproot.open(path) as file:
        assert file[tree].classname == "TTree"
        found: dict[str, np.ndarray] = file[tree].arrays(library="np")
        return found


@pytest.mark.parametrize("fallback", ["ring", "none"])
def test_what_acts_finds_with_the_files_is_what_the_builder_finds(
    tmp_path: Path, fallback: Any
) -> None:
    pytest.importorskip("uproot")
    learnt, detector, hits = a_map(fallback)
    paths = write_root_map(learnt, detector, tmp_path / "map")
    assert [path.name for path in paths] == ["map.doublets.root", "map.triplets.root"]
    doublets = read(paths[0], "TreeModuleDoublet")
    triplets = read(paths[1], "TreeModuleTriplet")
    assert set(doublets) == {"Module1", "Module2", *(f"{name}_12" for name in PAIR)}
    assert set(triplets) == {
        *("Module1", "Module2", "Module3", "Occurence"),
        *(f"{name}_{legs}" for name in PAIR for legs in ("12", "23")),
        *(f"diff_{name}_{side}" for name in ("dzdr", "dydx") for side in ("min", "max")),
    }
    for name, column in {**doublets, **triplets}.items():
        kind = np.uint64 if name.startswith("Module") else np.float32
        assert column.dtype == (np.uint32 if name == "Occurence" else kind), name
    ids = geometry_ids(detector)[hits.module.numpy()]
    found = as_acts_searches(hits, ids, doublets, triplets)
    expected = ModuleMapBuilder(learnt).build(hits, "plain")
    assert found == set(map(tuple, expected.T.tolist()))
    assert len(found) > 50


def as_acts_searches(
    hits: Hits,
    ids: np.ndarray,
    doublets: dict[str, np.ndarray],
    triplets: dict[str, np.ndarray],
) -> set[tuple[int, int]]:
    """By the formulas of ModuleMapGraph, outward pairs only."""
    x, y, z, r, phi, eta = columns_of(hits).numpy()
    far = squared_distance(hits.position).numpy()

    def fits(i: int, j: int, table: dict[str, np.ndarray], row: int, legs: str) -> bool:
        dphi = phi[j] - phi[i]
        dphi -= 2 * np.pi * round(dphi / (2 * np.pi))
        dr = r[j] - r[i]
        values = (z[i] - r[i] * (z[j] - z[i]) / dr, dphi, dphi / dr, eta[i] - eta[j])
        return all(
            table[f"{name}min_{legs}"][row] <= value <= table[f"{name}max_{legs}"][row]
            for name, value in zip(("z0", "dphi", "phiSlope", "deta"), values, strict=True)
        )

    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, modules in enumerate(zip(doublets["Module1"], doublets["Module2"], strict=True)):
        pairs[modules] = [
            (int(i), int(j))
            for i in np.flatnonzero(ids == modules[0])
            for j in np.flatnonzero(ids == modules[1])
            if (far[i], i) < (far[j], j) and fits(i, j, doublets, row, "12")
        ]
    found = set()
    names = ("Module1", "Module2", "Module3")
    for row, (a, b, c) in enumerate(zip(*(triplets[name] for name in names), strict=True)):
        for i, j in pairs[a, b]:
            if not fits(i, j, triplets, row, "12"):
                continue
            for middle, k in pairs[b, c]:
                if middle != j or not fits(j, k, triplets, row, "23"):
                    continue
                dzdr = (z[j] - z[i]) / (r[j] - r[i]) - (z[k] - z[j]) / (r[k] - r[j])
                dydx = (y[j] - y[i]) / (x[i] - x[j]) - (y[j] - y[k]) / (x[j] - x[k])
                if all(
                    triplets[f"diff_{name}_min"][row] <= value <= triplets[f"diff_{name}_max"][row]
                    for name, value in (("dzdr", dzdr), ("dydx", dydx))
                ):
                    found |= {(i, j), (j, k)}
    return found


def test_modules_have_the_identifiers_of_acts() -> None:
    pytest.importorskip("acts")
    from hitgraph.acts.geometry import generic_geometry

    geometry = generic_geometry()
    assert np.array_equal(geometry_ids(geometry.table), geometry.identifiers.astype(np.uint64))


def test_identifiers_are_read_as_they_were_written(make_event: Callable[..., Event]) -> None:
    detector = make_event().detector
    assert detector is not None
    other = replace(detector, volume_id=detector.volume_id + 20)  # of no detector that is known
    parts = module_ids(geometry_ids(other))
    for part, name in zip(parts, ("volume_id", "layer_id", "module_id"), strict=True):
        assert np.array_equal(part, getattr(other, name))


def test_module_numbers_go_to_acts_and_back() -> None:
    for volume, n in ((7, 108), (8, 224), (12, 170), (18, 98)):
        number = np.arange(1, n + 1, dtype=np.int32)
        volumes = np.full(n, volume, np.int32)
        acts = acts_module_numbers(volumes, number)
        assert np.array_equal(trackml_module_numbers(volumes, acts), number)
        assert torch.equal(torch.from_numpy(np.sort(acts)), torch.from_numpy(number))
