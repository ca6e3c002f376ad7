"""Candidate edges from windows and a learnt score of what the windows let pass.

A graph builder of its own, on top of graph/windows.py: of the pairs that pass the geometry
windows of their layer pair, it keeps those whose score, a sum of learnt table entries, is high
enough (docs/windows.md).
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.truth import FAKE, TRUE, edge_labels
from hitgraph.files import atomic_write
from hitgraph.graph import scored_learning as learning
from hitgraph.graph import scored_search as search
from hitgraph.graph import scored_values as variables
from hitgraph.graph.direction import squared_distance
from hitgraph.graph.hits import FEATURES, Hits
from hitgraph.graph.pair_geometry import ETA, PER_U, SIZE_U, SIZE_V, R, X, Y, Z, hit_rows
from hitgraph.graph.scored_values import N_BINS, N_GEOMETRY, SCORE_VARIABLES
from hitgraph.graph.window_search import VARIABLES, sort_into_cells
from hitgraph.graph.windows import (
    LayerWindows,
    WindowBuilder,
    WindowSettings,
    along_is_z,
    layer_rows,
    learn_windows,
)
from hitgraph.graph.windows_on_device import search_scored
from hitgraph.kernels.choice import for_host
from hitgraph.kernels.constants import Constants

_BLOCK = 4096  # inner hits a task
_FAKES = 400_000  # pairs an event that are no edges and teach the score
_BIN_TAIL = 0.002  # of the true edges lies beyond the bins, on each side of each variable
_ROUNDING = 1e-5  # lowers the cut, so that the edge that sets it passes it in every kernel
_LAYER_COLUMNS = ("inner_volume", "inner_layer", "outer_volume", "outer_layer")


@dataclass(frozen=True)
class ScoredSettings:
    """How many candidate edges the score may cost."""

    target_efficiency: float = 0.99  # of true edges, windows and score together
    skip_weight: float = 0.1  # in the score, of two hits of a particle that are not neighbours
    pair_coverage: float = 0.999  # share of the true edges that the kept layer pairs hold
    tail: float = 0.0005  # share of a layer pair's true edges cut on each side of each window
    cluster_shape: bool = True  # let the score see cluster shape and charge; events need cells
    events: int = 12  # events to learn from, at most

    def __post_init__(self) -> None:
        for key in ("target_efficiency", "pair_coverage"):
            if not 0 < getattr(self, key) <= 1:
                raise SettingsError(f"{key}: {getattr(self, key)} is not in (0, 1]")
        if not 0 <= self.skip_weight <= 1:
            raise SettingsError(f"skip_weight: {self.skip_weight} is not in [0, 1]")
        if not 0 <= self.tail < 0.5:
            raise SettingsError(f"tail: {self.tail} is not in [0, 0.5)")
        if self.events < 1:
            raise SettingsError(f"events: {self.events} is not allowed, at least 1")


@dataclass(frozen=True, eq=False)
class ScoredWindows:
    """The learnt tables, one row an ordered layer pair."""

    windows: LayerWindows  # what a pair has to pass before it is scored
    base: NDArray[np.float32]  # (n_pairs,) score before any variable is looked at
    low: NDArray[np.float32]  # (n_pairs, n_variables) where the bins of SCORE_VARIABLES begin
    scale: NDArray[np.float32]  # (n_pairs, n_variables) bins a unit
    table: NDArray[np.float32]  # (n_pairs, n_variables, N_BINS) what a value adds to the score
    cut: float  # lowest score of a candidate edge

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def cluster_shape(self) -> bool:
        """Whether the score looks at cluster shape and charge."""
        return bool(self.table.shape[1] > N_GEOMETRY)

    def save(self, path: str | Path) -> None:
        """Write a parquet file."""
        windows = self.windows
        layers = np.concatenate([windows.inner, windows.outer], axis=1).T
        columns: dict[str, object] = dict(zip(_LAYER_COLUMNS, layers, strict=True))
        columns |= {"n_true": windows.n_true, "base": self.base}
        for k, name in enumerate(VARIABLES):
            columns[f"{name}_lo"] = windows.bounds[:, k, 0]
            columns[f"{name}_hi"] = windows.bounds[:, k, 1]
        names = SCORE_VARIABLES[: self.table.shape[1]]
        for k, name in enumerate(names):
            columns[f"{name}_low"] = self.low[:, k]
            columns[f"{name}_scale"] = self.scale[:, k]
            columns[f"{name}_score"] = pa.FixedSizeListArray.from_arrays(
                pa.array(self.table[:, k].reshape(-1)), N_BINS
            )
        facts = json.dumps({"cut": self.cut, "variables": names, "n_bins": N_BINS})
        table = pa.table(columns).replace_schema_metadata({"scored_windows": facts})
        with atomic_write(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def load(cls, path: str | Path) -> "ScoredWindows":
        """Read what `save` wrote. Raises InputError when it is something else."""
        try:
            table = pq.read_table(path)
            facts = json.loads((table.schema.metadata or {})[b"scored_windows"])
            names = facts["variables"]
            if facts["n_bins"] != N_BINS or tuple(names) != SCORE_VARIABLES[: len(names)]:
                raise ValueError(f"variables {', '.join(names)} in {facts['n_bins']} bins")
            scores = [
                table[f"{name}_score"].combine_chunks().flatten().to_numpy() for name in names
            ]
            column = {
                name: table[name].to_numpy()
                for name in table.column_names
                if not name.endswith("_score")
            }
            layers = np.stack([column[name] for name in _LAYER_COLUMNS], axis=1)
            bounds = [np.stack([column[f"{n}_lo"], column[f"{n}_hi"]], axis=1) for n in VARIABLES]
            return cls(
                windows=LayerWindows(
                    inner=layers[:, :2],
                    outer=layers[:, 2:],
                    bounds=np.stack(bounds, axis=1),
                    n_true=column["n_true"],
                    cluster_shape=False,
                ),
                base=column["base"],
                low=np.stack([column[f"{name}_low"] for name in names], axis=1),
                scale=np.stack([column[f"{name}_scale"] for name in names], axis=1),
                table=np.stack([s.reshape(len(table), N_BINS) for s in scores], axis=1),
                cut=facts["cut"],
            )
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: is not a table of scored windows that this version reads ({error})"
            ) from error


# ---------------------------------------------------------------- building


class ScoredBuilder:
    """Graph builder: pairs of hits that pass the windows of their layer pair and the score cut.

    Deterministic, whatever the threads. Two hits of one module are never joined. Raises
    InputError when the windows name a layer that the detector lacks.
    """

    def __init__(
        self, scored: ScoredWindows, detector: Detector, threads: int | None = None
    ) -> None:
        self.scored = scored
        self.detector = detector
        self.threads = threads
        self._barrel = along_is_z(detector)
        inner, outer = layer_rows(scored.windows, detector)
        order = np.lexsort((outer, inner))
        highest = scored.table[order].max(axis=2).astype(np.float32)
        outer_most = highest[:, N_GEOMETRY + 3 :].sum(axis=1)
        bounds = np.ascontiguousarray(scored.windows.bounds[order])
        self._windows = (
            np.searchsorted(inner[order], np.arange(detector.n_layers + 1)),
            outer[order],
            bounds,
            scored.base[order],
            np.ascontiguousarray(scored.low[order]),
            np.ascontiguousarray(scored.scale[order]),
            np.ascontiguousarray(scored.table[order]),
        )
        self._constants = Constants(self._barrel, *self._windows)
        self._reaches = search.window_reach(bounds)
        self._best = outer_most + np.float32(_ROUNDING)

    def build(self, hits: Hits) -> Tensor:
        """(2, n_edges) int64 candidate edges, inner hit first, without duplicates.

        Raises InputError when the score uses cluster shape and the hits have none.
        """
        return self.search(hits)[0]

    def search(self, hits: Hits) -> tuple[Tensor, Tensor]:
        """The edges of `build` and their scores, (n_edges,) float32.

        A score is a logit: sigmoid(score) is the share of true edges among such pairs.
        """
        if self.scored.cluster_shape and not hits.has_clusters:
            raise InputError(
                "the windows use cluster shape, but the hits have no cluster features: give "
                "events with cells, or train with graph.cluster_shape false"
            )
        if not for_host(hits.position):
            return self.search_on_device(hits)
        rows, layer = hit_rows(hits, self.detector), hits.layer.numpy()
        order, starts, span = sort_into_cells(rows, layer, self._barrel, self.detector.n_layers)
        hits_of = (
            *search.hit_tables(rows[order], _charge(hits)[order]),
            squared_distance(hits.position).numpy()[order],
            order,
            layer[order],
            hits.module.numpy()[order],
            starts,
            span,
            self._barrel,
        )
        first, outer, bounds, base, low, scale, table = self._windows
        windows = (
            first, outer, bounds, self._reaches, base, low, scale,
            table.reshape(len(table), -1), self._best, np.float32(self.scored.cut),
        )  # fmt: skip

        def task(begin: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
            end = min(begin + _BLOCK, len(order))
            found: tuple[NDArray[np.int32], NDArray[np.float32]] = search.search_scored(
                begin, end, *hits_of, *windows
            )
            return found

        with ThreadPoolExecutor(self.threads or torch.get_num_threads()) as pool:
            blocks = list(pool.map(task, range(0, len(order), _BLOCK)))
        pairs = np.concatenate([np.empty((2, 0), np.int32), *(b[0] for b in blocks)], axis=1)
        scores = np.concatenate([np.empty(0, np.float32), *(b[1] for b in blocks)])
        return torch.from_numpy(pairs.astype(np.int64)), torch.from_numpy(scores)

    def search_on_device(self, hits: Hits) -> tuple[Tensor, Tensor]:
        """What `search` gives, in torch on any device; the order of the edges is another."""
        barrel, *windows = self._constants.on(hits.position.device)
        return search_scored(hits, self.detector, barrel, tuple(windows), self.scored.cut)


def hit_columns(hits: Hits, detector: Detector, barrel: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(18, n_hits) float32: the hits as scored_values reads them.

    A particle that crosses L channels lights L + 1 of them on average, so sizes count from one.
    """
    rows = hit_rows(hits, detector)
    columns = np.empty((variables.N_COLUMNS, len(hits)), np.float32)
    columns[: variables.CHARGE_] = rows[:, [X, Y, Z, R, ETA]].T
    columns[variables.CHARGE_] = _charge(hits)
    in_barrel = barrel[hits.layer.cpu().numpy()]
    columns[variables.ALONG_] = np.where(in_barrel, rows[:, Z], rows[:, R])
    columns[variables.SIZE_U_] = rows[:, SIZE_U] - 1.0
    columns[variables.SIZE_V_] = rows[:, SIZE_V] - 1.0
    columns[variables.FRAME_ :] = rows[:, PER_U:].T
    return columns


