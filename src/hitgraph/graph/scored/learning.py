"""Learning the scored windows from events with truth."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.truth import FAKE, TRUE, edge_labels
from hitgraph.graph.scored import regression as tables
from hitgraph.graph.scored import values as variables
from hitgraph.graph.scored.tables import ROUNDING, ScoredWindows
from hitgraph.graph.scored.values import N_GEOMETRY, SCORE_VARIABLES
from hitgraph.graph.windows import (
    OPEN,
    LayerWindows,
    WindowBuilder,
    WindowSettings,
    along_is_z,
    layer_rows,
    learn_windows,
)
from hitgraph.hits import Hits
from hitgraph.hits.density import hit_density, logit_shift
from hitgraph.pairs.geometry import ETA, PER_U, SIZE_U, SIZE_V, R, X, Y, Z, hit_rows

if TYPE_CHECKING:
    from hitgraph.graph.scored.stage import ScoredSettings

_FAKES = 400_000  # pairs an event that are no edges and teach the score
_BIN_TAIL = 0.002  # of the true edges lies beyond the bins, on each side of each variable


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
    def born(self) -> Tensor:
        """(n_hits,) float32 mm, its particle's distance of birth from the beam line."""

    @property
    def true_edges(self) -> Tensor:
        """(2, n_true) int64, inner hit first, of the particles that count."""


def learn_scored_windows(
    events: Sequence[Callable[[], LearningSample]], detector: Detector, settings: "ScoredSettings"
) -> ScoredWindows:
    """Windows and scores that keep `target_efficiency` of the true edges with the fewest pairs.

    `events` are read when called, one at a time, three times each; jitter their clusters
    (`make_sample`), lest the score lean on what simulation makes too regular. Raises InputError
    when there are no true edges, or when the settings want cluster shape and the hits have none.
    """
    events = events[: settings.events]
    samples = (read() for read in events)
    windows = learn_windows(
        ((sample.hits, _near(sample, settings.max_radius)) for sample in samples),
        detector,
        WindowSettings(settings.pair_coverage, settings.tail, cluster_shape=False),
    )
    scorer = _Scorer(windows, detector, settings.sees_clusters)
    values, window, densities, n_true = [], [], [], 0
    for read in events:
        sample = read()
        edges = sample.true_edges.numpy()
        n_true += _near(sample, settings.max_radius).shape[1]
        densities.append(hit_density(sample.hits, detector.n_layers))
        row = scorer.window(sample.hits, edges)
        values.append(scorer.values(sample.hits, edges[:, row >= 0]))
        window.append(row[row >= 0])
    low, scale = tables.binning(
        np.concatenate(values, axis=1), np.concatenate(window), len(windows), _BIN_TAIL
    )
    density = float(np.mean(densities))
    bins, window, truth, weight, is_true, offset = [], [], [], [], [], []
    random = np.random.default_rng(0)
    builder = WindowBuilder(windows, detector)
    for read, own_density in zip(events, densities, strict=True):
        sample = read()
        edges = builder.build(sample.hits).numpy()
        kind = edge_labels(sample.particle_id.numpy(), sample.step.numpy(), edges)
        share = min(1.0, _FAKES / max(int((kind == FAKE).sum()), 1))
        chosen = (kind != FAKE) | (random.random(len(kind)) < share)
        edges, kind = edges[:, chosen], kind[chosen]
        row = scorer.window(sample.hits, edges)
        bins.append(tables.bins_of(scorer.values(sample.hits, edges), row, low, scale))
        window.append(row)
        truth.append((kind != FAKE).astype(np.float32))
        counts = (kind == FAKE) | sample.target.numpy()[edges[0]]
        each = np.choose(kind, [1.0 / share, 1.0, settings.skip_weight])
        weight.append(np.where(counts, each, 0.0).astype(np.float32))
        near = sample.born.numpy()[edges[0]] <= settings.max_radius
        is_true.append((kind == TRUE) & counts & near)
        offset.append(np.full(len(row), -float(logit_shift(own_density, density)), np.float32))
    code, rows, true = np.concatenate(bins, axis=1), np.concatenate(window), np.concatenate(is_true)
    known = np.concatenate(offset)
    base, table = tables.fit_tables(
        code, np.concatenate(truth), np.concatenate(weight), rows, len(windows), known
    )
    score = tables.scores_of(code[:, true], rows[true], base, table) + known[true]
    score = np.sort(score)[::-1]
    needed = int(np.ceil(settings.target_efficiency * n_true))
    cut = float(score[min(needed, len(score)) - 1]) - ROUNDING if len(score) else -OPEN
    return ScoredWindows(windows, base, low, scale, table, cut, density)


def _near(sample: LearningSample, max_radius: float) -> Tensor:
    """(2, n) the true edges of particles born within that radius."""
    return sample.true_edges[:, sample.born[sample.true_edges[0]] <= max_radius]


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


def hit_columns(hits: Hits, detector: Detector, barrel: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(18, n_hits) float32: the hits as scored.values reads them.

    A particle that crosses L channels lights L + 1 of them on average, so sizes count from one.
    """
    rows = hit_rows(hits, detector)
    columns = np.empty((variables.N_COLUMNS, len(hits)), np.float32)
    columns[: variables.CHARGE_] = rows[:, [X, Y, Z, R, ETA]].T
    columns[variables.CHARGE_] = hits.charge.cpu().numpy()
    in_barrel = barrel[hits.layer.cpu().numpy()]
    columns[variables.ALONG_] = np.where(in_barrel, rows[:, Z], rows[:, R])
    columns[variables.SIZE_U_] = rows[:, SIZE_U] - 1.0
    columns[variables.SIZE_V_] = rows[:, SIZE_V] - 1.0
    columns[variables.FRAME_ :] = rows[:, PER_U:].T
    return columns
