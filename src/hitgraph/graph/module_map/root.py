"""A module map as the ROOT files that ACTS reads. Needs the extra `root`.

The names and types of the branches are those of ModuleMapGraph, with which the GNN plugin of ACTS
(ActsPlugins::ModuleMapCuda, moduleMapPath) reads MAP.doublets.root and MAP.triplets.root.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.acts_modules import geometry_ids
from hitgraph.event.detector import Detector
from hitgraph.event.trees import uproot_for
from hitgraph.files import atomic_write
from hitgraph.graph.module_map.tables import Connections, ModuleMap, connect
from hitgraph.graph.module_map.values import DYDX, DZDR, N_PAIR

_BRANCHES = ("z0", "dphi", "phiSlope", "deta")  # of a pair, in the order of PAIR_VARIABLES
_PART = 1 << 16  # connections whose triplets are written at a time

Columns = dict[str, NDArray[Any]]


def write_root_map(learnt: ModuleMap, detector: Detector, path: Path) -> tuple[Path, Path]:
    """Write PATH.doublets.root and PATH.triplets.root; give the path to ACTS as it is.

    Modules are named by their ACTS geometry identifiers, lengths are in mm. ACTS looks at all
    variables but diff_phi_slope, which its files do not have, and a map of rings leaves diff_dydx
    open: so ACTS keeps some edges more. Raises MissingExtraError without uproot.
    """
    found, ids = connect(learnt), geometry_ids(detector)
    kinds = ("doublets", "triplets")
    doublets, triplets = (path.with_name(f"{path.name}.{kind}.root") for kind in kinds)
    pairs = {f"Module{k + 1}": ids[end] for k, end in enumerate((found.inner, found.outer))}
    _write(doublets, "TreeModuleDoublet", [pairs | _ranges(found.bounds[found.row], "12")])
    seen = np.concatenate([learnt.triplets.seen, learnt.own_triplets.seen[found.own_row]])
    parts = range(0, max(len(found.inner), 1), _PART)
    _write(triplets, "TreeModuleTriplet", (_triplets(found, ids, seen, first) for first in parts))
    return doublets, triplets


def _triplets(
    found: Connections, ids: NDArray[np.uint64], seen: NDArray[np.int64], first: int
) -> Columns:
    """The columns of the triplets whose inner pair is a connection from `first` on."""
    one, other, row = found.triplets(first, first + _PART)
    bounds = found.triplet_bounds[row]
    ends = (found.inner[one], found.outer[one], found.outer[other])
    columns: Columns = {f"Module{k + 1}": ids[end] for k, end in enumerate(ends)}
    columns["Occurence"] = seen[row].astype(np.uint32)
    columns |= _ranges(bounds[:, :N_PAIR], "12") | _ranges(bounds[:, N_PAIR:], "23")
    for name, variable in (("diff_dzdr", DZDR), ("diff_dydx", DYDX)):
        columns[f"{name}_max"] = bounds[:, variable, 1]
        columns[f"{name}_min"] = bounds[:, variable, 0]
    return columns


def _ranges(bounds: NDArray[np.float32], legs: str) -> Columns:
    return {
        f"{name}{side}_{legs}": bounds[:, variable, k]
        for k, side in enumerate(("min", "max"))
        for variable, name in enumerate(_BRANCHES)
    }


def _write(path: Path, name: str, parts: Iterable[Columns]) -> None:
    uproot = uproot_for("writing ROOT files")
    with atomic_write(path) as temporary, uproot.recreate(temporary) as file:
        tree = None
        for part in parts:
            if tree is None:
                tree = file.mktree(name, {key: column.dtype for key, column in part.items()})
            tree.extend(part)
