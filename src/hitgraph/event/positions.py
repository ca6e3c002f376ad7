"""Whether hits lie where their modules are: wrong units, another detector, one out of place."""

import logging

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError, printable
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event

ON_MODULE = 1.0  # mm from the sensitive area; measured positions of TrackML stay within 0.01
FAR_AWAY = 10.0  # mm; no detector is out of place by that
UNITS = {"cm": 10.0, "m": 1000.0, "um": 0.001}

_log = logging.getLogger(__name__)
_told: set[str] = set()  # folders whose detector was said to be out of place


def distances_from_modules(
    event: Event, detector: Detector, module: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """(n_hits,) mm that each hit is off its module: beside its plane or beyond its edges.

    `module` (n_hits,) is the row of each hit's module in the table where that is known.
    """
    position = np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1)
    return _distances(position, _modules(event, detector) if module is None else module, detector)


def check_positions(
    event: Event,
    where: str,
    detector: Detector | None = None,
    module: NDArray[np.int64] | None = None,
) -> None:
    """Look at the hits of an event on its own detector, or on `detector`; `where` for messages.

    `module` is that of `distances_from_modules`. Raises InputError where all positions are zero,
    or most lie far from their modules. Some that do not lie on their modules are logged, loudly
    for the first event of a folder only: a detector out of place is so in every event.
    """
    hits = event.hits
    if event.n_hits and not (hits.x.any() or hits.y.any() or hits.z.any()):
        raise InputError(
            f"{where}: all {event.n_hits} hits are at (0, 0, 0): write their positions"
        )
    detector = detector or event.detector
    if detector is None or not event.n_hits:
        return
    off = distances_from_modules(event, detector, module)
    beside = off > ON_MODULE
    if not beside.any():
        return
    row = int(np.argmax(off))
    furthest = (
        f"hit_id {hits.hit_id[row]} lies {off[row]:.3g} mm from its module (volume "
        f"{hits.volume_id[row]}, layer {hits.layer_id[row]}, module {hits.module_id[row]})"
    )
    if np.median(off) > FAR_AWAY:
        raise InputError(
            f"{where}: {int(beside.sum())} of {event.n_hits} hits do not lie on their modules, "
            f"{furthest}: {_remedy(event, detector)}"
        )
    folder = where.rpartition("/")[0]
    _log.log(
        _level(folder),
        "%s",
        printable(
            f"{event.name}: {int(beside.sum())} of {event.n_hits} hits lie more than "
            f"{ON_MODULE:g} mm from their modules, {furthest}: is the detectors table that of "
            "these events? (said for the first such event of a folder; -v tells all)"
        ),
    )


def _modules(event: Event, detector: Detector) -> NDArray[np.int64]:
    hits = event.hits
    return detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)


def _distances(
    position: NDArray[np.floating], module: NDArray[np.int64], detector: Detector
) -> NDArray[np.float64]:
    x, y, z = (position - detector.centre[module]).T
    turn = detector.rotation.reshape(-1, 9)[module].T  # global = R (u, v, w) + centre
    u, v, w = (x * turn[k] + y * turn[k + 3] + z * turn[k + 6] for k in range(3))
    beyond = np.maximum(
        np.abs(u) - detector.max_half_u[module], np.abs(v) - detector.half_v[module]
    )
    off: NDArray[np.float64] = np.maximum(np.maximum(beyond, np.abs(w)), 0.0)
    return off


def _remedy(event: Event, detector: Detector) -> str:
    """What may have happened: another unit would fit, or nothing does."""
    hits, module = event.hits, _modules(event, detector)
    position = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    for unit, factor in UNITS.items():
        if np.median(_distances(factor * position, module, detector)) <= ON_MODULE:
            return f"the positions are in {unit}, write them in mm"
    return "the module table is of another detector, give the right one with --detectors"


def _level(folder: str) -> int:
    """WARNING the first time that a folder comes, INFO from then on."""
    if folder in _told:
        return logging.INFO
    _told.add(folder)
    return logging.WARNING
