"""Vertices beside collisions: what is clean, merged, split and fake, on tracks made by hand."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.evaluation.ratio import Ratio
from hitgraph.evaluation.vertex_quality import (
    CLEAN,
    FAKE,
    MERGED,
    SPLIT,
    VertexQuality,
    combine_vertices,
    vertex_quality,
)
from hitgraph.evaluation.vertex_tables import vertex_rows
from hitgraph.event.collisions import collisions_of, number_of_collision
from hitgraph.event.event import Event
from hitgraph.event.truth import COLLISION_BITS
from hitgraph.event.vertices import (
    Vertices,
    find_vertices,
    made_from,
    read_vertices,
    vertex_method,
    write_vertices,
)
from hitgraph.fingerprint import fingerprint_of_file

from .conftest import EventMaker

Z = {1: -10.0, 2: 5.0}  # mm, of the collisions
N = 5  # particles of each


@pytest.fixture
def event(straight_event: EventMaker) -> Event:
    """Particles 0 to 4 of collision 1, the hard one, and 5 to 9 of collision 2, six hits each."""
    made = straight_event([6] * 2 * N)
    number = np.repeat([1, 2], N)
    packed = (number << COLLISION_BITS) + np.arange(1, 2 * N + 1)
    truth = made.truth.particle_id
    return replace(
        made,
        particles=replace(
            made.particles,
            particle_id=packed,
            vz=np.array([Z[one] for one in number.tolist()], np.float32),
        ),
        truth=replace(made.truth, particle_id=packed[truth - 1]),
        hard_collision=1,
    )


def vertices(*groups: list[int], z: list[float], pt2: list[float] | None = None) -> Vertices:
    """A vertex for each group of tracks; track k is that of particle k."""
    of_tracks = sorted((track, row) for row, group in enumerate(groups) for track in group)
    track, vertex = np.array(of_tracks, np.int64).reshape(-1, 2).T
    counts = np.array([len(group) for group in groups], np.int64)
    return Vertices(
        np.array(z),
        np.full(len(z), 0.5),
        counts,
        counts.astype(float) if pt2 is None else np.array(pt2),
        track,
        vertex,
    )


def judged(event: Event, found: Vertices, labels: np.ndarray | None = None) -> VertexQuality:
    labels = truth_labels(event) if labels is None else labels
    return vertex_quality(event, labels, np.unique(labels[labels >= 0]), found)


def test_collisions_are_told_by_particle_numbers(event: Event) -> None:
    assert collisions_of(event) == Z
    trackml = np.array([4503668346847232, 9007267974742016])  # vertices 1 and 2 of TrackML
    assert number_of_collision(trackml).tolist() == [1, 2]
    assert number_of_collision(np.array([0])).tolist() == [0]


def test_perfect_vertices_are_clean(event: Event) -> None:
    quality = judged(event, vertices([0, 1, 2, 3, 4], [5, 6, 7, 8, 9], z=[-10.5, 5.0]))
    assert quality.kind.tolist() == [CLEAN, CLEAN]
    assert quality.efficiency.value == quality.purity.value == 1
    assert quality.size.tolist() == [N, N]
    assert quality.seen.all()
    assert quality.found.all()
    assert quality.found_clean.all()
    assert quality.clean_size.tolist() == [N, N]
    assert quality.residual.tolist() == [-0.5, 0.0]
    assert quality.pull.tolist() == [-1.0, 0.0]


def test_one_vertex_of_two_collisions_is_merged(event: Event) -> None:
    """Five of seven tracks are 71 %, five of eight 63 %."""
    assert judged(event, vertices([0, 1, 2, 3, 4, 5, 6], z=[-10.0])).kind.tolist() == [CLEAN]
    quality = judged(event, vertices([0, 1, 2, 3, 4, 5, 6, 7], z=[-10.0]))
    assert quality.kind.tolist() == [MERGED]
    assert quality.efficiency.value == 0.5
    assert (quality.clean_efficiency.passed, quality.purity.value) == (0, 5 / 8)


def test_of_two_vertices_of_a_collision_the_softer_is_split(event: Event) -> None:
    quality = judged(event, vertices([0, 1, 2], [3, 4], z=[-10.0, -9.0], pt2=[1.0, 2.0]))
    assert quality.kind.tolist() == [SPLIT, CLEAN]
    assert quality.efficiency.value == 0.5
    assert quality.share_of(SPLIT) == Ratio(1, 2)


def test_a_vertex_of_fake_tracks_is_fake(event: Event) -> None:
    """Two tracks that take turns on two particles match none."""
    labels = truth_labels(event)
    first, second = np.flatnonzero(labels == 8), np.flatnonzero(labels == 9)
    labels[first[::2]], labels[second[::2]] = 9, 8
    quality = judged(event, vertices([8, 9], z=[20.0]), labels)
    assert quality.kind.tolist() == [FAKE]
    assert (quality.efficiency.passed, quality.purity.value) == (0, 0)


def test_the_hard_collision_is_chosen_by_its_transverse_momenta(event: Event) -> None:
    groups = [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]
    right = judged(event, vertices(*groups, z=[-10.2, 5.0], pt2=[9.0, 1.0]))
    wrong = judged(event, vertices(*groups, z=[-10.2, 5.0], pt2=[1.0, 9.0]))
    assert (right.n_hard, right.n_hard_found, right.n_hard_chosen) == (1, 1, 1)
    assert (wrong.n_hard, wrong.n_hard_found, wrong.n_hard_chosen) == (1, 1, 0)
    assert right.hard_distance == pytest.approx(0.2)


def test_a_collision_of_one_particle_is_not_visible(event: Event) -> None:
    number = event.particles.particle_id.copy()
    number[N:-1] += 1 << COLLISION_BITS  # all but one of collision 2 become a third
    truth = dict(zip(event.particles.particle_id.tolist(), number.tolist(), strict=True))
    of_hits = np.array([truth[one] for one in event.truth.particle_id.tolist()])
    other = replace(
        event,
        particles=replace(event.particles, particle_id=number),
        truth=replace(event.truth, particle_id=of_hits),
    )
    assert judged(other, vertices(z=[])).n_collisions == 2


def test_no_vertices_are_no_error(event: Event) -> None:
    quality = judged(event, vertices(z=[]))
    assert quality.efficiency == Ratio(0, 2)
    assert quality.to_dict()["purity"] is None
    assert len(vertex_rows({"none": quality})) > 10


def test_events_add_up(event: Event) -> None:
    one = judged(event, vertices([0, 1, 2, 3, 4], z=[-10.0]))
    two = judged(event, vertices([0, 1, 2, 3, 4], [5, 6, 7, 8, 9], z=[-10.0, 5.0]))
    both = combine_vertices([one, two])
    assert (both.n_events, both.efficiency) == (2, Ratio(3, 4))
    assert both.kind.tolist() == [CLEAN] * 3


def test_vertices_of_other_tracks_are_refused(event: Event) -> None:
    with pytest.raises(InputError, match="the vertices have track 77, which the tracks do not"):
        judged(event, vertices([0, 77], z=[0.0]))


def test_the_figure_shows_what_is_found_and_where(event: Event) -> None:
    """One of two collisions of five particles; no vertex of ten for a resolution."""
    plots = pytest.importorskip(
        "hitgraph.evaluation.vertex_plots", reason="needs the extra plot", exc_type=ImportError
    )
    quality = judged(event, vertices([0, 1, 2, 3, 4], z=[-10.0]))
    figure = plots.vertex_figure({"mine": quality})
    figure.savefig(io.BytesIO())  # that it can be drawn, on logarithmic axes without data
    efficiency, resolution = figure.axes
    ((x, y),) = efficiency.lines[0].get_xydata()
    assert (4 < x < 6, y) == (True, 0.5)
    assert len(resolution.lines[0].get_xydata()) == 0
    group = [0, 1, 2, 3, 4]
    many = combine_vertices([judged(event, vertices(group, z=[k / 10])) for k in range(10)])
    _, resolution = plots.vertex_figure({"mine": many}).axes
    assert len(resolution.lines[0].get_xydata()) == 1


def test_the_files_hold_every_number(tmp_path: Path) -> None:
    found = vertices([3, 1], [0, 4, 9], z=[-2.5, 7.25])
    tracks = tmp_path / "tracks.csv"
    tracks.write_text("1")
    write_vertices(found, tmp_path, "event000000001", "stacking", tracks)
    (path,) = find_vertices(tmp_path).values()
    again = read_vertices(path)
    for name in ("z", "z_error", "n_tracks", "sum_pt2", "track_id", "vertex"):
        assert np.array_equal(getattr(found, name), getattr(again, name)), name
    assert vertex_method(path) == "stacking"
    assert made_from(path) == fingerprint_of_file(tracks)
    tracks.write_text("2")
    assert made_from(path) != fingerprint_of_file(tracks)


def test_files_of_two_runs_are_refused(tmp_path: Path) -> None:
    tracks = tmp_path / "tracks.csv"
    tracks.write_text("1")
    write_vertices(vertices([1, 2], z=[0.0]), tmp_path, "event1", "stacking", tracks)
    kept = (tmp_path / "event1-vertices.parquet").read_bytes()
    two = vertices([1, 2], [3, 4], z=[0.0, 1.0])
    write_vertices(two, tmp_path, "event1", "stacking", tracks)
    (tmp_path / "event1-vertices.parquet").write_bytes(kept)
    with pytest.raises(InputError, match=r"event1-attached\.parquet: its tracks are not"):
        read_vertices(tmp_path / "event1-vertices.parquet")


def test_a_folder_without_vertices_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no vertices in there"):
        find_vertices(tmp_path)
