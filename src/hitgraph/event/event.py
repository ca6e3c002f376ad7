"""One collision as tables of columns: the only place where a column of an event is named."""

from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.field import MagneticField, solenoid

MAX_DIGITS = 1000  # Python makes no number of more than 4300

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HitTable:
    """Measured space points, one row a hit. hit_id is unique and may have gaps."""

    hit_id: Int64
    x: Float32  # mm
    y: Float32  # mm
    z: Float32  # mm
    volume_id: Int32
    layer_id: Int32
    module_id: Int32

    def __len__(self) -> int:
        return len(self.hit_id)


@dataclass(frozen=True, eq=False)
class CellTable:
    """Read-out channels that fired, one row a cell, sorted by the row of their hit."""

    hit_id: Int64
    ch0: Int32  # channel number along the module's u axis
    ch1: Int32  # channel number along the module's v axis
    value: Float32  # deposited charge, arbitrary units

    def __len__(self) -> int:
        return len(self.hit_id)


@dataclass(frozen=True, eq=False)
class ParticleTable:
    """Generated particles, one row a particle."""

    particle_id: Int64
    particle_type: Int32  # PDG code; 0 where the file has none
    vx: Float32  # mm, production vertex
    vy: Float32
    vz: Float32
    px: Float32  # GeV, momentum at the production vertex
    py: Float32
    pz: Float32
    q: Int32  # elementary charges
    nhits: Int32

    def __len__(self) -> int:
        return len(self.particle_id)


@dataclass(frozen=True, eq=False)
class TruthTable:
    """What made each hit. Row i belongs to row i of the hit table."""

    hit_id: Int64
    particle_id: Int64  # 0 = noise
    tx: Float32  # mm, true intersection with the module
    ty: Float32
    tz: Float32
    tpx: Float32  # GeV, true momentum there
    tpy: Float32
    tpz: Float32
    weight: Float32  # TrackML weight; sums to 1 over a full event

    def __len__(self) -> int:
        return len(self.hit_id)


@dataclass(frozen=True, eq=False)
class ClusterTable:
    """Measurements that hits are made of where hits are space points, one row a cluster.

    A cluster of a strip stands at the middle of its strip.
    """

    cluster_id: Int64  # from 1
    x: Float32  # mm
    y: Float32
    z: Float32
    volume_id: Int32
    layer_id: Int32
    module_id: Int32
    n_cells: Int32  # channels that fired
    particle_id: Int64  # that made it; 0 = noise, or an event without truth

    def __len__(self) -> int:
        return len(self.cluster_id)


@dataclass(frozen=True, eq=False)
class SpacePointTable:
    """Which clusters each hit is made of. Row i belongs to row i of the hit table."""

    hit_id: Int64
    cluster_1: Int64  # cluster_id, on the module of the hit
    cluster_2: Int64  # cluster_id on the other side of a double-sided module, or NO_CLUSTER

    def __len__(self) -> int:
        return len(self.hit_id)


NO_CLUSTER = 0  # the second cluster of a hit that has one only

Table = HitTable | CellTable | ParticleTable | TruthTable | ClusterTable | SpacePointTable


@dataclass(frozen=True, eq=False)
class Event:
    """One collision. Tables that the source does not have are None.

    Readers guarantee: hit_id unique and rising; every number finite and in its range; truth
    rows aligned with hit rows; cells sorted by hit, ch0, ch1 and each belonging to a hit;
    particle_id unique, rising and never 0; every particle_id of the truth but 0 is a particle;
    every hit's module is in the detector, and most hits lie on it. An event may have no hits.
    Clusters and space points are there together or not at all: cluster_id unique and rising, each
    hit on the module of its first cluster, its second one on the other side of it.
    """

    name: str  # for example event000001000
    hits: HitTable
    cells: CellTable | None = None
    particles: ParticleTable | None = None
    truth: TruthTable | None = None
    detector: Detector | None = None
    field: MagneticField | None = None  # None where the source does not tell
    hard_collision: int | None = None  # number of the hard process (or the gun) in particle_id
    clusters: ClusterTable | None = None  # where hits are space points, of strips for example
    spacepoints: SpacePointTable | None = None  # which clusters each hit is made of

    def __repr__(self) -> str:
        tables = ("cells", "particles", "truth", "clusters", "detector", "field")
        known = [name for name in tables if getattr(self, name) is not None]
        return f"<Event {self.name}: {self.n_hits} hits{', ' if known else ''}{', '.join(known)}>"

    @property
    def n_hits(self) -> int:
        return len(self.hits)

    @property
    def known_field(self) -> MagneticField | None:
        """The field the event says it was taken in; where it does not, that of TrackML's detector.

        None in another detector. An event without a table of modules counts as TrackML's.
        """
        if self.field is None and (self.detector is None or self.detector.is_generic):
            return solenoid()
        return self.field

    @property
    def likely_field(self) -> MagneticField:
        """As `known_field`. Raises InputError where nothing tells the field."""
        if self.known_field is None:
            raise InputError(
                f"{self.name}: nothing tells its magnetic field: name it with --field where the "
                'command takes one, or in a file dataset.json beside the events, {"settings": '
                '{"field": "constant:2"}}'
            )
        return self.known_field

    @property
    def number(self) -> int:
        """The event number, the digits at the end of the name."""
        return number_of(self.name)


def number_of(name: str) -> int:
    """The digits at the end of an event's name as a number; 0 without any."""
    digits = name[len(name.rstrip("0123456789")) :]
    return int(digits[-MAX_DIGITS:]) if digits else 0


def column_types(table: type[Table]) -> dict[str, np.dtype[Any]]:
    """Column names and dtypes of a table, in file order."""
    return {field.name: np.dtype(_scalar_of(field.type)) for field in fields(table)}


def _scalar_of(hint: Any) -> type[np.generic]:
    """The scalar type in a hint like NDArray[np.float32]; how NDArray nests it is numpy's own."""
    while args := get_args(hint):
        hint = args[-1]
    if not (isinstance(hint, type) and issubclass(hint, np.generic)):
        raise TypeError(f"{hint} is no scalar type of numpy")
    return hint
