"""Hits as a fit sees them: the two directions in which each is measured, how well, and what
material is there."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.event.spread import MOST_CHANNELS, position_spread
from hitgraph.hits import Hits

RADIATION_LENGTH = 93.7  # mm, of silicon (Particle Data Group)
SCATTERING = 0.0136  # GeV, of the formula of Highland (Particle Data Group)
LOSS = 0.00027  # GeV a mm of silicon, the median of pions (docs/simulation.md)
PION = 0.13957  # GeV
STEEPEST = 0.1  # cosine of the angle to a module's normal, at least


class FitSettings(NamedTuple):
    """How tracks are fitted."""

    iterations: int = 3  # fits, each about what the last one found
    steps: int = 3  # through the field from one hit to the next
    pipe: float = 0.0  # radiation lengths of the beam pipe
    pipe_radius: float = 0.0  # mm, where it is


class Measured(NamedTuple):
    """Hits of tracks, (n_hits, ...) float64."""

    position: Tensor  # (n_hits, 3) mm
    axes: Tensor  # (n_hits, 2, 3) along u and v of the module, times the spread along it in mm
    normal: Tensor  # (n_hits, 3) of the module
    silicon: Tensor  # (n_hits,) mm of silicon that a particle crosses along the normal


class Modules(NamedTuple):
    """What a fit wants to know of modules, on the device of the hits."""

    spread: Tensor  # (n_modules, 2, MOST_CHANNELS + 1) mm
    pitch: Tensor  # (n_modules, 2) mm
    axes: Tensor  # (n_modules, 3, 3): u, v and the normal
    silicon: Tensor  # (n_modules,) mm

    @staticmethod
    def of(detector: Detector, support: float, device: torch.device) -> "Modules":
        """`support` is the material of a layer beside its modules, in units of theirs, where the
        detector does not tell.

        Raises InputError where the detector does not tell the pitches of its modules.
        """
        pitch = torch.from_numpy(np.stack([detector.pitch_u, detector.pitch_v], axis=1))
        rotation = torch.from_numpy(detector.rotation)
        if detector.x0 is None:
            silicon = (1 + support) * torch.from_numpy(detector.half_thickness)
        else:
            silicon = RADIATION_LENGTH * torch.from_numpy(detector.x0)
        spread = torch.from_numpy(position_spread(detector, "detectors"))
        found = (spread, pitch, rotation.transpose(1, 2), silicon)
        return Modules(*(one.double().contiguous().to(device) for one in found))


def measured(hits: Hits, rows: Tensor, modules: Modules) -> Measured:
    """The hits of these rows. Without clusters every hit is known to a pitch / sqrt(12)."""
    module = hits.module[rows]
    if hits.has_clusters:
        extent = torch.stack([hits.column("lx")[rows], hits.column("ly")[rows]], dim=1)
        channels = (extent / modules.pitch[module]).round().long().clamp(0, MOST_CHANNELS)
    else:
        channels = torch.zeros(len(rows), 2, dtype=torch.int64, device=rows.device)
    spread = modules.spread[module].gather(2, channels[:, :, None])
    axes = modules.axes[module]
    return Measured(
        hits.position[rows].double(), axes[:, :2] * spread, axes[:, 2], modules.silicon[module]
    )
