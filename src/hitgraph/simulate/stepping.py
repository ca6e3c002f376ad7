"""The detector of a simulation, and what takes particles through it."""

from hitgraph.event.detector import Detector
from hitgraph.simulate.crossings import Stepping
from hitgraph.simulate.described import build
from hitgraph.simulate.fatras import Fatras, build_detector
from hitgraph.simulate.geometry import read_geometry
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.stepper import Stepper


def detector_of(settings: SimulationSettings) -> Detector:
    """The module table with the field of the simulation."""
    if settings.detector is None:
        table = read_geometry(build_detector())[0]
    else:
        table = build(settings.detector)[0]
    return table.in_field(settings.field, settings.field.name)


def stepping_of(settings: SimulationSettings) -> Stepping:
    """Fatras in the TrackML detector, or steps through a described one."""
    if settings.detector is None:
        acts_detector = build_detector()
        return Fatras(acts_detector, read_geometry(acts_detector)[1], settings.field)
    return Stepper(*build(settings.detector), settings.field)
