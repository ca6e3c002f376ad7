"""Every operation that is computed in two ways: by kernels on a CPU, and in torch on any device.

The latter is the reference of the former, and the way of a GPU. One test compares both on the
examples that stand here with each operation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable
from hitgraph.event.field import constant, solenoid
from hitgraph.gnn.edge_update import Weights, update_edges
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.graph.filter import FilterNetwork, FilterSettings, score_candidates
from hitgraph.graph.layer_pairs import (
    LayerPairBuilder,
    LayerPairSettings,
    learn_layer_pairs,
)
from hitgraph.graph.line_graph import edge_pairs
from hitgraph.graph.module_map import ModuleMapBuilder, ModuleMapSettings, learn_module_map
from hitgraph.graph.neighbours import radius_neighbours, radius_pairs
from hitgraph.graph.scored.builder import ScoredBuilder
from hitgraph.graph.scored.tables import ScoredWindows
from hitgraph.graph.scored.values import N_BINS, SCORE_VARIABLES
from hitgraph.graph.second_pass import along_tracks
from hitgraph.graph.triplets import TripletFilter, TripletSettings, judge_edges
from hitgraph.graph.windows import LayerWindows, WindowBuilder, WindowSettings, learn_windows
from hitgraph.hits import Hits, hits_from_event
from hitgraph.hits.columns import FEATURES
from hitgraph.hits.direction import squared_distance
from hitgraph.hits.strips import Strips, cross_strips
from hitgraph.kernels.choice import Backend
from hitgraph.pairs import PAIR_FEATURES, pair_features
from hitgraph.tracks.components import ComponentsSettings, connected_components
from hitgraph.tracks.condensation import CondensationSettings, condense
from hitgraph.tracks.contraction import ContractionSettings, contract
from hitgraph.tracks.dbscan import DbscanSettings
from hitgraph.tracks.dbscan.points import DbscanPointsSettings, dbscan_points
from hitgraph.tracks.helix import fit_helices
from hitgraph.tracks.join import JoinSettings, join_tracks
from hitgraph.tracks.merge import MergeSettings, merge_exclusive
from hitgraph.tracks.parameters import fit_tracks
from hitgraph.tracks.parameters.measured import FitSettings, Modules
from hitgraph.tracks.parts import part_pairs
from hitgraph.tracks.walkthrough import WalkthroughSettings, walk_through

Compute = Callable[[Backend], Any]  # an example, computed by either way: tensors


@dataclass(frozen=True)
class Operation:
    """One of them."""

    package: str  # where its two ways stand
    example: Callable[[int], Compute]  # by a seed
    # what is free in the result: nothing but rounding, or the order of edges (the first tensor)
    free: Literal["rounding", "order", "nothing"] = "nothing"


def _hits(seed: int) -> Compute:
    event = toy_event(seed)
    detector = _detector(event)

    def compute(backend: Backend) -> tuple[Tensor, ...]:
        hits = hits_from_event(event, detector, columns=("eta",), backend=backend)
        return hits.features, hits.position, hits.layer, hits.module

    return compute


def _strips(seed: int) -> Compute:
    random = torch.Generator().manual_seed(seed)

    def side(stereo: float, radius: float) -> Strips:
        across = 20 * torch.rand(60, generator=random, dtype=torch.float64) - 10
        along = torch.tensor([0.0, stereo, 1.0], dtype=torch.float64)
        centre = across[:, None] * torch.tensor([0.0, 1.0, -stereo], dtype=torch.float64)
        centre[:, 0] = radius
        module = torch.randint(4, (60,), generator=random).sort().values
        return Strips(centre, (25 * along).repeat(60, 1), module)

    sides = side(0.0, 400.0), side(0.05, 406.0)
    tolerance = torch.rand(60, generator=random, dtype=torch.float64)
    return lambda backend: cross_strips(*sides, tolerance, backend=backend)


def _pairs(seed: int) -> Compute:
    hits, detector, edges, _ = toy_graph(seed)
    return lambda backend: pair_features(hits, edges, detector, backend=backend)


def _windows(seed: int) -> Compute:
    hits, detector, edges, _ = toy_graph(seed)
    builder = WindowBuilder(_learnt(hits, edges, detector), detector)
    return lambda backend: builder.build(hits, backend)


def _scored(seed: int) -> Compute:
    hits, detector, edges, random = toy_graph(seed)
    windows = _learnt(hits, edges, detector)
    shape = len(windows), len(SCORE_VARIABLES)
    tables = ScoredWindows(
        windows,
        torch.randn(shape[0], generator=random).numpy(),
        (torch.randn(shape, generator=random) - 2).numpy(),
        (torch.rand(shape, generator=random) * 4).numpy(),
        (torch.randn(*shape, N_BINS, generator=random) / 4).numpy(),
        cut=-1.0,
        density=5.0,
    )
    builder = ScoredBuilder(tables, detector)
    return lambda backend: builder.search(hits, backend)


def _layer_pairs(seed: int) -> Compute:
    hits, detector, edges, _ = toy_graph(seed)
    pairs = learn_layer_pairs([(hits, edges)], detector, LayerPairSettings(0.8))
    builder = LayerPairBuilder(pairs, detector.n_layers)
    return lambda backend: builder.build(hits, backend)


def _module_map(seed: int) -> Compute:
    hits, detector, edges, _ = toy_graph(seed)
    settings = ModuleMapSettings(min_seen=1, own_seen=2, widen=1.0)
    builder = ModuleMapBuilder(learn_module_map([(hits, edges)], detector, settings))
    return lambda backend: builder.build(hits, backend)


def _neighbours(seed: int) -> Compute:
    random = torch.Generator().manual_seed(seed)
    points = torch.randn(120, 3, generator=random)
    key = torch.rand(120, generator=random)
    most = None if seed % 2 else 4
    return lambda backend: radius_pairs(points, 0.5, most, backend, key)


def _queries(seed: int) -> Compute:
    random = torch.Generator().manual_seed(seed)
    points, queries = (torch.randn(n, 4, generator=random) for n in (150, 20))
    return lambda backend: radius_neighbours(queries, points, 0.8, backend)


def _line_graph(seed: int) -> Compute:
    hits, _, edges, _ = toy_graph(seed)
    return lambda backend: edge_pairs(edges, len(hits), backend)


def _filter(seed: int) -> Compute:
    hits, detector, edges, random = toy_graph(seed)
    network = FilterNetwork(FilterSettings(16, 2, "both"), FEATURES, PAIR_FEATURES[::2]).eval()
    network.learn_inputs(
        torch.randn(50, len(FEATURES), generator=random) * 3,
        torch.randn(50, len(network.pair_inputs), generator=random) * 3,
    )
    return lambda backend: score_candidates(network, hits, edges, detector, backend=backend)


def _triplets(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    logits = torch.randn(edges.shape[1], generator=random)
    network = TripletFilter(TripletSettings(8, reach_phi=50.0, reach_z=80.0)).eval()
    network.requires_grad_(False)
    return lambda backend: judge_edges(network, hits, edges, logits, backend)


def _edge_update(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random) / 3

    weights = Weights(draw(6, 4), draw(6), draw(4, 6), draw(4), draw(1, 4), draw(1))
    states, inner, outer = draw(edges.shape[1], 4), draw(len(hits), 6), draw(len(hits), 6)
    residual = seed % 2 == 0
    return lambda backend: update_edges(states, inner, outer, edges, weights, residual, backend)


def _interaction(seed: int) -> Compute:
    hits, detector, edges, _ = toy_graph(seed)
    network = InteractionSettings(8, 8, 3).build(2, 4).eval()
    x, attributes = hits.take(["r", "z"]), pair_features(hits, edges, detector)[:, :4]
    network.learn_inputs(x, attributes)

    def compute(backend: Backend) -> Tensor:
        network.backend = backend
        with torch.no_grad():
            logits: Tensor = network(x, edges, attributes)
        return logits

    return compute


def _components(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    scores = torch.rand(edges.shape[1], generator=random)
    settings = ComponentsSettings(0.8, 2)
    return lambda backend: connected_components(hits, edges, scores, settings, backend)


def _walkthrough(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    scores = torch.rand(edges.shape[1], generator=random)
    settings = WalkthroughSettings(0.1, 0.5, 0.8, 2)
    return lambda backend: walk_through(hits, edges, scores, settings, backend)


def _merge(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    scores = torch.rand(edges.shape[1], generator=random)
    return lambda backend: merge_exclusive(hits, edges, scores, MergeSettings(0.2, 2, 6), backend)


def _contraction(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    scores = torch.rand(edges.shape[1], generator=random)
    return lambda backend: contract(hits, edges, scores, ContractionSettings(0.4, 2, 6), backend)


def _dbscan(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    scores = torch.rand(edges.shape[1], generator=random)
    settings = DbscanSettings(0.5, 1 + seed % 4, 2)
    return lambda backend: settings.build(hits, edges, scores, backend)


def _dbscan_points(seed: int) -> Compute:
    random = torch.Generator().manual_seed(seed)
    points = torch.randn(120, 3, generator=random)
    settings = DbscanPointsSettings(radius=0.5, min_samples=1 + seed % 4, min_hits=2)
    return lambda backend: dbscan_points(points, settings, backend)


def _condense(seed: int) -> Compute:
    random = torch.Generator().manual_seed(seed)
    beta, place = torch.rand(120, generator=random), torch.randn(120, 3, generator=random)
    settings = CondensationSettings(0.3, 0.8, 2)
    return lambda backend: condense(beta, place, settings, backend)


def _join(seed: int) -> Compute:
    hits, _, edges, random = toy_graph(seed)
    drawn = torch.rand(edges.shape[1], generator=random)
    labels = connected_components(hits, edges, drawn, ComponentsSettings(0.9, 2))
    pairs = part_pairs(hits, labels, 30)
    scores = torch.rand(len(pairs.inner), generator=random)
    settings = JoinSettings(score_cut=0.3, min_hits=2)
    return lambda backend: join_tracks(hits, labels, pairs, scores, settings, backend)


def _along(seed: int) -> Compute:
    hits, _, track, layer = toy_helices(seed)
    shuffled = torch.randperm(len(hits), generator=torch.Generator().manual_seed(seed))
    labels = torch.where(layer == 2, -1, track)[shuffled]
    return lambda backend: along_tracks(labels, hits.position[shuffled], backend)


def _helices(seed: int) -> Compute:
    hits, _, track, _ = toy_helices(seed)
    shuffled = torch.randperm(len(hits), generator=torch.Generator().manual_seed(seed))
    position, track = hits.position[shuffled].double(), track[shuffled]
    return lambda backend: fit_helices(position, track, backend)


def _parts(seed: int) -> Compute:
    hits, _, track, layer = toy_helices(seed)
    labels = 2 * track + (layer >= len(_RADII) // 2)
    return lambda backend: part_pairs(hits, labels, 30, backend)


def _helix_fit(seed: int) -> Compute:
    hits, detector, labels, layer = toy_helices(seed)
    hits = replace(hits, module=layer * _MODULES)
    modules = Modules.of(detector, 7.0, hits.position.device)
    field = constant(2.0) if seed % 2 else solenoid()
    return lambda backend: fit_tracks(hits, labels, field, modules, FitSettings(), backend)


def toy_helices(seed: int) -> tuple[Hits, Detector, Tensor, Tensor]:
    """Hits of helices with small errors, a detector, and track and layer of each hit (n_hits,)."""
    hits, detector, _, random = toy_graph(seed)
    labels, layer = torch.arange(len(hits)) // len(_RADII), torch.arange(len(hits)) % len(_RADII)
    phi, bend, z0, cot = torch.rand(4, len(hits) // len(_RADII), generator=random)[:, labels]
    r = torch.tensor(_RADII)[layer]
    phi, z = 6 * phi + torch.asin((bend - 0.5) * r / 500), 100 * z0 + 3 * cot * r
    position = torch.stack([r * phi.cos(), r * phi.sin(), z], dim=1)
    position += torch.randn(position.shape, generator=random) / 20
    return replace(hits, position=position), detector, labels, layer


OPERATIONS = {
    "hits of an event": Operation("hitgraph.hits", _hits, "rounding"),
    "crossings of strips": Operation("hitgraph.hits.strips", _strips, "rounding"),
    "features of pairs": Operation("hitgraph.pairs", _pairs, "rounding"),
    "pairs in windows": Operation("hitgraph.graph.windows", _windows, "order"),
    "scored pairs in windows": Operation("hitgraph.graph.scored", _scored, "order"),
    "pairs of hits on pairs of layers": Operation(
        "hitgraph.graph.layer_pairs", _layer_pairs, "order"
    ),
    "pairs and triplets of a module map": Operation(
        "hitgraph.graph.module_map", _module_map, "order"
    ),
    "pairs within a radius": Operation("hitgraph.graph.neighbours", _neighbours, "order"),
    "points within a radius": Operation("hitgraph.graph.neighbours", _queries, "order"),
    "edges that continue edges": Operation("hitgraph.graph.line_graph", _line_graph),
    "logits of the filter": Operation("hitgraph.graph.filter", _filter, "rounding"),
    "edges judged by triplets": Operation("hitgraph.graph.triplets", _triplets, "rounding"),
    "an edge half of a round": Operation("hitgraph.gnn.edge_update", _edge_update, "rounding"),
    "an interaction network": Operation("hitgraph.gnn.interaction", _interaction, "rounding"),
    "components": Operation("hitgraph.tracks.components", _components),
    "walkthrough": Operation("hitgraph.tracks.walkthrough", _walkthrough),
    "module-exclusive merge": Operation("hitgraph.tracks.merge", _merge),
    "contraction": Operation("hitgraph.tracks.contraction", _contraction),
    "DBSCAN on edges": Operation("hitgraph.tracks.dbscan", _dbscan),
    "DBSCAN on points": Operation("hitgraph.tracks.dbscan", _dbscan_points),
    "condensation": Operation("hitgraph.tracks.condensation", _condense),
    "helices through the beam line": Operation("hitgraph.tracks.helix", _helices, "rounding"),
    "hits along tracks": Operation("hitgraph.graph.second_pass", _along),
    "pairs of parts": Operation("hitgraph.tracks.parts", _parts, free="rounding"),
    "joining": Operation("hitgraph.tracks.join", _join),
    "the helix fit": Operation("hitgraph.tracks.parameters", _helix_fit, "rounding"),
}


# ---------------------------------------------------------------- what the examples are made of

_RADII, _MODULES, _HALF, _LENGTH = (40.0, 80.0, 130.0, 190.0), 8, 60.0, 120.0


def toy_event(seed: int, n_hits: int = 60) -> Event:
    """Hits with clusters at random on four layers of flat modules around the beam line."""
    random = np.random.default_rng(seed)
    n_modules = len(_RADII) * _MODULES
    layer, place = np.divmod(np.arange(n_modules), _MODULES)
    phi, radius = 2 * np.pi * place / _MODULES, np.array(_RADII)[layer]
    normal = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    along = np.stack([-np.sin(phi), np.cos(phi), 0 * phi], axis=1)
    beam = np.broadcast_to([0.0, 0.0, 1.0], normal.shape)
    detector = Detector(
        volume_id=np.full(n_modules, 8, np.int32),
        layer_id=(2 + 2 * layer).astype(np.int32),
        module_id=(1 + place).astype(np.int32),
        centre=radius[:, None] * normal,
        rotation=np.stack([along, beam, normal], axis=2),
        half_thickness=np.full(n_modules, 0.15),
        min_half_u=np.full(n_modules, _HALF),
        max_half_u=np.full(n_modules, _HALF),
        half_v=np.full(n_modules, _LENGTH),
        pitch_u=np.full(n_modules, 0.05),
        pitch_v=np.full(n_modules, 0.05),
    )
    module = random.integers(n_modules, size=n_hits)
    u, v = random.uniform(-20, 20, n_hits), random.uniform(-_LENGTH, _LENGTH, n_hits)
    position = detector.centre[module] + u[:, None] * along[module] + v[:, None] * beam[module]
    hit_id = np.arange(1, n_hits + 1)
    x, y, z = position.astype(np.float32).T.copy()
    cells = np.repeat(hit_id, random.integers(1, 5, n_hits))
    first = np.searchsorted(cells, cells)
    columns = (detector.volume_id, detector.layer_id, detector.module_id)
    return Event(
        "toy",
        HitTable(hit_id, x, y, z, *(column[module] for column in columns)),
        CellTable(
            cells,
            (100 + np.arange(len(cells)) - first).astype(np.int32),
            random.integers(100, 104, len(cells)).astype(np.int32),
            random.uniform(0.1, 1.0, len(cells)).astype(np.float32),
        ),
        detector=detector,
    )


def toy_graph(seed: int) -> tuple[Hits, Detector, Tensor, torch.Generator]:
    """Hits of a toy event, its detector, some edges from inner to outer hits, and a stream."""
    event = toy_event(seed)
    detector = _detector(event)
    hits = hits_from_event(event, detector)
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    ends = torch.randint(len(hits), (2, 150), generator=random)
    ends = torch.unique(ends[:, hits.module[ends[0]] != hits.module[ends[1]]], dim=1)
    far = squared_distance(hits.position)
    edges = torch.where(far[ends[0]] <= far[ends[1]], ends, ends.flip(0))
    return hits, detector, torch.unique(edges, dim=1), random


def _detector(event: Event) -> Detector:
    assert event.detector is not None
    return event.detector


def _learnt(hits: Hits, edges: Tensor, detector: Detector) -> LayerWindows:
    return learn_windows([(hits, edges)], detector, WindowSettings(1.0, 0.0, 0.0, False))
