"""What has to hold of an event that was read, and of a message."""

import contextlib
import dataclasses
import logging

import numpy as np

from hitgraph.event.checks import RANGES, TABLES
from hitgraph.event.event import Event

LONGEST_MESSAGE = 2000
SILENT_SHARE = 0.03  # of hits that may lack cells or simulated hits without a word


class Failure(Exception):
    """A try that did not go as it has to; the first word says how."""


def require_same(found: Event, expected: Event) -> None:
    for table in (*TABLES, "detector"):
        one, other = getattr(found, table), getattr(expected, table)
        if (one is None) != (other is None):
            raise Failure(f"silent: table {table} is {'gone' if one is None else 'new'}")
        for field in dataclasses.fields(one) if one is not None else ():
            if not np.array_equal(getattr(one, field.name), getattr(other, field.name)):
                raise Failure(f"silent: {table}.{field.name} changed")


def require_promises(event: Event) -> None:
    """What Event's docstring says, in the plainest way."""
    hits, known = event.hits, set(event.hits.hit_id.tolist())
    if len(known) != len(hits) or (np.diff(hits.hit_id) <= 0).any():
        raise Failure("guarantee: hit_id is not unique and rising")
    for table in TABLES:
        columns = getattr(event, table)
        for field in dataclasses.fields(columns) if columns is not None else ():
            values = getattr(columns, field.name)
            low, high, _ = RANGES[table].get(field.name, (-np.inf, np.inf, ""))
            if not (np.isfinite(values).all() and (values >= low).all() and (values <= high).all()):
                raise Failure(f"guarantee: {table}.{field.name} is out of its range")
    if event.cells is not None and not known.issuperset(event.cells.hit_id.tolist()):
        raise Failure("guarantee: a cell of no hit")
    if event.truth is not None:
        if not np.array_equal(event.truth.hit_id, hits.hit_id):
            raise Failure("guarantee: truth is not that of the hits")
        if event.particles is not None:
            makers = set(event.truth.particle_id.tolist()) - {0}
            if not makers.issubset(event.particles.particle_id.tolist()):
                raise Failure("guarantee: a hit of an unknown particle")


def only_allowed_loss(found: Event, expected: Event) -> bool:
    """Whether a table lost only what no reader can miss: cells or the truth of a few hits."""
    few = SILENT_SHARE * len(expected.hits)
    for table in ("hits", "cells", "truth"):
        if getattr(found, table) is None:
            return False
    assert found.truth is not None
    assert expected.truth is not None
    assert found.cells is not None
    assert expected.cells is not None
    without = len(np.setdiff1d(expected.cells.hit_id, found.cells.hit_id))
    other = found.truth.particle_id != expected.truth.particle_id
    if without > few or other.sum() > few or found.truth.particle_id[other].any():
        return False
    # weights and counts of hits follow from what is lost
    given = {"cells": expected.cells} | (
        {"truth": expected.truth, "particles": expected.particles} if other.any() else {}
    )
    with contextlib.suppress(Failure):
        require_same(dataclasses.replace(found, **given), expected)
        return True
    return False


class Words(logging.Handler):
    """Whether anything was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said = False

    def emit(self, record: logging.LogRecord) -> None:
        require_readable(record.getMessage())
        self.said = True


def require_readable(message: str) -> None:
    if len(message) > LONGEST_MESSAGE:
        raise Failure(f"message: has {len(message)} characters")
    if not message.replace("\n", "").isprintable():
        raise Failure(f"message: {message!r}")
