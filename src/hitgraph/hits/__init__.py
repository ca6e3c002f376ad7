"""What the networks see of an event: tensors, one row a hit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.hits import cpu, plain
from hitgraph.hits.columns import FEATURES, HIT_COLUMNS, POSITION_FEATURES
from hitgraph.kernels.blocks import in_blocks
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.picks import columns_of, rows_at, rows_where

CPU = torch.device("cpu")
_HITS = 8192  # what is worth a task

__all__ = ["FEATURES", "HIT_COLUMNS", "POSITION_FEATURES", "Hits", "hits_from_event"]


@dataclass(frozen=True, eq=False)
class Hits:
    """Hits of one event on one device.

    Features are in natural units; every network standardises its own inputs. Without names the
    columns are FEATURES, or the first of them (POSITION_FEATURES where the event has no cells).
    """

    features: Tensor  # (n_hits, n_features) float32
    position: Tensor  # (n_hits, 3) float32, mm
    layer: Tensor  # (n_hits,) int64, dense layer index of the detector table
    module: Tensor  # (n_hits,) int64, row of the detector table
    straightening: Tensor | None = None  # (n_hits,) float32, see `straight`; None = 1 everywhere
    columns: tuple[str, ...] = FEATURES  # names of the columns of `features`

    def __post_init__(self) -> None:
        n_features = self.features.shape[1]
        if self.columns is FEATURES and n_features < len(FEATURES):
            object.__setattr__(self, "columns", FEATURES[:n_features])
        if len(self.columns) != n_features:
            raise ValueError(f"{n_features} features, but {len(self.columns)} columns are named")

    def __repr__(self) -> str:
        return f"<{len(self)} hits, {len(self.columns)} columns, on {self.position.device}>"

    def __len__(self) -> int:
        return len(self.position)

    @property
    def straight(self) -> Tensor:
        """(n_hits, 3) float32 mm, the positions with tracks as they would be in a constant field.

        What looks for helices looks here (event.field.MagneticField.straightening).
        """
        if self.straightening is None:
            return self.position
        return self.position * self.straightening[:, None]

    @property
    def has_clusters(self) -> bool:
        return "charge" in self.columns

    def column(self, name: str) -> Tensor:
        """(n_hits,) one column of the features. Raises ValueError where the hits lack it."""
        return self.features[:, self.columns.index(name)]

    def take(self, names: Sequence[str]) -> Tensor:
        """(n_hits, len(names)) columns of the features."""
        if tuple(names) == self.columns:
            return self.features
        return columns_of(self.features, [self.columns.index(name) for name in names])

    @property
    def charge(self) -> Tensor:
        """(n_hits,) float32, zero without clusters."""
        if not self.has_clusters:
            return torch.zeros_like(self.features[:, 0])
        return self.column("charge")

    def to(self, device: torch.device | str) -> "Hits":
        return self._each(lambda column: column.to(device))

    def select(self, rows: Tensor) -> "Hits":
        """The hits of the given rows (index or boolean mask)."""
        if rows.dtype == torch.bool:
            rows = rows_where(rows)
        return self._each(lambda column: rows_at(column, rows))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Hits":
        straightening = self.straightening
        return Hits(
            change(self.features),
            change(self.position),
            change(self.layer),
            change(self.module),
            None if straightening is None else change(straightening),
            self.columns,
        )

    def with_features(self, features: Tensor) -> "Hits":
        """Other features; where they are of another number, the first of FEATURES."""
        same = features.shape[1] == len(self.columns)
        return replace(self, features=features, columns=self.columns if same else FEATURES)


def hits_from_event(
    event: Event,
    detector: Detector,
    clusters: bool = True,
    device: torch.device = CPU,
    columns: Sequence[str] = (),
    backend: Backend = "auto",
) -> Hits:
    """Tensors of an event's hits on `device`, with the cluster-shape features when `clusters`.

    `columns` are further ones of HIT_COLUMNS. For a GPU the columns of the event are copied there
    and everything is made there. Raises InputError when a hit lies on a module that `detector`
    lacks, or when clusters are wanted and the event has no cells.
    """
    straightening = _straightening(event, detector)
    if for_host(torch.empty(0, device=device), backend):
        hits = Hits(*cpu.hit_tensors(event, detector, clusters), straightening)
    else:
        straightening = None if straightening is None else straightening.to(device)
        hits = Hits(*plain.hit_tensors(event, detector, clusters, device), straightening)
    return with_columns(hits, [name for name in columns if name not in hits.columns])


def with_columns(hits: Hits, names: Sequence[str]) -> Hits:
    """The hits with further columns that follow from what they have."""
    if not names:
        return hits
    further = []
    for name in names:
        derive = HIT_COLUMNS[name].derive
        if derive is None:
            raise ValueError(f"column {name} does not follow from the other columns of hits")
        further.append(derive(hits))
    features = torch.cat([hits.features, torch.stack(further, dim=1)], dim=1)
    return replace(hits, features=features, columns=(*hits.columns, *names))


def _straightening(event: Event, detector: Detector) -> Tensor | None:
    if detector.field is None or detector.field.is_constant:
        return None
    x, y, z, field = event.hits.x, event.hits.y, event.hits.z, detector.field
    factor = np.empty(len(x), np.float32)

    def task(begin: int, end: int) -> None:
        block = slice(begin, end)
        factor[block] = field.straightening(np.hypot(x[block], y[block]), z[block])

    in_blocks(task, len(x), _HITS)
    return torch.from_numpy(factor)
