"""What a particle number says in events of a liquid-argon TPC.

A particle is seen once on every wire plane, and each of its views is a row of the particle table:
views are what the hits of one plane can tell apart. Its number says, from the top, the interaction
(1 = of the neutrino, the others cosmic), the particle, its class, and the plane.

The classes are those of NuGraph2 (arXiv 2403.11872).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.truth import COLLISION_BITS, NOISE

CLASSES = ("MIP", "HIP", "shower", "Michel", "diffuse")
"""Minimum and highly ionising particles, showers, Michel electrons, and small scattered deposits.

Electronic noise counts as diffuse.
"""

MIP, HIP, SHOWER, MICHEL, DIFFUSE = range(len(CLASSES))
PLANES = ("U", "V", "Y")
_PLANE_BITS, _CLASS_BITS = 2, 3
_LOW_BITS = _PLANE_BITS + _CLASS_BITS


def view_number(interaction: Any, particle: Any, kind: Any, plane: Any) -> Any:
    """The particle_id of a view, of numbers or arrays: `kind` is a place in CLASSES."""
    own = (particle << _LOW_BITS) | ((kind + 1) << _PLANE_BITS) | plane
    return (interaction << COLLISION_BITS) | own


def particle_of(particle_id: Any) -> Any:
    """What is the same in all views of a particle, of a number, an array or a tensor."""
    return particle_id >> _PLANE_BITS


def classes_of(particle_id: Any) -> Any:
    """Place in CLASSES, -1 for noise, of a number, an array or a tensor. See `check_classes`."""
    return ((particle_id >> _PLANE_BITS) & ((1 << _CLASS_BITS) - 1)) - 1


def hit_classes(particle_id: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """(n_hits,) place of each hit in CLASSES; noise is diffuse.

    Raises InputError, beginning with `where`, for numbers that say no class.
    """
    found = classes_of(particle_id)
    strange = (particle_id != NOISE) & ((found < 0) | (found >= len(CLASSES)))
    if strange.any():
        raise InputError(
            f"{where}: particle_id {particle_id[strange][0]} says no class of particle "
            f"({int(strange.sum())} such hits): these are no events of a liquid-argon TPC "
            "(hitgraph simulate --world lartpc)"
        )
    return np.where(particle_id == NOISE, DIFFUSE, found).astype(np.int64)
