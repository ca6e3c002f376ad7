"""Space points as the CSV writer of ACTS leaves them: which measurements each is made of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.archive import Place
from hitgraph.event.cluster_tables import NO_ROW, require_sides
from hitgraph.event.event import Event
from hitgraph.event.numbers import rows_of
from hitgraph.event.table_errors import refuse
from hitgraph.event.tables import header_names, read_columns

NO_MEASUREMENT = 2**64 - 1  # as the second of a space point that has one only


def with_space_points(event: Event, place: Place) -> Event:
    """The event with the space points of a file as hits, where one of them has two measurements.

    `event` has the measurements as hits, hit_id being measurement_id + 1: they become the clusters.
    Where every space point has one, they are the measurements, and the event stays as it is. Raises
    InputError for a measurement that is not there, and two that are not on two sides of a module.
    """
    types: dict[str, np.dtype[Any]] = {
        f"measurement_id_{number}": np.dtype(np.uint64) for number in (1, 2)
    }
    types |= dict.fromkeys("xyz", np.dtype(np.float64))
    if "measurement_id_2" not in header_names(place):  # of a version that does not tell
        return event
    columns = read_columns(place, types)
    first, second = columns["measurement_id_1"], columns["measurement_id_2"]
    if not (second != NO_MEASUREMENT).any():
        return event
    known = event.hits.hit_id
    rows = np.stack([_rows(first, known), _rows(second, known)], axis=1)
    expected = f"the number of one of the {len(known)} measurements"
    refuse(rows[:, 0] == NO_ROW, place, "measurement_id_1", first, expected)
    unknown = (rows[:, 1] == NO_ROW) & (second != NO_MEASUREMENT)
    refuse(unknown, place, "measurement_id_2", second, f"{expected}, or {NO_MEASUREMENT} for none,")
    from hitgraph.event.space_points import event_of_pairs  # compiles kernels of the truth

    position = np.stack([columns[axis] for axis in "xyz"], axis=1)
    made = event_of_pairs(event, rows, position)
    require_sides(made, place, made.hits.hit_id)
    return made


def _rows(number: NDArray[np.uint64], hit_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each measurement, NO_ROW where there is none; numbers of 64 bits do not fit."""
    wanted = np.where(number < np.uint64(2**62), number, np.uint64(2**62)).astype(np.int64) + 1
    return rows_of(wanted, hit_id)
