"""Where particles cross the surfaces of a detector: what every stepper gives."""

from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.simulate.generator import Generated

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

OTHER_MATERIAL = -1  # the `module` of a crossing of material that is no module


@dataclass(frozen=True, eq=False)
class Crossings:
    """One row for every time a particle (or a noise hit's pretended one) crosses a module."""

    module: Int64  # (n_hits,) dense module index
    particle_id: Int64  # (n_hits,) 0 = noise
    position: Float64  # (n_hits, 3) mm, on the module's surface
    momentum: Float64  # (n_hits, 3) GeV, on arrival

    def __len__(self) -> int:
        return len(self.module)

    def where(self, keep: NDArray[Any]) -> "Crossings":
        """The crossings that `keep` (n_hits,) marks, or in the order of its row numbers."""
        return Crossings(*(getattr(self, field.name)[keep] for field in fields(Crossings)))


def cosine(detector: Detector, crossings: Crossings) -> Float64:
    """(n_hits,) cosine of the angle between path and module normal, 0 (flat) to 1."""
    normal = detector.rotation[crossings.module][:, :, 2]
    along = np.einsum("ni,ni->n", normal, crossings.momentum)
    result: Float64 = np.abs(along) / np.linalg.norm(crossings.momentum, axis=1)
    return result


def concatenate(parts: list[Crossings]) -> Crossings:
    """The crossings of all parts, one part after the other."""
    return Crossings(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Crossings)
        )
    )


@dataclass(frozen=True, eq=False)
class Steps:
    """The surfaces that particles cross, in no particular order."""

    particle: Int64  # (n_steps,) row of the particle
    number: Int64  # (n_steps,) which of the particle's crossings it is; rises along its flight
    volume: Int64  # (n_steps,) ACTS volume of the surface
    module: Int64  # (n_steps,) dense module index, or OTHER_MATERIAL
    position: Float64  # (n_steps, 3) mm
    momentum: Float64  # (n_steps, 3) GeV, on arrival

    def __len__(self) -> int:
        return len(self.particle)

    def where(self, keep: NDArray[Any]) -> "Steps":
        """The steps that `keep` (n_steps,) marks, or in the order of its row numbers."""
        return Steps(*(getattr(self, field.name)[keep] for field in fields(Steps)))

    def crossings(self, particle_id: Int64) -> Crossings:
        """Those on modules; `particle_id` (n_particles,) is that of each particle's row."""
        active = self.module != OTHER_MATERIAL
        return Crossings(
            module=self.module[active],
            particle_id=particle_id[self.particle[active]],
            position=self.position[active],
            momentum=self.momentum[active],
        )


class Stepping(Protocol):
    """Takes particles through a detector: Fatras, or the stepper of described detectors."""

    def simulate(self, particles: Generated, seed: int, material: bool = False) -> Steps:
        """Every module crossed, and with `material` every other surface that holds material.

        `seed` is a 63-bit number that fixes multiple scattering and energy loss.
        """
        ...
