"""How well the positions of hits are known: by the channels that their clusters span.

The spread of the measured position around the true one in units of the pitch, along u and along v.
Measured on a simulated pile-up 200 event of the preset plain; for long pixel clusters, whose
charges fluctuate, on a real one (docs/acts.md).
"""

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector

# For clusters of unknown extent, and of 1, 2 and at least 3 channels in that direction.
UNKNOWN = 12**-0.5
PIXEL_BARREL = ((UNKNOWN, 0.21, 0.12, 0.05), (UNKNOWN, 0.20, 0.09, 0.05))
PIXEL_ENDCAP = ((UNKNOWN, 0.27, 0.24, 0.05), (UNKNOWN, 0.19, 0.14, 0.05))
STRIP = ((UNKNOWN, 0.21, 0.20, 0.21), (UNKNOWN, 0.26, 0.12, 0.12))
MOST_CHANNELS = 3  # more say no more


def position_spread(detector: Detector, where: str) -> NDArray[np.float64]:
    """(n_modules, 2, 4) mm along u and v, for 0 (unknown) to MOST_CHANNELS channels.

    Raises InputError, beginning with `where`, if a module has no pitch.
    """
    detector.require_pitches(where)
    pitch = np.stack([detector.pitch_u, detector.pitch_v], axis=1)
    kind = np.where(detector.is_pixel, detector.is_endcap.astype(np.int64), 2)
    return np.array([PIXEL_BARREL, PIXEL_ENDCAP, STRIP])[kind] * pitch[:, :, None]
