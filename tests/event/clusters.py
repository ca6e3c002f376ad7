"""Small events of known clusters, and their features in plain numpy."""

import numpy as np
from hypothesis import strategies as st

from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable


def turn(axis, angle):
    """Rotation matrix about z (axis 2) or x (axis 0)."""
    c, s = np.cos(angle), np.sin(angle)
    first, second = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


ENDCAP, BARREL = np.eye(3), np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
ROTATIONS = np.stack([ENDCAP, BARREL, turn(2, 0.7) @ BARREL, turn(0, 0.3) @ turn(2, -2.0)])


def detector_of(rotations):
    n = len(rotations)
    ones = np.ones(n)
    return Detector(
        volume_id=np.full(n, 8, np.int32),
        layer_id=np.full(n, 2, np.int32),
        module_id=np.arange(1, n + 1, dtype=np.int32),
        centre=np.zeros((n, 3)),
        rotation=np.asarray(rotations, float),
        half_thickness=0.15 + 0.05 * np.arange(n),
        min_half_u=8 * ones,
        max_half_u=8 * ones,
        half_v=36 * ones,
        pitch_u=0.05 * ones,
        pitch_v=0.1 + 0.02 * np.arange(n),
    )


DETECTOR = detector_of(ROTATIONS)


def event_of(clusters):
    """Event with one hit for each (module row, [(ch0, ch1, value), ...])."""
    n = len(clusters)
    hit_id = 3 * np.arange(1, n + 1, dtype=np.int64)  # with gaps
    zero, whole = np.zeros(n, np.float32), np.ones(n, np.int32)
    module = np.array([m + 1 for m, _ in clusters], np.int32)
    cells = [
        (i, *cell)
        for i, (_, of_hit) in zip(hit_id.tolist(), clusters, strict=True)
        for cell in of_hit
    ]
    columns = list(zip(*cells, strict=True)) or [()] * 4
    return Event(
        "event000000007",
        HitTable(hit_id, zero, zero, zero, 8 * whole, 2 * whole, module),
        CellTable(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int32),
            np.array(columns[2], np.int32),
            np.array(columns[3], np.float32),
        ),
    )


def reference(event, detector):
    """The same nine numbers in plain numpy, hit by hit."""
    hits, cells = event.hits, event.cells
    rows = np.zeros((len(hits), 9))
    for i in range(len(hits)):
        mine = cells.hit_id == hits.hit_id[i]
        if not mine.any():
            continue
        m = int(np.flatnonzero(detector.module_id == hits.module_id[i])[0])
        size = np.array(
            [
                (np.ptp(cells.ch0[mine]) + 1) * detector.pitch_u[m],
                (np.ptp(cells.ch1[mine]) + 1) * detector.pitch_v[m],
                2 * detector.half_thickness[m],
            ]
        )
        angles = []
        for x, y, z in (size, detector.rotation[m] @ size):
            theta = np.arctan2(np.hypot(x, y), z)
            angles += [-np.log(np.tan(theta / 2)), np.arctan2(y, x)]
        rows[i] = [mine.sum(), cells.value[mine].sum(dtype=float), *size, *angles]
    return rows


CHANNEL = st.tuples(
    st.integers(0, 400), st.integers(0, 1300), st.floats(0, 10, width=32, allow_subnormal=False)
)
# a module row and the cells of each hit
CLUSTERS = st.lists(st.tuples(st.integers(0, 3), st.lists(CHANNEL, max_size=6)), max_size=8)
