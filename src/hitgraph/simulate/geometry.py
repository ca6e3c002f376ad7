"""The module table of the ACTS GenericDetector with TrackML's module numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import HitgraphError
from hitgraph.event.detector import Detector

N_MODULES = 18_728

# Read-out pitch in mm along u and v. ACTS fixes the modules; the pitches are TrackML's.
PITCH = {
    7: (0.05, 0.05625),
    8: (0.05, 0.05625),
    9: (0.05, 0.05625),
    12: (0.08, 1.2),
    13: (0.08, 1.2),
    14: (0.08, 1.2),
    16: (0.12, 10.4),
    17: (0.12, 10.8),
    18: (0.12, 10.4),
}

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
    numbers = module_id.copy()
    for volume, digits in ENDCAP_RINGS.items():
        rings = np.frombuffer(digits.encode(), np.uint8)
        # A stable sort by ring keeps the rising phi inside a ring: that is ACTS's order.
        number = np.empty(len(rings), np.int32)
        number[:] = np.argsort(rings, kind="stable") + 1
        here = volume_id == volume
        if here.any() and module_id[here].max() > len(number):
            raise HitgraphError(
                f"volume {volume} of the ACTS detector has modules above {len(number)}: "
                "install the pyacts version that hitgraph[sim] asks for"
            )
        numbers[here] = number[module_id[here] - 1]
    return numbers


def read_geometry(acts_detector: Any) -> tuple[Detector, dict[int, int]]:
    """The module table, sorted by volume, layer and module, and its row of each ACTS identifier."""
    context = acts_detector.nominalGeometryContext()
    surfaces = [
        (identifier, surface)
        for identifier, surface in acts_detector.trackingGeometry().geoIdSurfaceMap().items()
        if identifier.sensitive
    ]
    if len(surfaces) != N_MODULES:
        raise HitgraphError(
            f"the ACTS GenericDetector has {len(surfaces)} modules instead of {N_MODULES}: "
            "install the pyacts version that hitgraph[sim] asks for"
        )
    ids = np.array([(i.volume, i.layer, i.sensitive) for i, _ in surfaces], np.int32)
    module_id = trackml_module_numbers(ids[:, 0], ids[:, 2])
    order = np.lexsort((module_id, ids[:, 1], ids[:, 0]))
    centre, rotation, thickness, bounds = [], [], [], []
    for _, surface in surfaces:
        turn = surface.localToGlobalTransform(context).rotation
        rotation.append([[turn[i, j] for j in range(3)] for i in range(3)])
        middle = surface.center(context)
        centre.append([middle[0], middle[1], middle[2]])
        thickness.append(surface.thickness)
        bounds.append(_half_sizes(surface.bounds.values()))
    sizes = np.array(bounds)[order]
    pitch = np.array([PITCH[volume] for volume in ids[order, 0].tolist()])
    detector = Detector(
        volume_id=ids[order, 0],
        layer_id=ids[order, 1],
        module_id=module_id[order],
        centre=np.array(centre)[order],
        rotation=np.array(rotation)[order],
        # ACTS says thickness for the number that TrackML calls half thickness (module_t).
        half_thickness=np.round(np.array(thickness)[order], 6),
        min_half_u=sizes[:, 0],
        max_half_u=sizes[:, 1],
        half_v=sizes[:, 2],
        pitch_u=pitch[:, 0],
        pitch_v=pitch[:, 1],
    )
    row_of = {surfaces[old][0].value: new for new, old in enumerate(order.tolist())}
    return detector, row_of


def _half_sizes(values: list[float]) -> tuple[float, float, float]:
    """(half width at -v, half width at +v, half length) of ACTS rectangle or trapezoid bounds."""
    first, second, third, fourth = values
    if first < 0:  # rectangle: min u, min v, max u, max v
        return third, third, fourth
    return first, second, third  # trapezoid: half u at -v, half u at +v, half v, angle
