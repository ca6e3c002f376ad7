"""What the networks see of an event: tensors, one row a hit."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.clusters import CLUSTER_FEATURES, cluster_features, modules_of_hits
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.graph.hits_on_device import hit_tensors
from hitgraph.kernels.choice import for_host

CPU = torch.device("cpu")

POSITION_FEATURES = ("r", "phi", "z")  # mm, rad, mm
FEATURES = (*POSITION_FEATURES, *CLUSTER_FEATURES)


@dataclass(frozen=True, eq=False)
class Hits:
    """Hits of one event on one device.

    Features are in natural units, named by FEATURES (or only POSITION_FEATURES where the event
    has no cells); every network standardises its own inputs.
    """

    features: Tensor  # (n_hits, n_features) float32
    position: Tensor  # (n_hits, 3) float32, mm
    layer: Tensor  # (n_hits,) int64, dense layer index of the detector table
    module: Tensor  # (n_hits,) int64, row of the detector table
    straightening: Tensor | None = None  # (n_hits,) float32, see `straight`; None = 1 everywhere

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
        return self.features.shape[1] == len(FEATURES)

    @property
    def charge(self) -> Tensor:
        """(n_hits,) float32, zero without clusters."""
        if not self.has_clusters:
            return torch.zeros_like(self.features[:, 0])
        return self.features[:, FEATURES.index("charge")]

    def to(self, device: torch.device | str) -> "Hits":
        return self._each(lambda column: column.to(device))

    def select(self, rows: Tensor) -> "Hits":
        """The hits of the given rows (index or boolean mask)."""
        return self._each(lambda column: column[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Hits":
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return Hits(**{name: change(one) for name, one in columns.items() if one is not None})

    def with_features(self, features: Tensor) -> "Hits":
        return replace(self, features=features)


def hits_from_event(
    event: Event, detector: Detector, clusters: bool = True, device: torch.device = CPU
) -> Hits:
    """Tensors of an event's hits on `device`, with the cluster-shape features when `clusters`.

    For a GPU the columns of the event are copied there and everything is made there.
    Raises InputError when a hit lies on a module that `detector` lacks, or when clusters are
    wanted and the event has no cells.
    """
    straightening = _straightening(event, detector)
    if not for_host(torch.empty(0, device=device)):
        straightening = None if straightening is None else straightening.to(device)
        return Hits(*hit_tensors(event, detector, clusters, device), straightening)
    module = modules_of_hits(event, detector)
    x, y, z = event.hits.x, event.hits.y, event.hits.z
    columns = np.stack([np.hypot(x, y), np.arctan2(y, x), z], axis=1).astype(np.float32)
    if clusters:
        columns = np.concatenate([columns, cluster_features(event, detector)], axis=1)
    return Hits(
        features=torch.from_numpy(np.ascontiguousarray(columns)),
        position=torch.from_numpy(np.stack([x, y, z], axis=1).astype(np.float32)),
        layer=torch.from_numpy(detector.layer[module]),
        module=torch.from_numpy(module),
        straightening=straightening,
    )


def _straightening(event: Event, detector: Detector) -> Tensor | None:
    if detector.field is None or detector.field.is_constant:
        return None
    hits = event.hits
    factor = detector.field.straightening(np.hypot(hits.x, hits.y), hits.z)
    return torch.from_numpy(factor.astype(np.float32))
