"""Simulated events of double-sided strips: one space point a module that a particle crosses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hitgraph.errors import SettingsError
from hitgraph.event.crossed import count_crossed
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.source import list_events
from hitgraph.event.space_points import ghosts
from hitgraph.settings import parse
from hitgraph.simulate.described.description import Description
from hitgraph.simulate.folder import is_complete
from hitgraph.simulate.run import simulate
from hitgraph.simulate.settings import ParticleGun, SimulationSettings

PIXELS = {"volume": 1, "radius": 30.0, "phi_modules": 16, "z_modules": 6, "width": 15.0}
STRIPS = {"volume": 2, "radius": [100.0, 150.0], "phi_modules": [24, 36], "z_modules": 6}
SIZES = {"length": 50.0, "overlap": -0.5, "tilt": 200.0, "thickness": 0.3, "x0": 0.001}
BARREL: dict[str, Any] = {
    "name": "toy",
    "field": "constant:2",
    "space_points": True,
    "cylinders": [
        PIXELS | SIZES | {"pitch_u": 0.05, "pitch_v": 0.05},
        STRIPS | SIZES | {"width": 31.0, "pitch_u": 0.08, "stereo": 50.0, "gap": 2.0},
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two events of ten muons of 5 GeV, without noise."""
    settings = SimulationSettings(
        pileup=0.0,
        hard="none",
        gun=ParticleGun(10, min_pt=5.0, max_pt=5.0, min_eta=-0.5, max_eta=0.5),
        beam_sigma_z=0.0,
        noise=0.0,
        field=constant(2),
        preset="plain",
        detector=parse(Description, BARREL),
    )
    folder = tmp_path_factory.mktemp("strips") / "store"
    run = simulate(settings, folder, [1, 2])
    assert [one.number for one in run.done] == [1, 2]
    assert all(one.cells > one.hits for one in run.done)  # of the clusters
    assert simulate(settings, folder, [1, 2], resume=True).skipped == [1, 2]
    return folder


@pytest.fixture(scope="module")
def events(store: Path) -> list[Event]:
    return [source.read() for source in list_events([store])]


def test_every_crossing_of_both_sides_is_a_hit_near_the_particle(events: list[Event]) -> None:
    for event in events:
        counts = count_crossed(event)
        assert counts is not None
        assert counts.found == counts.crossings >= 10 * 2 * 0.9
        assert event.truth is not None
        own = (event.hits.volume_id == 2) & ~ghosts(event)
        hits, truth = event.hits, event.truth
        off = np.stack([hits.x - truth.tx, hits.y - truth.ty, hits.z - truth.tz])[:, own]
        # half a pitch across; a pitch over the stereo angle and the bend between the sides along it
        assert np.hypot(*off[:2]).max() < 0.1
        assert np.abs(off[2]).max() < 0.08 / 0.05 + 2 * 150 / (2 * 8339) / 0.05


def test_an_event_without_its_clusters_is_not_complete(store: Path, tmp_path: Path) -> None:
    assert is_complete(store, 1)
    for path in store.glob("event000000001.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "event000000001.clusters.parquet").unlink()
    assert not is_complete(tmp_path, 1)


def test_space_points_need_a_stereo_angle() -> None:
    strips = BARREL["cylinders"][1] | {"stereo": 0.0}
    with pytest.raises(SettingsError, match="space_points: true is not allowed, without a layer"):
        parse(Description, BARREL | {"cylinders": [BARREL["cylinders"][0], strips]})
