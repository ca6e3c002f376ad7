"""Hits made in torch on a GPU: the columns of an event are copied as they are, the rest is done
there. The formulas of event.clusters, one operation on all cells or hits at a time.
"""

from functools import lru_cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.event.clusters import cluster_features, modules_of_hits
from hitgraph.event.detector import Detector, module_key
from hitgraph.event.event import Event


def hit_tensors(
    event: Event, detector: Detector, clusters: bool, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, position, layer and module of graph.hits.Hits, on `device`.

    They are those of the host to float32 rounding.
    """
    table = event.hits
    module = _module_index(event, detector, device)
    position = torch.stack([_copy(axis, device) for axis in (table.x, table.y, table.z)], dim=1)
    x, y, z = position.unbind(dim=1)
    columns = torch.stack([torch.hypot(x, y), torch.atan2(y, x), z], dim=1)
    if clusters:
        shape = cluster_shape(event, detector, module)
        columns = torch.cat([columns, shape], dim=1)
    return columns, position, _tables(detector, device)["layer"][module], module


def cluster_shape(event: Event, detector: Detector, module: Tensor) -> Tensor:
    """What event.clusters.cluster_features gives, (n_hits, 9) on the device of `module` (n_hits,).

    Raises InputError as that does.
    """
    hits, cells, device, n_hits = event.hits, event.cells, module.device, len(module)
    if cells is None or n_hits == 0 or len(cells) == 0:
        return torch.tensor(cluster_features(event, detector), device=device)
    hit_id, cell_hit = _copy(hits.hit_id, device), _copy(cells.hit_id, device)
    row = torch.searchsorted(hit_id, cell_hit).clamp_max(n_hits - 1)
    if not bool((hit_id[row] == cell_hit).all() & (row[1:] >= row[:-1]).all()):
        # The host names the cell, or can do with hits in another order.
        return torch.tensor(cluster_features(event, detector), device=device)
    count = torch.bincount(row, minlength=n_hits)
    charge = torch.zeros(n_hits, dtype=torch.float64, device=device)
    charge.index_add_(0, row, _copy(cells.value, device).double())
    tables = _tables(detector, device)
    sides = [
        _spanned(row, _copy(channel, device).long(), n_hits) * tables[pitch][module]
        for channel, pitch in ((cells.ch0, "pitch_u"), (cells.ch1, "pitch_v"))
    ]
    local = torch.stack([*sides, tables["thickness"][module]], dim=1)
    turned = (tables["rotation"][module] * local[:, None]).sum(dim=2)
    shape = torch.cat([count[:, None], charge[:, None], local, *map(_angles, (local, turned))], 1)
    return torch.where(count[:, None] > 0, shape, 0.0).float()


def _spanned(row: Tensor, channel: Tensor, n_hits: int) -> Tensor:
    """(n_hits,) channels from the first to the last cell of each hit; any number without cells."""
    none = channel.new_zeros(n_hits)
    low = none.scatter_reduce(0, row, channel, "amin", include_self=False)
    return none.scatter_reduce(0, row, channel, "amax", include_self=False) - low + 1


def _angles(vector: Tensor) -> Tensor:
    """(n, 2) pseudorapidity and azimuth of (n, 3)."""
    x, y, z = vector.unbind(dim=1)
    return torch.stack([torch.asinh(z / torch.hypot(x, y)), torch.atan2(y, x)], dim=1)


def _module_index(event: Event, detector: Detector, device: torch.device) -> Tensor:
    """(n_hits,) row of each hit's module. Raises InputError for an unknown module."""
    columns = event.hits.volume_id, event.hits.layer_id, event.hits.module_id
    tables = _tables(detector, device)
    wanted = module_key(*(_copy(column, device).long() for column in columns))
    slot = torch.searchsorted(tables["key"], wanted).clamp_max(detector.n_modules - 1)
    if not bool((tables["key"][slot] == wanted).all()):
        modules_of_hits(event, detector)  # names the hit
    return tables["row"][slot]


@lru_cache(maxsize=4)
def _tables(detector: Detector, device: torch.device) -> dict[str, Tensor]:
    """Columns of the module table (n_modules, ...), copied to the device once."""
    key, row = detector.sorted_keys
    columns = {
        "key": key,
        "row": row,
        "layer": detector.layer,
        "pitch_u": detector.pitch_u,
        "pitch_v": detector.pitch_v,
        "thickness": 2.0 * detector.half_thickness,
        "rotation": detector.rotation,
    }
    return {name: _copy(column, device) for name, column in columns.items()}


def _copy(column: NDArray[Any], device: torch.device) -> Tensor:
    if device.type == "cpu" or not column.flags.writeable:  # which torch warns of
        return torch.tensor(column, device=device)
    return torch.from_numpy(column).to(device)  # without a copy on the host before
