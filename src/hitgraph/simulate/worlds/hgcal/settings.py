"""What the events of the calorimeter depend on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hitgraph.errors import SettingsError
from hitgraph.lessons.settings import check_above, check_at_least
from hitgraph.simulate.worlds.hgcal.geometry import INNER_RADIUS, OUTER_RADIUS, disc_radius

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.hgcal.simulator import HgcalSimulator

MAX_SHOWERS, MAX_ENERGY = 1000, 1000.0


@dataclass(frozen=True)
class HgcalSettings:
    """Showers of single particles from the origin, all of them within one disc of the endcap."""

    seed: int = 1
    showers: int = 10  # an event
    density: float = 0.5  # showers per square decimetre of that disc, on the front face
    hadrons: float = 0.5  # share of charged pions; the rest are electrons and photons, half each
    min_energy: float = 5.0  # GeV; energies are uniform in their logarithm
    max_energy: float = 100.0  # GeV
    noise: float = 0.2  # mips, standard deviation of the noise of a cell
    threshold: float = 0.6  # mips, what a cell has to show

    world: ClassVar[str] = "hgcal"

    def __post_init__(self) -> None:
        check_at_least(self, showers=1, hadrons=0, noise=0)
        check_above(self, density=0, min_energy=1.0, threshold=2 * self.noise)
        for key, most in (("showers", MAX_SHOWERS), ("hadrons", 1), ("max_energy", MAX_ENERGY)):
            if getattr(self, key) > most:
                raise SettingsError(f"{key}: {getattr(self, key)} is not allowed, at most {most}")
        if self.max_energy < self.min_energy:
            raise SettingsError(
                f"max_energy: {self.max_energy} is not allowed, at least min_energy, "
                f"{self.min_energy}"
            )
        widest = (OUTER_RADIUS - INNER_RADIUS) / 2
        if disc_radius(self.showers, self.density) > widest:
            raise SettingsError(
                f"density: {self.density} is not allowed, {self.showers} showers would need a disc "
                f"wider than the endcap ({widest:g} mm in radius): raise it, or ask for fewer"
            )

    def simulator(self) -> "HgcalSimulator":
        """What makes the events; its tables are made once."""
        from hitgraph.simulate.worlds.hgcal.simulator import HgcalSimulator

        return HgcalSimulator(self)
