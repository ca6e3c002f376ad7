"""The columns of hits that networks can be given: one line each, in natural units.

A pipeline names the columns it uses, so that a line added here leaves saved pipelines as they are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import pi
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.clusters import CLUSTER_FEATURES

if TYPE_CHECKING:
    from hitgraph.hits import Hits

LEAST_CHARGE = 1e-6  # below, the logarithm does not fall any more
Mirror = Literal["x", "y", "z"]  # the coordinate that changes its sign


@dataclass(frozen=True)
class HitColumn:
    """One number that is known of every hit."""

    name: str
    unit: str
    # what the mirrors make of it that change it, (n_hits,) -> (n_hits,)
    images: Mapping[Mirror, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    mirrored: bool = True  # whether its mirror images can be computed
    # from the hits, (n_hits,), where hits_from_event does not make it anyway
    derive: "Callable[[Hits], Tensor] | None" = None
    cells: bool = False  # whether it comes from cells


def _eta(hits: "Hits") -> Tensor:
    x, y, z = hits.position.unbind(dim=1)
    return torch.asinh(z / torch.hypot(x, y).clamp_min(1e-3))


def _x(hits: "Hits") -> Tensor:
    return hits.position[:, 0].clone()


def _y(hits: "Hits") -> Tensor:
    return hits.position[:, 1].clone()


def _x_over_z(hits: "Hits") -> Tensor:
    return hits.position[:, 0] / _away(hits.position[:, 2])


def _y_over_z(hits: "Hits") -> Tensor:
    return hits.position[:, 1] / _away(hits.position[:, 2])


def _away(z: Tensor) -> Tensor:
    """z, but no nearer to 0 than a millimetre."""
    return torch.where(z < 0, -1.0, 1.0) * z.abs().clamp_min(1.0)


def _log_charge(hits: "Hits") -> Tensor:
    return hits.charge.clamp_min(LEAST_CHARGE).log()


def _phi_across(phi: Tensor) -> Tensor:
    return torch.where(phi < 0, -pi, pi) - phi


_COLUMNS = (
    HitColumn("r", "mm"),
    HitColumn("phi", "rad", {"x": _phi_across, "y": torch.neg}),
    HitColumn("z", "mm", {"z": torch.neg}),
    HitColumn("cell_count", "1", cells=True),
    HitColumn("charge", "of the file", cells=True),
    HitColumn("lx", "mm", cells=True),
    HitColumn("ly", "mm", cells=True),
    HitColumn("lz", "mm", cells=True),
    HitColumn("leta", "1", cells=True),
    HitColumn("lphi", "rad", cells=True),
    # A cluster does not show the signs of its direction.
    HitColumn("geta", "1", mirrored=False, cells=True),
    HitColumn("gphi", "rad", mirrored=False, cells=True),
    HitColumn("eta", "1", {"z": torch.neg}, derive=_eta),
    HitColumn("x", "mm", {"x": torch.neg}, derive=_x),
    HitColumn("y", "mm", {"y": torch.neg}, derive=_y),
    HitColumn("x_over_z", "1", {"x": torch.neg, "z": torch.neg}, derive=_x_over_z),
    HitColumn("y_over_z", "1", {"y": torch.neg, "z": torch.neg}, derive=_y_over_z),
    HitColumn("log_charge", "1", derive=_log_charge, cells=True),
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


def without_group(names: tuple[str, ...], group: Sequence[str]) -> tuple[str, ...]:
    """The names without those of a group, where all of it is there and more than it."""
    rest = tuple(name for name in names if name not in group)
    return rest if rest and set(group) <= set(names) else names


def without_clusters(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that are left of them without cells; clusters' named one by one stay."""
    return without_group(names, GROUPS["clusters"])


def check_hit_columns(key: str, names: Iterable[str]) -> None:
    """Raise SettingsError, naming the key, for a column that hits do not have."""
    for name in names:
        if name not in HIT_COLUMNS:
            raise SettingsError(f"{key}: {name!r} is not allowed; any of {', '.join(HIT_COLUMNS)}")


def mirrored(columns: Tensor, names: Sequence[str], mirrors: Iterable[Mirror]) -> Tensor:
    """Columns of hits (n_hits, n_names) in these mirrors, one after another: x -> -x and so on.

    The mirrors x and y turn the bend of every track, as charge conjugation does.
    """
    images = list(columns.unbind(dim=1))
    for mirror in mirrors:
        for k, name in enumerate(names):
            image = HIT_COLUMNS[name].images.get(mirror)
            images[k] = images[k] if image is None else image(images[k])
    return torch.stack(images, dim=1)


def drawn_mirrors(mirrors: Iterable[Mirror], random: torch.Generator) -> list[Mirror]:
    """Each of them, or not, with equal chance."""
    mirrors = tuple(mirrors)
    drawn = (torch.rand(len(mirrors), generator=random) < 0.5).tolist()
    return [mirror for mirror, taken in zip(mirrors, drawn, strict=True) if taken]


def check_mirrored(key: str, names: Iterable[str]) -> None:
    """Raise SettingsError, naming the key, for a column whose mirror image is not known."""
    for name in names:
        if name not in HIT_COLUMNS or not HIT_COLUMNS[name].mirrored:
            raise SettingsError(
                f"{key}: {name!r} has no mirror image (a cluster does not show the "
                "signs of its direction): leave it out, or set reflect: false"
            )