def _charge(hits: Hits) -> NDArray[np.float32]:
    """(n_hits,), zero without clusters."""
    if not hits.has_clusters:
        return np.zeros(len(hits), np.float32)
    charge: NDArray[np.float32] = hits.features[:, FEATURES.index("charge")].cpu().numpy()
    return charge


# ---------------------------------------------------------------- learning


class LearningSample(Protocol):
    """An event to learn from; the samples of hitgraph.training are such."""

    @property
    def hits(self) -> Hits: ...

    @property
    def particle_id(self) -> Tensor:
        """(n_hits,) int64, 0 = noise."""

    @property
    def step(self) -> Tensor:
        """(n_hits,) int32, place along the particle (event.truth.track_steps)."""

    @property
    def target(self) -> Tensor:
        """(n_hits,) bool, its particle counts; pairs of the others are neither true nor fake."""

    @property
    def true_edges(self) -> Tensor:
        """(2, n_true) int64, inner hit first, of the particles that count."""


def learn_scored_windows(
    events: Sequence[Callable[[], LearningSample]], detector: Detector, settings: ScoredSettings
) -> ScoredWindows:
    """Windows and scores that keep `target_efficiency` of the true edges with the fewest pairs.

    `events` are read when called, one at a time, three times each; jitter their clusters
    (`make_sample`), lest the score lean on what simulation makes too regular. Raises InputError
    when there are no true edges, or when the settings want cluster shape and the hits have none.
    """
    events = events[: settings.events]
    samples = (read() for read in events)
    windows = learn_windows(
        ((sample.hits, sample.true_edges) for sample in samples),
        detector,
        WindowSettings(settings.pair_coverage, settings.tail, cluster_shape=False),
    )
    scorer = _Scorer(windows, detector, settings.cluster_shape)
    values, window, n_true = [], [], 0
    for read in events:
        sample = read()
        edges = sample.true_edges.numpy()
        n_true += edges.shape[1]
        row = scorer.window(sample.hits, edges)
        values.append(scorer.values(sample.hits, edges[:, row >= 0]))
        window.append(row[row >= 0])
    low, scale = learning.binning(
        np.concatenate(values, axis=1), np.concatenate(window), len(windows), _BIN_TAIL
    )
    bins, window, truth, weight, is_true = [], [], [], [], []
    random = np.random.default_rng(0)
    builder = WindowBuilder(windows, detector)
    for read in events:
        sample = read()
        edges = builder.build(sample.hits).numpy()
        kind = edge_labels(sample.particle_id.numpy(), sample.step.numpy(), edges)
        share = min(1.0, _FAKES / max(int((kind == FAKE).sum()), 1))
        chosen = (kind != FAKE) | (random.random(len(kind)) < share)
        edges, kind = edges[:, chosen], kind[chosen]
        row = scorer.window(sample.hits, edges)
        bins.append(learning.bins_of(scorer.values(sample.hits, edges), row, low, scale))
        window.append(row)
        truth.append((kind != FAKE).astype(np.float32))
        counts = (kind == FAKE) | sample.target.numpy()[edges[0]]
        each = np.choose(kind, [1.0 / share, 1.0, settings.skip_weight])
        weight.append(np.where(counts, each, 0.0).astype(np.float32))
        is_true.append((kind == TRUE) & counts)
    code, rows, true = np.concatenate(bins, axis=1), np.concatenate(window), np.concatenate(is_true)
    base, table = learning.fit_tables(
        code, np.concatenate(truth), np.concatenate(weight), rows, len(windows)
    )
    score = np.sort(learning.scores_of(code[:, true], rows[true], base, table))[::-1]
    needed = int(np.ceil(settings.target_efficiency * n_true))
    cut = float(score[min(needed, len(score)) - 1]) - _ROUNDING if len(score) else -np.inf
    return ScoredWindows(windows, base, low, scale, table, cut)


