"""A particle gun, which is what small events are made with."""

import pytest

from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator

GUN = SimulationSettings(
    pileup=0,
    hard="none",
    gun=ParticleGun(particles=40, min_pt=1, max_pt=5),
    seed=7,
    field=constant(2.0),
    preset="plain",
)


@pytest.fixture(scope="module")
def gun() -> Simulator:
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    return Simulator(GUN)


@pytest.fixture(scope="module")
def muons(gun: Simulator) -> Event:
    return gun.event(1000)
