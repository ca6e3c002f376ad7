"""The generic detector of ACTS, that of TrackML: how to know it, its pitches, numbers and field.

ACTS's files have no pitches, and its modules other numbers than TrackML's, which every pipeline
trained on that detector knows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import HitgraphError

# Its solenoid, mm, mm and Tesla: fitted to the change of direction of true particles between true
# hits of a real event (docs/simulation.md). Known to REACH, in mm; the tracker ends at TRACKER.
RADIUS, HALF_LENGTH, CENTRE = 1263.0, 2606.0, 1.983
REACH_R, REACH_Z = 1100.0, 3100.0
TRACKER_R, TRACKER_Z = 1028.0, 3000.0
BEAM = (-150.0, 150.0)  # mm along the beam line, where particles come from: 2.7 times its spread
# Spread of its measured positions in units of the pitch, along u and v, as event.spread has it:
# measured on a simulated pile-up 200 event of the preset plain; for long pixel clusters, whose
# charges fluctuate, on a real one (docs/acts.md).
PIXEL_BARREL_SPREAD = ((12**-0.5, 0.21, 0.12, 0.05), (12**-0.5, 0.20, 0.09, 0.05))
PIXEL_ENDCAP_SPREAD = ((12**-0.5, 0.27, 0.24, 0.05), (12**-0.5, 0.19, 0.14, 0.05))
STRIP_SPREAD = ((12**-0.5, 0.21, 0.20, 0.21), (12**-0.5, 0.26, 0.12, 0.12))
PIPE = (19.0, 0.0023)  # mm and radiation lengths of its beam pipe
SAME_LENGTH = 0.5  # mm
PIXEL_VOLUMES = (7, 8, 9)
LONG_STRIPS, LONG_STRIP_RADIUS = (16, 17, 18), 500.0  # mm; they lie outside


@dataclass(frozen=True)
class Volume:
    """What tells the modules of a volume from those of another detector, and their pitch."""

    half_v: float  # mm
    pitch: tuple[float, float]  # mm, along u and v


GENERIC = {
    7: Volume(36.0, (0.05, 0.05625)),
    8: Volume(36.0, (0.05, 0.05625)),
    9: Volume(36.0, (0.05, 0.05625)),
    12: Volume(78.0, (0.08, 1.2)),
    13: Volume(54.0, (0.08, 1.2)),
    14: Volume(78.0, (0.08, 1.2)),
    16: Volume(78.0, (0.12, 10.4)),
    17: Volume(54.0, (0.12, 10.8)),
    18: Volume(78.0, (0.12, 10.4)),
}


def is_generic(volume_id: NDArray[np.int32], half_v: NDArray[np.floating]) -> bool:
    """Whether the modules of a table, (n_modules,) each, are those of the generic detector.

    Other detectors have volumes of the same numbers: 16 to 18 are the pixels of the Open Data
    Detector and long strips here, so the length of the modules decides.
    """
    if not np.isin(volume_id, list(GENERIC)).all():
        return False
    expected = np.array([GENERIC[number].half_v for number in volume_id.tolist()])
    return bool((np.abs(half_v - expected) < SAME_LENGTH).all())


def may_be_generic(volume_id: NDArray[np.int32], radius: NDArray[np.floating]) -> bool:
    """Whether hits, (n_hits,) volume and mm from the beam line, can be the generic detector's.

    For events that come without a table of modules.
    """
    inside = np.isin(volume_id, LONG_STRIPS) & (radius < LONG_STRIP_RADIUS)
    return bool(np.isin(volume_id, list(GENERIC)).all() and not inside.any())


# ACTS numbers the modules of an endcap layer ring by ring, TrackML around the beam axis. Both
# count upwards in phi from -pi, so it is enough to say which ring has TrackML's next number.
# One digit a module, 0 = innermost ring; every layer of a volume, on both sides, is the same.
_PIXEL_ENDCAP = (
    "0110101101101011011011010110110101101101101011011010110110101101101011011011010110110"
    "10110110110101101101011"
)
_SHORT_STRIP_ENDCAP = (
    "0122012012102102102102102102102120120120120120120210210210212012012012012012012012012"
    "0122012012102102102102102102102120120120120120120210210210212012012012012012012012012"
)
_LONG_STRIP_ENDCAP = (
    "0110101010101010101010101010101010101010101010101010101010110101010101010101010101010"
    "1010101010101"
)
ENDCAP_RINGS = {
    7: _PIXEL_ENDCAP,
    9: _PIXEL_ENDCAP,
    12: _SHORT_STRIP_ENDCAP,
    14: _SHORT_STRIP_ENDCAP,
    16: _LONG_STRIP_ENDCAP,
    18: _LONG_STRIP_ENDCAP,
}


def trackml_module_numbers(
    volume_id: NDArray[np.int32], module_id: NDArray[np.int32]
) -> NDArray[np.int32]:
    """TrackML's module numbers for ACTS's, (n_modules,) each: they differ in the endcaps."""
    return _renumbered(volume_id, module_id, _trackml_numbers)


def acts_module_numbers(
    volume_id: NDArray[np.int32], module_id: NDArray[np.int32]
) -> NDArray[np.int32]:
    """ACTS's module numbers for TrackML's, (n_modules,) each."""
    return _renumbered(
        volume_id,
        module_id,
        lambda volume: np.argsort(_trackml_numbers(volume)).astype(np.int32) + 1,
    )


def _trackml_numbers(volume: int) -> NDArray[np.int32]:
    """TrackML's number of each module of an endcap layer, in ACTS's order."""
    rings = np.frombuffer(ENDCAP_RINGS[volume].encode(), np.uint8)
    # A stable sort by ring keeps the rising phi inside a ring: that is ACTS's order.
    return (np.argsort(rings, kind="stable") + 1).astype(np.int32)


def _renumbered(
    volume_id: NDArray[np.int32],
    module_id: NDArray[np.int32],
    numbers_of: Callable[[int], NDArray[np.int32]],
) -> NDArray[np.int32]:
    renumbered = module_id.copy()
    for volume in ENDCAP_RINGS:
        number = numbers_of(volume)
        here = volume_id == volume
        if here.any() and module_id[here].max() > len(number):
            raise HitgraphError(
                f"volume {volume} of the ACTS detector has modules above {len(number)}: "
                "install the pyacts version that hitgraph[sim] asks for"
            )
        renumbered[here] = number[module_id[here] - 1]
    return renumbered
