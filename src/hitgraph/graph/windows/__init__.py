"""Candidate edges from windows that are learnt, a layer pair at a time, from true edges.

The fast way to a graph where a detector has layers: no network, only bounds on what a pair of
hits says about its particle (docs/stages.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.graph.windows.cpu import (
    N_GEOMETRY,
    VARIABLES,
    pair_values,
    search_block,
    sort_into_cells,
)
from hitgraph.graph.windows.plain import search_windows
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.kernels.constants import Constants
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_share, check_tail
from hitgraph.lessons.workshop import Workshop
from hitgraph.pairs.geometry import ETA, R, X, Y, Z, hit_rows
from hitgraph.stage import Context, StageSettings
from hitgraph.state import CLUSTERS, EDGES, HITS, State
from hitgraph.tensors import refuse_others, take

_HITS = 2048  # inner hits, what is worth a task
OPEN = 1e9  # beyond what a variable can be: a window where nothing is known
TENSORS = ("inner", "outer", "bounds", "n_true")
ROUNDING = 1e-5  # widens a window, so that the edge that sets it passes it in every kernel


class ShapeSettings(StageSettings):
    """Settings of windows whose key `cluster_shape` says whether they look at clusters."""

    cluster_shape: bool | None  # null: where there are cells

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({HITS, CLUSTERS} if self.sees_clusters else {HITS})

    @property
    def sees_clusters(self) -> bool:
        """Whether cells are needed; left to the events, until they are known."""
        return self.cluster_shape is not False

    def settled(self, cells: bool) -> Self:
        if self.cluster_shape is not None:
            return self
        return replace(self, cluster_shape=cells)  # type: ignore[type-var]  # what is below


@dataclass(frozen=True)
class WindowSettings(ShapeSettings):
    """Pairs of hits within windows that are learnt a layer pair at a time.

    Tighter windows give fewer candidates and lose more true edges.
    """

    pair_coverage: float = 0.9975  # share of the true edges that the kept layer pairs hold
    tail: float = 0.0008  # share of a layer pair's true edges cut on each side of each variable
    shape_tail: float = 0.0008  # the same for the cluster-shape variables
    cluster_shape: bool | None = None  # windows of cluster shape too; null: where there are cells

    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def __post_init__(self) -> None:
        check_share(self, "pair_coverage")
        check_tail(self, "tail", "shape_tail")

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "WindowStage":
        refuse_others(tensors, TENSORS)
        return WindowStage(context, LayerWindows.from_tensors(tensors, self.sees_clusters))

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "WindowStage":
        workshop.report(f"learning windows from {len(material.train)} events")
        samples = (read().sample for read in material.train)
        pairs = ((sample.hits, sample.true_edges) for sample in samples)
        windows = learn_windows(pairs, context.detector, self)
        workshop.record({"layer_pairs": len(windows)})
        return WindowStage(context, windows)


@dataclass(frozen=True, eq=False)
class LayerWindows:
    """The learnt table, one row an ordered layer pair, sorted by inner and outer layer."""

    inner: NDArray[np.int64]  # (n_pairs, 2) volume_id and layer_id of the inner hit's layer
    outer: NDArray[np.int64]  # (n_pairs, 2)
    bounds: NDArray[np.float32]  # (n_pairs, 8, 2) lowest and highest value of VARIABLES
    n_true: NDArray[np.int64]  # (n_pairs,) true edges it was learnt from
    cluster_shape: bool  # whether the cluster-shape windows are to be used

    def __len__(self) -> int:
        return len(self.inner)

    def tensors(self) -> dict[str, Tensor]:
        """As `from_tensors` reads them."""
        columns = (self.inner, self.outer, self.bounds, self.n_true)
        return dict(zip(TENSORS, map(torch.from_numpy, columns), strict=True))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], cluster_shape: bool) -> "LayerWindows":
        """What `tensors` gave. Raises InputError where they are something else."""
        inner = take(tensors, "inner", (None, 2), torch.int64)
        outer = take(tensors, "outer", (len(inner), 2), torch.int64)
        bounds = take(tensors, "bounds", (len(inner), len(VARIABLES), 2))
        n_true = take(tensors, "n_true", (len(inner),), torch.int64, low=0)
        upside_down = (bounds[..., 0] > bounds[..., 1]).nonzero()
        if len(upside_down):
            row, variable = upside_down[0].tolist()
            low, high = bounds[row, variable].tolist()
            raise InputError(
                f"bounds: the window of {VARIABLES[variable]} in row {row} begins at {low:g} and "
                f"ends at {high:g}"
            )
        arrays = [one.contiguous().numpy() for one in (inner, outer, bounds, n_true)]
        return cls(arrays[0], arrays[1], arrays[2], arrays[3], cluster_shape)


def learn_windows(
    events: Iterable[tuple[Hits, Tensor]], detector: Detector, settings: WindowSettings
) -> LayerWindows:
    """Windows that hold all but the tails of the true edges of each layer pair.

    `events` yields hits and their true edges (2, n_edges) int64, inner hit first; only 40 bytes
    an edge are kept. Raises InputError when there are no true edges, or when the settings want
    cluster shape and the hits have none.
    """
    keys, values = [], []
    for hits, edges in events:
        if settings.sees_clusters and not hits.has_clusters:
            raise InputError(
                "cluster_shape is true, but the hits have no cluster features: give events with "
                "cells, or set graph.cluster_shape to false"
            )
        first, second = edges.cpu().numpy().astype(np.int64)
        layer = hits.layer.cpu().numpy()
        keys.append((layer[first] * detector.n_layers + layer[second]).astype(np.int32))
        values.append(pair_values(hit_rows(hits, detector), first, second))
    key = np.concatenate(keys) if keys else np.empty(0, np.int32)
    if len(key) == 0:
        raise InputError("there are no true edges to learn windows from: are these events empty?")
    value = np.concatenate(values)
    kept = _kept_pairs(key, settings.pair_coverage)
    bounds = np.empty((len(kept), len(VARIABLES), 2), np.float32)
    n_true = np.empty(len(kept), np.int64)
    order = np.argsort(key, kind="stable")
    for row, pair in enumerate(kept):
        begin, end = np.searchsorted(key, [pair, pair + 1], sorter=order)
        members = value[order[begin:end]]
        n_true[row] = len(members)
        for k in range(len(VARIABLES)):
            tail = settings.tail if k < N_GEOMETRY else settings.shape_tail
            bounds[row, k] = _quantile_window(members[:, k], tail)
    return LayerWindows(
        inner=detector.layer_keys[kept // detector.n_layers],
        outer=detector.layer_keys[kept % detector.n_layers],
        bounds=bounds,
        n_true=n_true,
        cluster_shape=settings.sees_clusters,
    )


def _kept_pairs(key: NDArray[np.int32], coverage: float) -> NDArray[np.int64]:
    """The fewest layer pairs that hold the wanted share of the true edges, sorted."""
    pairs, counts = np.unique(key, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    needed = np.searchsorted(np.cumsum(counts[order]), coverage * len(key)) + 1
    return np.sort(pairs[order[:needed]]).astype(np.int64)


def _quantile_window(values: NDArray[np.float32], tail: float) -> NDArray[np.float32]:
    """Lowest and highest value, after `tail` of the values on either side are dropped."""
    values = np.sort(values[np.isfinite(values)])
    if len(values) == 0:
        return np.array([-OPEN, OPEN], np.float32)
    cut = int(tail * len(values))
    low, high = values[cut], values[len(values) - 1 - cut]
    margin = ROUNDING * max(high - low, abs(low), abs(high))
    return np.array([low - margin, high + margin], np.float32)


class WindowStage:
    """The windows as a stage."""

    def __init__(self, context: Context, windows: LayerWindows) -> None:
        self.context, self.windows = context, windows
        self.builder = WindowBuilder(windows, context.detector)

    def __call__(self, state: State) -> State:
        return state.with_edges(self.builder.build(state.hits, self.context.backend))

    def tensors(self) -> dict[str, Tensor]:
        return self.windows.tensors()


class WindowBuilder:
    """Graph builder: every pair of hits that passes all windows of its layer pair.

    Deterministic: edges are ordered by inner hit, then by outer hit, whatever the threads.
    Raises InputError when the windows name a layer that the detector lacks.
    """

    def __init__(
        self, windows: LayerWindows, detector: Detector, threads: int | None = None
    ) -> None:
        self.windows = windows
        self.detector = detector
        self.threads = threads
        self._first, self._outer, order = windows_by_layer(windows, detector)
        self._bounds = np.ascontiguousarray(windows.bounds[order])
        self._along_is_z = along_is_z(detector)
        self._constants = Constants(self._first, self._outer, self._bounds)

    def build(self, hits: Hits, backend: Backend = "auto") -> Tensor:
        """(2, n_edges) int64 candidate edges, inner hit first, without duplicates.

        Raises InputError when the windows use cluster shape and the hits have none.
        """
        use_shape = self.windows.cluster_shape
        if use_shape and not hits.has_clusters:
            raise InputError(
                "the windows use cluster shape, but the hits have no cluster features: give "
                "events with cells, or learn windows with graph.cluster_shape false"
            )
        if not for_host(hits.position, backend):
            return self.build_on_device(hits)
        rows = hit_rows(hits, self.detector)
        layer = hits.layer.numpy()
        order, starts, span = sort_into_cells(rows, layer, self._along_is_z, self.detector.n_layers)
        rows = rows[order]
        shared = (
            rows,
            np.ascontiguousarray(rows[:, [X, Y, Z, R, ETA]].T),
            squared_distance(hits.position).numpy()[order],
            order,
            layer[order],
            starts,
            span,
            self._along_is_z,
            self._first,
            self._outer,
            self._bounds,
            use_shape,
        )

        def task(begin: int, end: int) -> NDArray[np.int32]:
            pairs: NDArray[np.int32] = search_block(begin, end, *shared)
            return pairs

        found = in_blocks(task, len(order), _HITS, self.threads)
        pairs = np.concatenate([np.empty((2, 0), np.int32), *found], axis=1)
        return torch.from_numpy(pairs.astype(np.int64))

    def build_on_device(self, hits: Hits) -> Tensor:
        """What `build` gives, in torch on any device; the order of the edges is another."""
        windows = self._constants.on(hits.position.device)
        return search_windows(hits, self.detector, windows, self.windows.cluster_shape)


def layer_rows(
    windows: LayerWindows, detector: Detector
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Dense layer index of the inner and the outer layer of each window, (n_pairs,) each."""
    row_of = {tuple(key): row for row, key in enumerate(detector.layer_keys.tolist())}
    rows = {}
    for name, keys in (("inner", windows.inner.tolist()), ("outer", windows.outer.tolist())):
        for row, (volume, layer) in enumerate(keys):
            if (volume, layer) not in row_of:
                raise InputError(
                    f"{name}: row {row} is volume {volume}, layer {layer}, which is not in the "
                    "detectors table: give the table of the detector the windows were learnt on"
                )
        rows[name] = np.array([row_of[tuple(key)] for key in keys], np.int64)
    return rows["inner"], rows["outer"]


def windows_by_layer(
    windows: LayerWindows, detector: Detector
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Windows sorted by inner and then by outer layer, as the searches want them.

    Where those of each inner layer begin (n_layers + 1,), their outer layers (n_pairs,), and the
    row of each in `windows` (n_pairs,). Raises InputError as `layer_rows` does.
    """
    inner, outer = layer_rows(windows, detector)
    order = np.lexsort((outer, inner))
    return np.searchsorted(inner[order], np.arange(detector.n_layers + 1)), outer[order], order


def along_is_z(detector: Detector) -> NDArray[np.bool_]:
    """(n_layers,) whether a layer extends along z (barrel) rather than along r (disk)."""
    flags = np.zeros(detector.n_layers, np.bool_)
    radius = np.hypot(detector.centre[:, 0], detector.centre[:, 1])
    for layer in range(detector.n_layers):
        modules = detector.layer == layer
        flags[layer] = np.ptp(detector.centre[modules, 2]) > np.ptp(radius[modules])
    return flags
