"""An event and a module table, turned together about the beam line."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event


def turned_event(event: Event, angle: float) -> Event:
    """The event with everything measured turned by `angle` (rad) about the beam line.

    Module numbers stay, so a module's hits lie where `turned_detector` has the module.
    """
    hits = event.hits
    x, y = _turned(hits.x, hits.y, angle)
    turned = replace(event, hits=replace(hits, x=x, y=y))
    if (truth := event.truth) is not None:
        tx, ty = _turned(truth.tx, truth.ty, angle)
        tpx, tpy = _turned(truth.tpx, truth.tpy, angle)
        turned = replace(turned, truth=replace(truth, tx=tx, ty=ty, tpx=tpx, tpy=tpy))
    if (particles := event.particles) is not None:
        vx, vy = _turned(particles.vx, particles.vy, angle)
        px, py = _turned(particles.px, particles.py, angle)
        turned = replace(turned, particles=replace(particles, vx=vx, vy=vy, px=px, py=py))
    if (clusters := event.clusters) is not None:
        x, y = _turned(clusters.x, clusters.y, angle)
        turned = replace(turned, clusters=replace(clusters, x=x, y=y))
    return turned


def turned_detector(detector: Detector, angle: float) -> Detector:
    """The module table turned by `angle` (rad) about the beam line."""
    sin, cos = np.sin(angle), np.cos(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        detector, centre=detector.centre @ turn.T, rotation=turn[None] @ detector.rotation
    )


def _turned(
    x: NDArray[np.float32], y: NDArray[np.float32], angle: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    sin, cos = np.sin(angle), np.cos(angle)
    old_x, old_y = x.astype(np.float64), y.astype(np.float64)
    return (
        (cos * old_x - sin * old_y).astype(np.float32),
        (sin * old_x + cos * old_y).astype(np.float32),
    )
