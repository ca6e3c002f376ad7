"""What a simulated event depends on: the settings, the seed and the event number."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from hitgraph.errors import SettingsError
from hitgraph.event.field import MagneticField, Reach, solenoid
from hitgraph.event.known_detectors import TRACKER_R, TRACKER_Z
from hitgraph.settings import to_dict
from hitgraph.simulate.described import build
from hitgraph.simulate.described.description import Description
from hitgraph.simulate.surfaces import world_of


@dataclass(frozen=True)
class Effects:
    """What a preset adds to plain Fatras and plain geometric digitisation."""

    nuclear_interactions: bool = False
    lorentz_drift: bool = False
    charge_spread: float = 0.0  # relative, of each pixel's charge
    min_start_pt: float = 0.0  # GeV; particles that start below leave no hits
    min_cosine: float = 0.0  # of the angle to a module's normal; flatter crossings leave no hit


PRESETS = {
    "plain": Effects(),
    "trackml-like": Effects(
        nuclear_interactions=True,
        lorentz_drift=True,
        charge_spread=0.1,
        min_start_pt=0.15,
        min_cosine=0.1,
    ),
}
DEFAULT_PRESET = "trackml-like"
OTHER_DETECTORS = "plain"  # their preset; the other one is tuned on TrackML's

HARD_PROCESSES = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "none": (),
}
CARD = "card"  # the hard process is in the settings' `card`
PILEUP_SPREADS = ("poisson", "fixed")

# Electron, muon, charged pion, charged kaon, proton.
GUN_PARTICLES = (11, 13, 211, 321, 2212)

# Particles below are neither simulated nor listed; Fatras stops tracks below MIN_MOMENTUM.
MIN_PT = 0.1  # GeV
MAX_PILEUP = 10_000  # ten times what is planned for any collider
MAX_ABS_ETA = 4.0
MIN_MOMENTUM = 0.1  # GeV

TRACKML = Reach(TRACKER_R, -TRACKER_Z, TRACKER_Z)
COLLISION_ENERGY = 14_000.0  # GeV
MAX_BEAM_XY, MAX_BEAM_Z = 15.0, 1000.0  # mm, so that collisions stay inside the beam pipe
MAX_DISPLACED = 1000.0  # mm, about the radius of the tracker


@dataclass(frozen=True)
class ParticleGun:
    """Single charged particles from the beam spot instead of Pythia collisions."""

    particles: int = 10  # particles an event
    pdg: int = 13  # PDG code; particle and antiparticle alternate at random
    min_pt: float = 0.5  # GeV
    max_pt: float = 10.0  # GeV; pT is uniform between the two
    min_eta: float = -3.0
    max_eta: float = 3.0
    displaced: float = 0.0  # mm, mean transverse flight from the beam spot to where they are born
    min_phi: float = -math.pi  # rad
    max_phi: float = math.pi
    spread: float = 0.0  # mm, standard deviation of each one's start about the vertex, in x, y, z

    def __post_init__(self) -> None:
        _require(self.particles >= 1, "gun.particles", self.particles, "at least 1")
        _require(
            self.pdg in GUN_PARTICLES,
            "gun.pdg",
            self.pdg,
            "one of " + ", ".join(str(code) for code in GUN_PARTICLES),
        )
        _require(
            MIN_PT <= self.min_pt <= self.max_pt < math.inf,
            "gun.min_pt:max_pt",
            f"{self.min_pt:g}:{self.max_pt:g}",
            f"{MIN_PT:g} <= min <= max, in GeV",
        )
        _require(
            -MAX_ABS_ETA <= self.min_eta <= self.max_eta <= MAX_ABS_ETA,
            "gun.min_eta:max_eta",
            f"{self.min_eta:g}:{self.max_eta:g}",
            f"-{MAX_ABS_ETA:g} <= min <= max <= {MAX_ABS_ETA:g}",
        )
        _require(
            0 <= self.displaced <= MAX_DISPLACED,
            "gun.displaced",
            self.displaced,
            f"a mean flight of 0 to {MAX_DISPLACED:g} mm",
        )
        _require(
            -math.pi <= self.min_phi <= self.max_phi <= math.pi,
            "gun.min_phi:max_phi",
            f"{self.min_phi:g}:{self.max_phi:g}",
            "-pi <= min <= max <= pi, in rad",
        )
        _require(
            0 <= self.spread <= MAX_DISPLACED,
            "gun.spread",
            self.spread,
            f"0 to {MAX_DISPLACED:g} mm",
        )


@dataclass(frozen=True)
class SimulationSettings:
    """How the events of one folder are made; all of it goes into dataset.json."""

    pileup: float = 200.0  # number of minimum-bias collisions: the mean, or exactly
    pileup_spread: str = "poisson"  # one of PILEUP_SPREADS
    hard: str = "ttbar"  # hard process of every event: one of HARD_PROCESSES, or CARD
    card: tuple[str, ...] = ()  # Pythia settings of the hard process, "key = value"
    gun: ParticleGun | None = None  # instead of the hard process
    min_pt: float = MIN_PT  # GeV; the generators' particles in these ranges are simulated
    max_pt: float | None = None  # GeV
    min_eta: float = -MAX_ABS_ETA
    max_eta: float = MAX_ABS_ETA
    beam_sigma_xy: float = 0.015  # mm, of the beam spot, as in TrackML
    beam_sigma_z: float = 55.2  # mm
    beam_centre: tuple[float, float, float] = (0.0, 0.0, 0.0)  # mm, of the beam spot: x, y, z
    field: MagneticField = field(default_factory=solenoid)
    noise: float = 0.15  # noise hits / all hits
    merge: bool = False  # one hit where clusters of a module touch
    seed: int = 1
    preset: str = DEFAULT_PRESET
    detector: Description | None = None  # None: that of TrackML

    @property
    def effects(self) -> Effects:
        return PRESETS[self.preset]

    @cached_property
    def world(self) -> Reach:
        """Where particles are born and followed; those from outside leave no hits.

        In ACTS the tracker of TrackML: it has no volume to start others in.
        """
        if self.detector is None:
            return TRACKML
        return world_of(build(self.detector)[0])

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; the field by its name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["field"] = self.field.name
        values["gun"] = None if self.gun is None else asdict(self.gun)
        values["detector"] = None if self.detector is None else to_dict(self.detector)
        plain: dict[str, Any] = json.loads(json.dumps(values))  # tuples become lists, as in files
        return plain

    def __post_init__(self) -> None:
        _require(self.preset in PRESETS, "preset", self.preset, " or ".join(PRESETS))
        _require(
            self.detector is None or self.preset == OTHER_DETECTORS,
            "preset",
            self.preset,
            f"{OTHER_DETECTORS} with a detector of one's own: the other is tuned on TrackML's",
        )
        if not self.field.is_constant:  # which is known everywhere
            modules = self.world if self.detector is None else build(self.detector)[0].reach
            self.field.require_covers(modules, "simulation setting field")
        self._check_collisions()
        high = math.inf if self.max_pt is None else self.max_pt
        _require(
            MIN_PT <= self.min_pt < high,
            "pt",
            f"{self.min_pt:g}:{high:g}",
            f"{MIN_PT:g} <= min < max, in GeV",
        )
        _require(
            -MAX_ABS_ETA <= self.min_eta < self.max_eta <= MAX_ABS_ETA,
            "eta",
            f"{self.min_eta:g}:{self.max_eta:g}",
            f"-{MAX_ABS_ETA:g} <= min < max <= {MAX_ABS_ETA:g}",
        )
        _require(
            0 <= self.beam_sigma_xy <= MAX_BEAM_XY and 0 <= self.beam_sigma_z <= MAX_BEAM_Z,
            "beam_sigma_xy:z",
            f"{self.beam_sigma_xy:g}:{self.beam_sigma_z:g}",
            f"0 to {MAX_BEAM_XY:g} mm across the beam and 0 to {MAX_BEAM_Z:g} mm along it",
        )
        x, y, z = self.beam_centre
        _require(
            max(abs(x), abs(y)) <= MAX_BEAM_XY and abs(z) <= MAX_BEAM_Z,
            "beam_centre",
            self.beam_centre,
            f"up to {MAX_BEAM_XY:g} mm across the beam and {MAX_BEAM_Z:g} mm along it",
        )
        _require(0 <= self.noise < 1, "noise", self.noise, "a fraction from 0 to below 1")
        _require(0 <= self.seed < 2**32, "seed", self.seed, "a whole number from 0 to 2^32 - 1")

    def _check_collisions(self) -> None:
        most = f"a number of collisions from 0 to {MAX_PILEUP}"
        _require(0 <= self.pileup <= MAX_PILEUP, "pileup", self.pileup, most)
        _require(
            self.pileup_spread in PILEUP_SPREADS,
            "pileup_spread",
            self.pileup_spread,
            " or ".join(PILEUP_SPREADS),
        )
        _require(
            self.pileup_spread != "fixed" or self.pileup == int(self.pileup),
            "pileup",
            self.pileup,
            "a whole number of collisions where it is fixed",
        )
        _require(
            self.hard in (*HARD_PROCESSES, CARD),
            "hard",
            self.hard,
            f"{' or '.join(HARD_PROCESSES)}, or a file of Pythia settings",
        )
        _require(
            (self.hard == CARD) == bool(self.card),
            "card",
            f"{len(self.card)} lines with hard = {self.hard}",
            f"lines with hard = {CARD}, and none without",
        )
        _require(
            self.gun is None or self.hard == "none",
            "gun",
            f"on with hard = {self.hard}",
            "hard none beside it: the gun replaces the hard process",
        )
        _require(
            self.pileup > 0 or self.hard != "none" or self.gun is not None,
            "pileup",
            self.pileup,
            "above 0 when there is neither a hard process nor a particle gun",
        )


def _require(condition: bool, key: str, found: object, allowed: str) -> None:
    if not condition:
        raise SettingsError(f"simulation setting {key} = {found}: allowed is {allowed}")
