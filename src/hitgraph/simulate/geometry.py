"""The module table of the ACTS GenericDetector with TrackML's module numbers."""

from typing import Any

import numpy as np

from hitgraph.errors import HitgraphError
from hitgraph.event.detector import Detector
from hitgraph.event.known_detectors import GENERIC, trackml_module_numbers

N_MODULES = 18_728
PITCH = {number: volume.pitch for number, volume in GENERIC.items()}  # mm, along u and v


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
