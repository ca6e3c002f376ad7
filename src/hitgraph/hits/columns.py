"""The columns of hits that networks can be given: one line each, in natural units.

A pipeline names the columns it uses, so that a line added here leaves saved pipelines as they are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.clusters import CLUSTER_FEATURES


@dataclass(frozen=True)
class HitColumn:
    """One number that is known of every hit."""

    name: str
    unit: str
    odd: tuple[str, ...] = ()  # the mirrors, "phi" and "z", that change its sign
    mirrored: bool = True  # whether its mirror image can be computed
    # from position (n_hits, 3) in mm, where hits_from_event does not make it anyway
    derive: Callable[[Tensor], Tensor] | None = None


def _eta(position: Tensor) -> Tensor:
    x, y, z = position.unbind(dim=1)
    return torch.asinh(z / torch.hypot(x, y).clamp_min(1e-3))


def _x(position: Tensor) -> Tensor:
    return position[:, 0].clone()


def _y(position: Tensor) -> Tensor:
    return position[:, 1].clone()


_COLUMNS = (
    HitColumn("r", "mm"),
    HitColumn("phi", "rad", odd=("phi",)),
    HitColumn("z", "mm", odd=("z",)),
    HitColumn("cell_count", "1"),
    HitColumn("charge", "of the file"),
    HitColumn("lx", "mm"),
    HitColumn("ly", "mm"),
    HitColumn("lz", "mm"),
    HitColumn("leta", "1"),
    HitColumn("lphi", "rad"),
    # A cluster does not show the signs of its direction.
    HitColumn("geta", "1", mirrored=False),
    HitColumn("gphi", "rad", mirrored=False),
    HitColumn("eta", "1", odd=("z",), derive=_eta),
    HitColumn("x", "mm", derive=_x),
    HitColumn("y", "mm", odd=("phi",), derive=_y),
)
HIT_COLUMNS = {column.name: column for column in _COLUMNS}

POSITION_FEATURES = ("r", "phi", "z")
FEATURES = (*POSITION_FEATURES, *CLUSTER_FEATURES)  # those that are made of every event
GROUPS = {"position": POSITION_FEATURES, "clusters": CLUSTER_FEATURES}  # short for their columns


def expand_groups(
    names: Iterable[str], groups: dict[str, tuple[str, ...]] = GROUPS
) -> tuple[str, ...]:
    """Names of columns with those of groups written out: what a saved pipeline names."""
    return tuple(one for name in names for one in groups.get(name, (name,)))


def check_hit_columns(key: str, names: Iterable[str]) -> None:
    """Raise SettingsError, naming the key, for a column that hits do not have."""
    for name in names:
        if name not in HIT_COLUMNS:
            raise SettingsError(f"{key}: {name!r} is not allowed; any of {', '.join(HIT_COLUMNS)}")


def mirror_signs(names: Iterable[str], phi: bool, z: bool) -> Tensor:
    """(n_names,) 1 or -1: what columns of hits are multiplied with in the mirrors phi -> -phi
    (and the charge with it) and z -> -z."""
    mirrors = {name for name, wanted in (("phi", phi), ("z", z)) if wanted}
    odd = (len(mirrors.intersection(HIT_COLUMNS[name].odd)) % 2 for name in names)
    return torch.tensor([-1.0 if one else 1.0 for one in odd])


def check_mirrored(key: str, names: Iterable[str]) -> None:
    """Raise SettingsError, naming the key, for a column whose mirror image is not known."""
    for name in names:
        if name not in HIT_COLUMNS or not HIT_COLUMNS[name].mirrored:
            raise SettingsError(
                f"{key}: {name!r} has no mirror image (a cluster does not show the "
                "signs of its direction): leave it out, or set reflect: false"
            )
