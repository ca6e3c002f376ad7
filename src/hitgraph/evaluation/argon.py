"""How good clusters and classes of hits are in events of a liquid-argon TPC."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.clustering import adjusted_rand, matches, shares, singles
from hitgraph.evaluation.ratio import Ratio, ratio
from hitgraph.evaluation.tables import NOTHING, Row, percent
from hitgraph.event.argon import CLASSES, classes_of, hit_classes
from hitgraph.event.event import Event
from hitgraph.event.hit_classes import classes_path, read_classes
from hitgraph.event.truth import NOISE, require_truth

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

TITLE = "Clusters and classes on wire planes"
CELLS = False


@dataclass(frozen=True, eq=False)
class ArgonQuality:
    """The clusters and classes of one event or of several; of views with enough hits."""

    rand: Float64  # (n_planes,) adjusted Rand index of the particles' hits on a plane of an event
    kind: Int64  # (n_views,) class of each true view
    completeness: Float64  # (n_views,) share of its hits in its best cluster
    found: Bool  # (n_views,) whether a cluster has more than half of the hits that either has
    real: Bool  # (n_clusters,) whether it is such a cluster
    purity: Float64  # (n_clusters,) share of a cluster's hits that are of one view
    sizes: Int64  # (n_clusters,) hits
    confusion: Int64 | None  # (n_classes, n_classes) hits by true and found class; None without

    @property
    def purity_by_hits(self) -> float:
        """Purity of the clusters, weighed by their size."""
        n_hits = int(self.sizes.sum())
        return float((self.purity * self.sizes).sum() / n_hits) if n_hits else float("nan")

    def efficiency(self, kind: int | None = None) -> Ratio:
        """Views with a match, all of them or those of a class."""
        among = self.kind == kind if kind is not None else np.ones(len(self.kind), bool)
        return ratio(self.found, among)

    @property
    def fakes(self) -> Ratio:
        """Clusters without a match."""
        return ratio(~self.real, np.ones(len(self.real), bool))

    @property
    def recall(self) -> Float64:
        """(n_classes,) share of the hits of a class that are found as it; NaN without hits."""
        return _share(self._classes(), axis=1)

    @property
    def precision(self) -> Float64:
        """(n_classes,) share of the hits found as a class that are of it; NaN without hits."""
        return _share(self._classes(), axis=0)

    @property
    def accuracy(self) -> float:
        """Share of the hits whose class is right."""
        confusion = self._classes()
        return float(np.trace(confusion) / confusion.sum()) if confusion.sum() else float("nan")

    def _classes(self) -> Int64:
        n = len(CLASSES)
        return np.zeros((n, n), np.int64) if self.confusion is None else self.confusion

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        numbers = {
            "adjusted_rand": _mean(self.rand),
            "views": len(self.kind),
            "clusters": len(self.purity),
            "efficiency": self.efficiency().to_dict(),
            "fake_rate": self.fakes.to_dict(),
            "efficiency_of": {name: self.efficiency(k).to_dict() for k, name in enumerate(CLASSES)},
            "completeness": _mean(self.completeness),
            "purity": _mean(self.purity),
            "purity_by_hits": _known(self.purity_by_hits),
            "completeness_of": {
                name: _mean(self.completeness[self.kind == k]) for k, name in enumerate(CLASSES)
            },
        }
        if self.confusion is None:
            return numbers
        return numbers | {
            "accuracy": _known(self.accuracy),
            "recall": dict(zip(CLASSES, map(_known, self.recall.tolist()), strict=True)),
            "precision": dict(zip(CLASSES, map(_known, self.precision.tolist()), strict=True)),
            "confusion": self.confusion.tolist(),
        }


def judge(event: Event, labels: Int64, tracks: Path, min_hits: int) -> ArgonQuality:
    """Of tracks in a file; the classes of hits stand beside it where a pipeline has found any."""
    path = classes_path(tracks.parent, event.name)
    classes = read_classes(path, event) if path.is_file() else None
    return argon_quality(event, labels, classes, min_hits)


def argon_quality(
    event: Event, labels: Int64, classes: Int64 | None, min_hits: int
) -> ArgonQuality:
    """Compare clusters `labels` (n_hits,), -1 = none, and `classes` (n_hits,) with the truth.

    Views and clusters of fewer than `min_hits` hits count in the adjusted Rand index only. Raises
    InputError without truth, and for events of another detector.
    """
    particle_id = require_truth(event).particle_id
    true = hit_classes(particle_id, event.name)
    found = singles(labels)
    signal = particle_id != NOISE
    planes = [signal & (event.hits.layer_id == layer) for layer in np.unique(event.hits.layer_id)]
    rand = [adjusted_rand(particle_id[plane], found[plane]) for plane in planes]
    both = shares(particle_id, labels, NOISE)
    pairs = matches(particle_id, labels, np.ones(event.n_hits), NOISE)
    number, n_hits = np.unique(particle_id[signal], return_counts=True)
    large, big = n_hits >= min_hits, both.sizes >= min_hits
    confusion = None
    if classes is not None:
        n = len(CLASSES)
        confusion = np.bincount(true * n + classes, minlength=n * n).reshape(n, n)
    return ArgonQuality(
        rand=np.array([one for one in rand if one == one]),
        kind=np.asarray(classes_of(number[large]), np.int64),
        completeness=both.completeness[large],
        found=pairs.found[large],
        real=pairs.real[big],
        purity=both.purity[big],
        sizes=both.sizes[big],
        confusion=confusion,
    )


def combine(parts: Sequence[ArgonQuality]) -> ArgonQuality:
    """Several events together; classes where every event has them."""
    confusions = [one.confusion for one in parts if one.confusion is not None]
    return ArgonQuality(
        rand=np.concatenate([one.rand for one in parts]),
        kind=np.concatenate([one.kind for one in parts]),
        completeness=np.concatenate([one.completeness for one in parts]),
        found=np.concatenate([one.found for one in parts]),
        real=np.concatenate([one.real for one in parts]),
        purity=np.concatenate([one.purity for one in parts]),
        sizes=np.concatenate([one.sizes for one in parts]),
        confusion=sum(confusions[1:], confusions[0]) if len(confusions) == len(parts) else None,
    )


def rows(columns: Mapping[str, ArgonQuality]) -> list[Row]:
    """Clusters, then classes, one cell a column."""

    def row(name: str, value: Callable[[ArgonQuality], float]) -> Row:
        return Row(name, tuple(_text(value(one)) for one in columns.values()))

    found = [
        row("adjusted Rand index", lambda q: _average(q.rand)),
        Row("efficiency of views", tuple(percent(q.efficiency()) for q in columns.values())),
        *(
            Row(f"efficiency, {name}", tuple(percent(q.efficiency(k)) for q in columns.values()))
            for k, name in enumerate(CLASSES)
        ),
        Row("fake rate", tuple(percent(q.fakes) for q in columns.values())),
        row("completeness of views", lambda q: _average(q.completeness)),
        *(
            row(f"completeness, {name}", lambda q, k=k: _average(q.completeness[q.kind == k]))  # type: ignore[misc]
            for k, name in enumerate(CLASSES)
        ),
        row("purity of clusters", lambda q: _average(q.purity)),
        row("purity of clusters, by hits", lambda q: q.purity_by_hits),
        Row(
            "clusters / views", tuple(f"{len(q.purity)} / {len(q.kind)}" for q in columns.values())
        ),
        row("hits in the right class", lambda q: q.accuracy),
    ]
    for k, name in enumerate(CLASSES):
        found.append(row(f"recall, {name}", lambda q, k=k: float(q.recall[k])))  # type: ignore[misc]
        found.append(row(f"precision, {name}", lambda q, k=k: float(q.precision[k])))  # type: ignore[misc]
    return found


def _share(confusion: Int64, axis: int) -> Float64:
    total = confusion.sum(axis=axis)
    return np.where(total > 0, np.diag(confusion) / np.maximum(total, 1), np.nan)


def _average(values: Float64) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _mean(values: Float64) -> float | None:
    return _known(_average(values))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _text(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else NOTHING
