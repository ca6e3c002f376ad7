"""How well the positions of hits are known: by the channels that their clusters span.

The spread of the measured position around the true one in units of the pitch, along u and along v.

A path that spans s channels is measured as n of them, depending on where in a channel it begins.
Where channels say only that they were hit, their middle is off evenly by up to half of the places
that are left, 1 - |s - n + 1|: a width of that / sqrt(12). Where they measure charge, one channel
says no more, and the weighted mean of two is off by (1 - s) / sqrt(12) again. Over all s alike,
each as often as it spans n, these are 1 / sqrt(24), and 1 / sqrt(72) for two channels with charge.
With more of them it is the charge that decides, by how it fluctuates.

TrackML's detector has spreads of its own, which were measured (event.known_detectors).
"""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.known_detectors import (
    PIXEL_BARREL_SPREAD,
    PIXEL_ENDCAP_SPREAD,
    STRIP_SPREAD,
)

# For clusters of unknown extent, and of 1, 2 and at least 3 channels in that direction.
UNKNOWN, HIT, TWO_CHARGES, MORE_CHARGES = 12**-0.5, 24**-0.5, 72**-0.5, 0.05
PIXEL = (UNKNOWN, HIT, TWO_CHARGES, MORE_CHARGES)  # which measure charge
STRIP = (UNKNOWN, HIT, HIT, HIT)
MOST_CHANNELS = 3  # more say no more


def position_spread(detector: Detector, where: str) -> NDArray[np.float64]:
    """(n_modules, 2, 4) mm along u and v, for 0 (unknown) to MOST_CHANNELS channels.

    Raises InputError, beginning with `where`, if a module has no pitch.
    """
    detector.require_pitches(where)
    pitch = np.stack([detector.pitch_u, detector.pitch_v], axis=1)
    kind = np.where(detector.is_pixel, detector.is_endcap.astype(np.int64), 2)
    if detector.is_generic:
        spread = np.array([PIXEL_BARREL_SPREAD, PIXEL_ENDCAP_SPREAD, STRIP_SPREAD])
    else:
        spread = np.array([[PIXEL, PIXEL], [PIXEL, PIXEL], [STRIP, STRIP]])
    return spread[kind] * pitch[:, :, None]
