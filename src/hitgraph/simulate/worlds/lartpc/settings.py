"""What an event in liquid argon depends on: these settings, the seed and its number."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hitgraph.errors import SettingsError

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.lartpc.simulator import LartpcSimulator

MAX_CELLS = 50_000_000  # of a plane, at most


@dataclass(frozen=True)
class LartpcSettings:
    """A box of liquid argon with three planes of wires, and what happens in it."""

    seed: int = 1
    drift: float = 1000.0  # mm, from the wires (x = 0) to the cathode
    height: float = 1200.0  # mm, along y, about 0
    length: float = 2400.0  # mm, along z, the beam, from 0
    pitch: float = 3.0  # mm between wires
    tick: float = 0.8  # mm that electrons drift in half a microsecond
    noise: float = 0.3  # thousand electrons a tick, standard deviation
    threshold: float = 1.2  # thousand electrons that a tick of a hit has
    longest: int = 12  # ticks of a hit; longer pulses are cut
    cosmics: float = 2.0  # cosmic muons an event, on average

    world: ClassVar[str] = "lartpc"

    def __post_init__(self) -> None:
        for key in ("drift", "height", "length", "pitch", "tick", "threshold"):
            _require(getattr(self, key) > 0, key, getattr(self, key), "above 0")
        for key in ("drift", "height", "length"):
            _require(getattr(self, key) <= 20_000, key, getattr(self, key), "at most 20,000 mm")
            fits = getattr(self, key) >= 20 * self.pitch
            _require(fits, key, getattr(self, key), "at least 20 wires wide")
        _require(self.tick <= self.pitch, "tick", self.tick, f"at most the pitch, {self.pitch:g}")
        _require(self.pitch >= 0.5, "pitch", self.pitch, "at least 0.5 mm")
        _require(self.tick >= 0.05, "tick", self.tick, "at least 0.05 mm")
        _require(self.noise >= 0, "noise", self.noise, "at least 0")
        least = 3 * self.noise
        _require(
            self.threshold >= least, "threshold", self.threshold, f"3 times the noise, {least:g}"
        )
        n_cells = self.drift / self.tick * (self.height + self.length) / self.pitch
        _require(n_cells <= MAX_CELLS, "tick", self.tick, f"{MAX_CELLS:,} wires times ticks")
        _require(self.longest >= 2, "longest", self.longest, "at least 2 ticks")
        _require(0 <= self.cosmics <= 1000, "cosmics", self.cosmics, "0 to 1000")
        _require(0 <= self.seed < 2**32, "seed", self.seed, "a whole number from 0 to 2^32 - 1")

    def simulator(self) -> "LartpcSimulator":
        """What makes the events."""
        from hitgraph.simulate.worlds.lartpc.simulator import LartpcSimulator

        return LartpcSimulator(self)


def _require(condition: bool, key: str, found: object, allowed: str) -> None:
    if not condition:
        raise SettingsError(f"lartpc setting {key} = {found}: allowed is {allowed}")
