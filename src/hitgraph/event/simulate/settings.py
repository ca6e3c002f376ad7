"""What a simulated event depends on: the settings, the seed and the event number."""

import math
from dataclasses import dataclass

from hitgraph.errors import SettingsError

PRESETS = ("plain",)
HARD_PROCESSES = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "none": (),
}

# Electron, muon, charged pion, charged kaon, proton.
GUN_PARTICLES = (11, 13, 211, 321, 2212)

# Particles below are neither simulated nor listed; Fatras stops tracks below MIN_MOMENTUM.
MIN_PT = 0.1  # GeV
MAX_ABS_ETA = 4.0
MIN_MOMENTUM = 0.1  # GeV

COLLISION_ENERGY = 14_000.0  # GeV
FIELD = 2.0  # Tesla, along z
BEAM_SIGMA_XY = 0.015  # mm
BEAM_SIGMA_Z = 55.2  # mm


@dataclass(frozen=True)
class ParticleGun:
    """Single charged particles from the beam spot instead of Pythia collisions."""

    particles: int = 10  # particles an event
    pdg: int = 13  # PDG code; particle and antiparticle alternate at random
    min_pt: float = 0.5  # GeV
    max_pt: float = 10.0  # GeV; pT is uniform between the two
    min_eta: float = -3.0
    max_eta: float = 3.0

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


@dataclass(frozen=True)
class SimulationSettings:
    """How the events of one folder are made; all of it goes into dataset.json."""

    pileup: float = 200.0  # mean number of minimum-bias collisions, Poisson distributed
    hard: str = "ttbar"  # hard process of every event, one of HARD_PROCESSES
    gun: ParticleGun | None = None  # replaces the collisions
    noise: float = 0.15  # noise hits / all hits
    seed: int = 1
    preset: str = "plain"

    def __post_init__(self) -> None:
        _require(
            0 <= self.pileup < math.inf,
            "pileup",
            self.pileup,
            "a mean number of collisions of at least 0",
        )
        _require(self.hard in HARD_PROCESSES, "hard", self.hard, " or ".join(HARD_PROCESSES))
        _require(0 <= self.noise < 1, "noise", self.noise, "a fraction from 0 to below 1")
        _require(0 <= self.seed < 2**32, "seed", self.seed, "a whole number from 0 to 2^32 - 1")
        _require(self.preset in PRESETS, "preset", self.preset, " or ".join(PRESETS))
        collisions = self.pileup > 0 or self.hard != "none"
        if self.gun is None:
            _require(
                collisions,
                "pileup",
                self.pileup,
                "above 0 when there is neither a hard process nor a particle gun",
            )
        else:
            _require(
                not collisions,
                "gun",
                "on",
                "pileup 0 and hard none beside it: the gun replaces the collisions",
            )


def _require(condition: bool, key: str, found: object, allowed: str) -> None:
    if not condition:
        raise SettingsError(f"simulation setting {key} = {found}: allowed is {allowed}")