class _Scorer:
    """Values of the score's variables, and which windows pairs belong to."""

    def __init__(self, windows: LayerWindows, detector: Detector, cluster_shape: bool) -> None:
        self.detector = detector
        self.cluster_shape = cluster_shape
        self.barrel = along_is_z(detector)
        inner, outer = layer_rows(windows, detector)
        self.window_of = np.full((detector.n_layers, detector.n_layers), -1, np.int64)
        self.window_of[inner, outer] = np.arange(len(windows))

    def window(self, hits: Hits, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n_edges,) row of the layer pair of each edge, -1 where it is not kept."""
        layer = hits.layer.numpy()
        rows: NDArray[np.int64] = self.window_of[layer[edges[0]], layer[edges[1]]]
        return rows

    def values(self, hits: Hits, edges: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n_variables, n_edges) SCORE_VARIABLES of edges."""
        if self.cluster_shape and not hits.has_clusters:
            raise InputError(
                "cluster_shape is true, but the hits have no cluster features: give events "
                "with cells, or set graph.cluster_shape to false"
            )
        values: NDArray[np.float32] = variables.score_values(
            hit_columns(hits, self.detector, self.barrel),
            *edges,
            len(SCORE_VARIABLES) if self.cluster_shape else N_GEOMETRY,
        )
        return values
