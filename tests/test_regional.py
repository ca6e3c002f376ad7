"""Tracks found region by region are those of the event."""

import json
from collections.abc import Callable
from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hitgraph.cli import CANNOT_START, OK, main
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.event.event import Event
from hitgraph.event.known_detectors import BEAM
from hitgraph.event.regions import Regions, parts_of_event, region_at
from hitgraph.event.trackml import read_tracks
from hitgraph.hits import hits_from_event
from hitgraph.observe import StageRecord
from hitgraph.pipeline import Pipeline, Result
from hitgraph.regional import Regional, RegionTracks, merge_regions
from hitgraph.state import State

MakeEvent = Callable[..., Event]


class Perfect:
    """Finds every particle of which it is given a hit, and counts what it is given."""

    def run(self, event: Event) -> Result:
        detector = event.detector
        assert detector is not None
        labels = truth_labels(event)
        state = State(hits_from_event(event, detector, False)).with_labels(torch.from_numpy(labels))
        return Result(labels, (StageRecord("perfect", 0.5, event.n_hits),), state)


def same_tracks(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether the same hits are together, whatever the numbers of their tracks."""
    pairs = np.unique(np.stack([one, other]), axis=1)
    return pairs.shape[1] == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("parts", [(1, 1), (2, 1), (8, 1), (5, 4)])
def test_tracks_across_borders_are_found_once_and_whole(
    make_event: MakeEvent, parts: tuple[int, int]
) -> None:
    event = make_event(n_particles=60, n_noise=20, seed=3)
    found = Regional(Perfect(), Regions(parts_of_event(*parts), 0.3), BEAM).run(event)
    assert same_tracks(found.labels, truth_labels(event))
    assert found.n_tracks == 60
    assert len(found.n_region_hits) == parts[0] * parts[1]
    (stage,) = found.stages
    assert stage.edges == sum(found.n_region_hits)
    assert stage.seconds == 0.5 * len(found.n_region_hits)
    if parts == (8, 1):  # tracks do cross: without the hits beyond its borders a part has less
        azimuth = np.floor(np.mod(np.arctan2(event.hits.y, event.hits.x), 2 * pi) / (pi / 4))
        truth = truth_labels(event)
        assert any(len(set(azimuth[truth == track])) > 1 for track in range(60))


def test_a_region_keeps_the_tracks_of_its_directions(make_event: MakeEvent) -> None:
    event = make_event(n_particles=60, n_noise=20, seed=3)
    assert event.particles is not None
    region = region_at(0.0, 1.0, 0.8, 1.0)
    found = Regional(Perfect(), Regions((region,), 0.3), BEAM).run(event)
    phi = np.arctan2(event.particles.py, event.particles.px).astype(float)
    eta = np.arcsinh(event.particles.pz / np.hypot(event.particles.px, event.particles.py))
    well_inside = region_at(0.0, 1.0, 0.7, 0.95).holds(eta.astype(float), phi)
    far_outside = ~region_at(0.0, 1.0, 0.9, 1.05).holds(eta.astype(float), phi)
    truth = truth_labels(event)
    kept = np.array([np.all(found.labels[truth == track] >= 0) for track in range(60)])
    assert 0 < well_inside.sum() < 60
    assert kept[well_inside].all()
    assert not kept[far_outside].any()


def test_one_region_of_everything_is_the_event(make_event: MakeEvent, tiny_pipeline: Path) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    event = make_event(n_particles=40, n_noise=30, seed=5)
    expected = pipeline.run(event).labels
    found = Regional(pipeline, Regions(parts_of_event(1)), BEAM).run(event)
    np.testing.assert_array_equal(found.labels, expected)
    assert found.shared_fraction == 0


def test_an_event_without_hits_has_no_tracks(make_event: MakeEvent, tiny_pipeline: Path) -> None:
    event = make_event(n_particles=0, n_noise=0)
    found = Regional(Pipeline.load(tiny_pipeline), Regions(parts_of_event(3)), BEAM).run(event)
    assert (len(found.labels), found.n_tracks, found.shared_fraction) == (0, 0, 0.0)


def found_in(labels: list[int], *outside: int) -> RegionTracks:
    """Tracks of a region of which some point out of it."""
    inside = np.ones(max(labels) + 1, np.bool_)
    inside[list(outside)] = False
    return RegionTracks(np.array(labels), inside)


def test_hits_that_two_regions_claim_go_to_the_longer_track() -> None:
    first = found_in([0, 0, 0, 0, -1, 1, 1, 2, 2, 2, -1])
    second = found_in([-1, -1, 0, 0, 0, 1, 1, 2, 2, -1, -1])
    merged, shared = merge_regions([first, second])
    # 4 hits beat 3, of which one is left: no track; alike are one; 3 beat 2
    assert merged.tolist() == [0, 0, 0, 0, -1, 1, 1, 2, 2, 2, -1]
    assert shared == pytest.approx(6 / 10)
    half = found_in([-1, -1, -1, 0, 0, -1, -1, -1, -1, -1, -1])
    assert merge_regions([first, half])[0].tolist()[3:5] == [0, 3]  # half of it is left


def test_tracks_that_point_elsewhere_count_where_nobody_else_has_their_hits() -> None:
    """The last two tracks of the first region do, and first the last of the second, a shorter part.

    Then the second region has a track of its own, with hits of both, and neither is left.
    """
    first = found_in([0, 0, 0, 1, 1, 1, 2, 2, 2, 2], 1, 2)
    second = found_in([0, 0, -1, -1, -1, -1, -1, 1, 1, 1], 1)
    assert merge_regions([first, second])[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    second = found_in([-1, -1, -1, -1, 0, 0, 0, 0, -1, -1])
    assert merge_regions([first, second])[0].tolist() == [0, 0, 0, -1, 1, 1, 1, 1, -1, -1]
    assert merge_regions([first])[0].tolist() == [0, 0, 0] + [-1] * 7


def test_what_a_region_has_of_a_longer_track_gives_way_to_it() -> None:
    whole = found_in([0, 0, 0, 0, 0, 0, 0, 0], 0)
    part = found_in([-1, 0, 0, 0, 0, 0, 0, 0])
    assert merge_regions([part, whole])[0].tolist() == [0] * 8
    whole = found_in([0, 0, 0, 0, 0, 0, 0, 0, 0], 0)
    part = found_in([-1, 0, 0, 0, 0, 0, 0, 0, 0])  # long itself
    assert merge_regions([part, whole])[0].tolist() == [-1] + [0] * 8


def test_a_track_that_is_dropped_leaves_its_hits_to_the_next() -> None:
    """One of five hits points out and loses one of them; four of them are a track elsewhere."""
    longest = found_in([0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1], 0)
    second = found_in([0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1], 0)
    inside = found_in([-1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0])
    merged, _ = merge_regions([longest, second, inside])
    assert merged.tolist() == [0] * 4 + [1] * 8


@pytest.mark.usefixtures("one_import")
def test_the_command_writes_the_event_and_says_which_region(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["reconstruct", str(tiny_store), "--pipeline", str(tiny_pipeline), "--device", "cpu"]
    line += ["--events", "1000:1002", "--threads", "1", "--quiet"]
    for out, words in (
        ("full", []),
        ("one", ["--regions", "1"]),
        ("parts", ["--regions", "3x2", "--workers", "2"]),
        ("roi", ["--region=-0.2,1.5,0.5,0.5", "--min-pt", "1"]),
    ):
        assert main([*line, "--out", str(tmp_path / out), *words]) == OK
    tracks = {
        out: read_tracks(tmp_path / out / "event000001000-tracks.csv")
        for out in ("full", "one", "parts", "roi")
    }
    np.testing.assert_array_equal(tracks["one"], tracks["full"])
    for hit_id, track_id in tracks.values():
        np.testing.assert_array_equal(hit_id, tracks["full"][0])
        assert track_id.max() > 0
    record = json.loads((tmp_path / "roi" / "run.json").read_text())
    assert record["regions"] == "eta -0.7 to 0.3, phi 1 to 2; hits of pT > 1 GeV"
    assert 0 < record["events"][0]["n_region_hits"][0] < record["events"][0]["n_hits"]
    assert main([*line, "--out", str(tmp_path / "roi"), "--resume"]) == CANNOT_START
    assert "in eta -0.7 to 0.3" in capsys.readouterr().err
    assert main([*line, "--out", str(tmp_path / "one"), "--regions", "1", "--resume"]) == OK


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--region", "0.5"], "--region: '0.5' is no direction"),
        (["--region", "nan,1"], "--region: 'nan,1' is no direction"),
        (["--region", "0.5,1,0.1"], "for example 0.5,1.2 or"),
        (["--region", "0.5,9"], "eta 0.5, phi 9 is no direction"),
        (["--regions", "0"], "--regions: '0': N parts of azimuth"),
        (["--regions", "8x"], "--regions: '8x'"),
        (["--regions", "100x100"], "from 1 to 1000 together"),
        (["--regions", "8", "--min-pt", "-1"], "min_pt: -1 GeV is not allowed"),
        (["--min-pt", "1"], "give --region or --regions as well"),
    ],
)
def test_what_is_no_region_is_refused_at_once(
    tmp_path: Path,
    tiny_store: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    out = tmp_path / "out"
    assert main(["reconstruct", str(tiny_store), "--out", str(out), *words]) == CANNOT_START
    assert says in capsys.readouterr().err
    assert not out.exists()
