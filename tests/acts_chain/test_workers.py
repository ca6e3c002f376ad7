"""The traditional chain shared by two processes: the same files as from one."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
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


@pytest.mark.slow
@pytest.mark.usefixtures("one_import")
def test_tracks_and_fits_are_the_same(events: Path, tmp_path: Path) -> None:
    """Fits up to rounding: a kernel that was compiled in a process may round otherwise than one
    from the cache, and this process may have either."""
    alone, shared = (tmp_path / name for name in ("alone", "shared"))
    for out, more in ((alone, ()), (shared, TWO)):
        assert main(["baseline", "ckf", str(events), "--out", str(out), "--quiet", *more]) == OK
        assert main(["fit", str(events), "--tracks", str(out), "--quiet", *more]) == OK
    tracks, fits = (sorted(alone.glob(kind)) for kind in ("*-tracks.csv", "*-fits.parquet"))
    assert len(tracks) == len(fits) == 3
    for path in tracks:
        assert path.read_bytes() == (shared / path.name).read_bytes()
    for path in fits:
        one, other = (pq.read_table(folder / path.name) for folder in (alone, shared))
        assert one.schema == other.schema
        for name in one.column_names:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, err_msg=name)
