"""One event in liquid argon from the settings and its number."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.argon import view_number
from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.store import FIRST_COLLISION
from hitgraph.simulate.simulator import event_name
from hitgraph.simulate.worlds.lartpc.deposits import together
from hitgraph.simulate.worlds.lartpc.geometry import VOLUME, Plane, build_detector, planes_of
from hitgraph.simulate.worlds.lartpc.interaction import Made, cosmic, neutrino
from hitgraph.simulate.worlds.lartpc.readout import WireHits, read_out

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


class LartpcSimulator:
    """Makes events of one kind."""

    def __init__(self, settings: "LartpcSettings") -> None:
        self.settings = settings
        self.planes = planes_of(settings)
        self.detector = build_detector(settings)

    def event(self, number: int) -> Event:
        """Event `number`; the same for the same settings and number, whatever came before."""
        settings = self.settings
        beam, sky, wires = (
            np.random.default_rng(seed)
            for seed in np.random.SeedSequence([settings.seed, number]).spawn(3)
        )
        groups = [neutrino(settings, beam)]
        groups += [cosmic(settings, sky) for _ in range(sky.poisson(settings.cosmics))]
        # cosmic muons that come within one drift before or behind the beam are read out with it
        lates = [0.0, *sky.uniform(-settings.drift, settings.drift, len(groups) - 1)]
        made = [one for group in groups for one in group]
        interaction = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        deposits = together(one.deposits for one in made)
        owner = np.repeat(np.arange(len(made)), [len(one.deposits) for one in made])
        inside = self._inside(deposits.position)
        deposits, owner = deposits.where(inside), owner[inside]
        late = np.array(lates)[interaction[owner]]
        hits = [read_out(settings, plane, deposits, late, owner, wires) for plane in self.planes]
        return self._event(number, made, interaction, np.array(lates)[interaction], hits)

    def _inside(self, position: Float64) -> NDArray[np.bool_]:
        half = self.settings.height / 2
        low = np.array([0.0, -half, 0.0])
        high = np.array([self.settings.drift, half, self.settings.length])
        return np.asarray(((position >= low) & (position < high)).all(axis=1))

    def _event(
        self,
        number: int,
        made: list[Made],
        interaction: Int64,
        late: Float64,
        hits: list[WireHits],
    ) -> Event:
        place = _places(interaction)
        kinds = np.array([one.kind for one in made])
        ids = [view_number(interaction + FIRST_COLLISION, place, kinds, k) for k in range(3)]
        table = _hit_table(self.planes, hits)
        particle_id = np.concatenate(
            [np.where(one.owner < 0, 0, ids[k][one.owner]) for k, one in enumerate(hits)]
        )
        particles = _particle_table(made, ids, late, particle_id)
        truth = _truth_table(self.planes, hits, table, particle_id, particles)
        return Event(
            event_name(number),
            table,
            _cell_table(hits),
            particles,
            truth,
            self.detector,
            self.detector.field,
            FIRST_COLLISION,
        )


def _places(interaction: Int64) -> Int64:
    """(n,) place of each particle within its interaction, from 0; `interaction` (n,) rising."""
    return np.arange(len(interaction)) - np.searchsorted(interaction, interaction)


def _hit_table(planes: tuple[Plane, ...], hits: list[WireHits]) -> HitTable:
    position = np.concatenate(
        [
            plane.middle(one.wire)[:, None] * plane.across + one.drift[:, None] * (1.0, 0.0, 0.0)
            for plane, one in zip(planes, hits, strict=True)
        ]
    ).astype(np.float32)
    n = len(position)
    return HitTable(
        hit_id=np.arange(1, n + 1),
        x=position[:, 0],
        y=position[:, 1],
        z=position[:, 2],
        volume_id=np.full(n, VOLUME, np.int32),
        layer_id=np.repeat(np.arange(len(hits)), [len(one) for one in hits]).astype(np.int32),
        module_id=np.concatenate([one.wire for one in hits]).astype(np.int32),
    )


def _cell_table(hits: list[WireHits]) -> CellTable:
    """A cell a tick: channel 0 is the wire's only one, channel 1 the tick."""
    length = np.concatenate([one.n_ticks for one in hits])
    first = np.concatenate([one.first for one in hits])
    hit = np.repeat(np.arange(len(length)), length)
    tick = np.repeat(first - np.cumsum(length) + length, length) + np.arange(len(hit))
    return CellTable(
        hit_id=hit + 1,
        ch0=np.zeros(len(hit), np.int32),
        ch1=tick.astype(np.int32),
        value=np.concatenate([one.charge for one in hits]).astype(np.float32),
    )


def _particle_table(
    made: list[Made], ids: list[Int64], late: Float64, particle_id: Int64
) -> ParticleTable:
    """A row a view that has hits; late particles are where they seem to be."""
    number = np.concatenate(ids)
    seen, count = np.unique(particle_id[particle_id != 0], return_counts=True)
    order = np.argsort(number)
    row = order[np.searchsorted(number[order], seen)] % max(len(made), 1)
    vertex = np.array([one.vertex for one in made]).reshape(-1, 3) + late[:, None] * (1, 0, 0)
    vx, vy, vz = vertex[row].astype(np.float32).T
    momentum = np.array([one.momentum for one in made]).reshape(-1, 3) / 1000
    px, py, pz = momentum[row].astype(np.float32).T
    pdg = np.array([one.pdg for one in made], np.int32)[row]
    return ParticleTable(seen, pdg, vx, vy, vz, px, py, pz, _charges(pdg), count.astype(np.int32))


def _charges(pdg: NDArray[np.int32]) -> NDArray[np.int32]:
    """Elementary charges: those of leptons and of their antiparticles have the other sign."""
    sign = np.where(np.abs(pdg) < 20, -np.sign(pdg), np.sign(pdg))
    return np.where(pdg == 22, 0, sign).astype(np.int32)


def _truth_table(
    planes: tuple[Plane, ...],
    hits: list[WireHits],
    table: HitTable,
    particle_id: Int64,
    particles: ParticleTable,
) -> TruthTable:
    """Every hit of a particle weighs the same; where noise should be, it is measured to be."""
    true = np.concatenate(
        [
            one.true_across[:, None] * plane.across + one.true_drift[:, None] * (1.0, 0.0, 0.0)
            for plane, one in zip(planes, hits, strict=True)
        ]
    )
    measured = np.stack([table.x, table.y, table.z], axis=1)
    tx, ty, tz = np.where(np.isnan(true), measured, true).astype(np.float32).T
    signal = particle_id != 0
    row = np.searchsorted(particles.particle_id, particle_id[signal])
    momentum = np.zeros((3, len(particle_id)), np.float32)
    momentum[:, signal] = np.stack([particles.px, particles.py, particles.pz])[:, row]
    weight = (signal / max(signal.sum(), 1)).astype(np.float32)
    tpx, tpy, tpz = momentum
    return TruthTable(table.hit_id, particle_id, tx, ty, tz, tpx, tpy, tpz, weight)
