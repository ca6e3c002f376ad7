"""Azimuths for networks: hits on either side of phi = pi are as near as they are in space."""

from collections.abc import Sequence

import torch
from torch import Tensor

AZIMUTHS = ("phi", "gphi")  # columns that jump from pi to -pi


class Azimuths:
    """Columns of hits with each azimuth as its cosine and its sine."""

    def __init__(self, names: Sequence[str]) -> None:
        self.angles = [names.index(name) for name in AZIMUTHS if name in names]
        self.others = [column for column in range(len(names)) if column not in self.angles]
        self.n_outputs = len(self.others) + 2 * len(self.angles)

    def __call__(self, features: Tensor) -> Tensor:
        """(n_hits, n_names) -> (n_hits, n_outputs)."""
        angles = features[:, self.angles]
        return torch.cat([features[:, self.others], angles.cos(), angles.sin()], dim=1)
