"""Charged particles through any detector: steps through the field from surface to surface.

Every module of a table, and every cylinder of passive material, is a surface. A step ends at the
first one that it meets; there the particle scatters and loses energy, and goes on. Left out:
nuclear interactions, decays, photons, and a module that a path enters and leaves on one side
between the two ends of a step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.field import CURVATURE, MagneticField
from hitgraph.simulate.bending import advanced, tesla_at
from hitgraph.simulate.crossings import OTHER_MATERIAL, Steps
from hitgraph.simulate.generator import Generated
from hitgraph.simulate.matter import Matter, highland_angle, masses_of, scattered, slowed
from hitgraph.simulate.settings import MIN_MOMENTUM
from hitgraph.simulate.surfaces import NOWHERE, STEP, Path, Surfaces, world_of

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

LONG_STEP = 100.0  # mm, where no module is near
LONG_TURN = 0.3  # rad that a long step may bend
HALF_TURN = np.pi  # rad; a particle that has bent by that is not followed further


@dataclass
class Flight:
    """Particles under way, one row each."""

    row: Int64  # (n,) of the particle
    position: Float64  # (n, 3) mm
    direction: Float64  # (n, 3)
    momentum: Float64  # (n,) GeV
    charge: Float64  # (n,)
    mass: Float64  # (n,) GeV
    turned: Float64  # (n,) rad
    number: Int64  # (n,) surfaces met
    surface: Int64  # (n,) the one that it stands on, or NOWHERE

    def keep(self, which: NDArray[np.bool_]) -> "Flight":
        return Flight(*(values[which] for values in vars(self).values()))


class Stepper:
    """Takes the particles of events through one detector."""

    def __init__(self, detector: Detector, matter: Matter, field: MagneticField) -> None:
        self._detector, self._field = detector, field
        self._surfaces = Surfaces(detector, matter.tubes)
        self._x0 = np.concatenate([matter.x0, [tube.x0 for tube in matter.tubes]])
        self._grams = np.concatenate([matter.grams, [tube.grams for tube in matter.tubes]])
        self._world = world_of(detector)

    def simulate(self, particles: Generated, seed: int, material: bool = False) -> Steps:
        """Every module crossed, and with `material` every passive cylinder.

        `seed` fixes multiple scattering and energy loss.
        """
        n = len(particles)
        momentum = np.linalg.norm(particles.momentum, axis=1)
        flight = Flight(
            row=np.arange(n),
            position=particles.vertex.astype(np.float64),
            direction=particles.momentum / momentum[:, None],
            momentum=momentum,
            charge=particles.charge.astype(np.float64),
            mass=masses_of(particles.pdg),
            turned=np.zeros(n),
            number=np.zeros(n, np.int64),
            surface=np.full(n, NOWHERE),
        )
        nothing = (*(np.zeros(0, np.int64) for _ in range(4)), *(np.zeros((0, 3)),) * 2)
        parts = [nothing, *self._fly(flight, np.random.default_rng(seed))]
        steps = Steps(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        return steps if material else steps.where(steps.module != OTHER_MATERIAL)

    def _fly(self, flight: Flight, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
        """The columns of Steps, one part for each step of all particles."""
        n_modules = self._detector.n_modules
        while len((flight := flight.keep(self._alive(flight))).row):
            bend = flight.charge / flight.momentum
            most_bent = CURVATURE * np.abs(bend) * self._tesla(flight.position)
            length = self._step_length(flight.position, most_bent)
            start = flight.position, flight.direction
            end = advanced(self._field, *start, bend, length)
            met, surface, fraction = self._surfaces.first_met(
                Path(*start, *end, length), flight.surface
            )
            length[met] *= fraction
            flight.turned += most_bent * length
            place, direction = advanced(
                self._field, start[0][met], start[1][met], bend[met], length[met]
            )
            place, cosine = self._surfaces.onto(place, direction, surface)
            flight.position, flight.direction = end
            flight.position[met], flight.direction[met] = place, direction
            flight.surface = np.full(len(flight.row), NOWHERE)
            flight.surface[met] = surface
            module = np.where(surface < n_modules, surface, OTHER_MATERIAL)
            volume = np.where(surface < n_modules, self._detector.volume_id[module], 0)
            momentum = direction * flight.momentum[met, None]
            yield flight.row[met], flight.number[met], volume, module, place, momentum
            flight.number[met] += 1
            x0, grams = self._x0[surface] / cosine, self._grams[surface] / cosine
            angle = highland_angle(flight.momentum[met], flight.mass[met], x0)
            flight.direction[met] = scattered(direction, angle, rng)
            flight.momentum[met] = slowed(flight.momentum[met], flight.mass[met], x0, grams, rng)

    def _alive(self, flight: Flight) -> NDArray[np.bool_]:
        alive: NDArray[np.bool_] = (
            (np.hypot(flight.position[:, 0], flight.position[:, 1]) <= self._world.r)
            & (np.abs(flight.position[:, 2]) <= self._world.high)
            & (flight.momentum >= MIN_MOMENTUM)
            & (flight.turned < HALF_TURN)
        )
        return alive

    def _step_length(self, position: Float64, most_bent: Float64) -> Float64:
        """(n,) mm: STEP near modules, else as far as there are none, and as bending allows."""
        longest = np.minimum(LONG_STEP, LONG_TURN / np.maximum(most_bent, 1e-9))
        free: Float64 = np.minimum(self._surfaces.free_path(position), longest)
        return np.maximum(free, STEP)

    def _tesla(self, position: Float64) -> Float64:
        strength: Float64 = np.linalg.norm(tesla_at(self._field, position), axis=1)
        return strength
