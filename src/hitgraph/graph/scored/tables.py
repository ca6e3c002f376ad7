"""The learnt tables of the scored windows.

Of the pairs that pass the geometry windows of their layer pair, those are candidate edges whose
score, a sum of learnt table entries, is high enough (docs/windows.md). `scored.builder` uses the
tables, `scored.learning` makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY, SCORE_VARIABLES
from hitgraph.graph.windows import LayerWindows
from hitgraph.tensors import number, take, take_number

ROUNDING = 1e-5  # lowers a cut, so that the edge that sets it passes it in every kernel
TENSORS = ("base", "low", "scale", "table")  # besides those of the windows, cut and density


@dataclass(frozen=True, eq=False)
class ScoredWindows:
    """The learnt tables, one row an ordered layer pair."""

    windows: LayerWindows  # what a pair has to pass before it is scored
    base: NDArray[np.float32]  # (n_pairs,) score before any variable is looked at
    low: NDArray[np.float32]  # (n_pairs, n_variables) where the bins of SCORE_VARIABLES begin
    scale: NDArray[np.float32]  # (n_pairs, n_variables) bins a unit
    table: NDArray[np.float32]  # (n_pairs, n_variables, N_BINS) what a value adds to the score
    cut: float  # lowest score of a candidate edge
    density: float  # of hits (density.hit_density) in the events learnt from, on average

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def cluster_shape(self) -> bool:
        """Whether the score looks at cluster shape and charge."""
        return bool(self.table.shape[1] > N_GEOMETRY)

    def tensors(self) -> dict[str, Tensor]:
        """As `from_tensors` reads them."""
        arrays = (self.base, self.low, self.scale, self.table)
        own = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
        return {
            **self.windows.tensors(),
            **dict(zip(TENSORS, own, strict=True)),
            "cut": number(self.cut),
            "density": number(self.density),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], cluster_shape: bool) -> "ScoredWindows":
        """What `tensors` gave. Raises InputError where they are something else."""
        windows = LayerWindows.from_tensors(tensors, cluster_shape=False)
        n, n_variables = len(windows), len(SCORE_VARIABLES) if cluster_shape else N_GEOMETRY
        base = take(tensors, "base", (n,))
        low = take(tensors, "low", (n, n_variables))
        scale = take(tensors, "scale", (n, n_variables), low=1e-30)
        table = take(tensors, "table", (n, n_variables, N_BINS))
        arrays = [one.contiguous().numpy() for one in (base, low, scale, table)]
        cut, density = take_number(tensors, "cut"), take_number(tensors, "density", low=0.0)
        return cls(windows, arrays[0], arrays[1], arrays[2], arrays[3], cut, density)
