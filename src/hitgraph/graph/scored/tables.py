"""The learnt tables of the scored windows, and the settings they are learnt with.

Of the pairs that pass the geometry windows of their layer pair, those are candidate edges whose
score, a sum of learnt table entries, is high enough (docs/windows.md). `scored_builder` uses the
tables, `scored_learning` makes them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hitgraph.errors import InputError, SettingsError
from hitgraph.files import atomic_write
from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY, SCORE_VARIABLES
from hitgraph.graph.windows import LayerWindows
from hitgraph.graph.windows.cpu import VARIABLES

ROUNDING = 1e-5  # lowers a cut, so that the edge that sets it passes it in every kernel
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
    density: float  # of hits (density.hit_density) in the events learnt from, on average

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
        facts = json.dumps(
            {"cut": self.cut, "density": self.density, "variables": names, "n_bins": N_BINS}
        )
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
            if "density" not in facts:
                raise ValueError("scores without the density they were learnt at: train again")
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
                density=facts["density"],
            )
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: is not a table of scored windows that this version reads ({error})"
            ) from error
