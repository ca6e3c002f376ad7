"""What a simulation needs besides hitgraph: ACTS for its own detector, Pythia for collisions."""

from importlib.util import find_spec

from hitgraph.errors import MissingExtraError
from hitgraph.simulate.settings import SimulationSettings


def packages_of(settings: SimulationSettings) -> dict[str, str]:
    """The modules that are imported, and the packages that they come in."""
    needed = {} if settings.detector is not None else {"acts": "pyacts"}
    collides = settings.gun is None or settings.pileup > 0
    return needed | ({"pythia8mc": "pythia8mc"} if collides else {})


def require_simulation(settings: SimulationSettings) -> None:
    """Raises MissingExtraError where a package is not installed; imports none."""
    if any(find_spec(module) is None for module in packages_of(settings)):
        raise MissingExtraError("simulating events", "sim")
