"""The traditional chain shared by two processes: the same files as from one."""

from pathlib import Path

import pytest

pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")

from hitgraph.cli import OK, main
from hitgraph.event.store import write_detectors, write_event
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator

TWO = ("--workers", "2")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three events of ten muons."""
    folder = tmp_path_factory.mktemp("events")
    gun = ParticleGun(particles=10, min_pt=1, max_pt=5, min_eta=-2, max_eta=2)
    settings = SimulationSettings(pileup=0, hard="none", gun=gun, seed=5, preset="plain")
    simulator = Simulator(settings)
    for number in (1000, 1001, 1002):
        event = simulator.event(number)
        write_event(event, folder)
    assert event.detector is not None
    write_detectors(event.detector, folder)
    return folder


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(pattern)}


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
def test_tracks_and_fits_are_the_same(events: Path, tmp_path: Path) -> None:
    """A kernel that was compiled in a process may round otherwise than one from the cache: so the
    first run is not compared."""
    first, alone, shared = (tmp_path / name for name in ("first", "alone", "shared"))
    for out, more in ((first, TWO), (alone, ()), (shared, TWO)):
        assert main(["baseline", "ckf", str(events), "--out", str(out), "--quiet", *more]) == OK
        assert main(["fit", str(events), "--tracks", str(out), "--quiet", *more]) == OK
    for pattern in ("*-tracks.csv", "*-fits.parquet"):
        assert len(files(alone, pattern)) == 3
        assert files(shared, pattern) == files(alone, pattern)
