"""Clusters and space points in files: read back as they were, refused where they do not fit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.event.strips import strip_detector, strip_event

from hitgraph.errors import InputError
from hitgraph.event.cluster_tables import NO_ROW, cluster_rows, refuse_clusters, require_clusters
from hitgraph.event.crossed import Crossed, count_crossed
from hitgraph.event.double_sided import other_sides
from hitgraph.event.event import Event, SpacePointTable
from hitgraph.event.root import write_root
from hitgraph.event.rows import select_hits, visible
from hitgraph.event.source import read_event
from hitgraph.event.space_points import event_of_clusters, ghosts, particles_of
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.trackml import write_detectors_csv, write_trackml

Same = Callable[[Event, Event], None]


def points_of(event: Event) -> SpacePointTable:
    return require_clusters(event)[1]


def written(folder: Path, event: Event, form: str = "parquet") -> Path:
    if form == "csv":
        write_trackml(event, folder)
        write_detectors_csv(strip_detector(), folder / "detectors.csv")
    elif form == "root":
        pytest.importorskip("uproot", reason="the extra root is not installed")
        write_root(event, folder)
        write_detectors(strip_detector(), folder)
    else:
        write_event(event, folder)
        write_detectors(strip_detector(), folder)
    return folder


@pytest.mark.parametrize("form", ["parquet", "csv", "root"])
def test_an_event_with_clusters_is_read_back_bit_for_bit(
    assert_same_event: Same, tmp_path: Path, form: str
) -> None:
    event = strip_event()
    assert_same_event(read_event(written(tmp_path, event, form)), event)


def test_pixels_have_one_cluster_and_double_sided_strips_two() -> None:
    event = strip_event()
    pixel = event.hits.layer_id == 1
    rows = cluster_rows(event)
    assert (rows[pixel, 1] == NO_ROW).all()
    assert (rows[~pixel] != NO_ROW).all()
    clusters, _ = require_clusters(event)
    for key in ("volume_id", "layer_id", "module_id"):
        np.testing.assert_array_equal(getattr(clusters, key)[rows[:, 0]], getattr(event.hits, key))


def test_n_particles_have_n_hits_a_layer_and_the_others_are_ghosts() -> None:
    n = 4
    event = strip_event(n)
    for layer in (2, 3, 4):
        here = event.hits.layer_id == layer
        assert here.sum() == n * n
        assert ghosts(event)[here].sum() == n * n - n
    assert event.truth is not None
    assert (event.truth.particle_id[ghosts(event)] == 0).all()


def test_lost_crossings_are_counted() -> None:
    event = strip_event(3)
    assert count_crossed(event) == Crossed(21, 27, 18, 9, 9)
    assert event.truth is not None
    own = (event.hits.layer_id == 2) & (event.truth.particle_id == 1)
    assert count_crossed(select_hits(event, ~own)) == Crossed(21, 26, 18, 9, 8)
    assert event.particles is not None
    soft = replace(event, particles=replace(event.particles, px=event.particles.px / 4))
    assert count_crossed(soft) == Crossed(21, 27, 18, 0, 0)
    assert count_crossed(event_of_clusters(event)) is None


def test_a_space_point_is_the_particle_of_both_clusters_or_nobodys() -> None:
    rows = np.array([[0, 1], [0, 2], [3, 4], [1, NO_ROW], [3, NO_ROW]])
    assert particles_of(rows, np.array([7, 7, 8, 0, 0])).tolist() == [7, 0, 0, 7, 0]


def test_the_event_of_clusters_has_two_hits_a_double_sided_layer() -> None:
    event = event_of_clusters(strip_event(3))
    assert event.truth is not None
    assert event.particles is not None
    for particle in event.particles.particle_id:
        assert (event.truth.particle_id == particle).sum() == 1 + 2 * 3
    assert event.truth.weight.sum() == pytest.approx(1.0)
    assert event.clusters is None


def test_selected_hits_keep_their_clusters_and_no_others() -> None:
    event = strip_event(2)
    keep = event.hits.layer_id != 3
    left = select_hits(event, keep)
    clusters, points = require_clusters(left)
    np.testing.assert_array_equal(points.hit_id, left.hits.hit_id)
    assert set(clusters.layer_id.tolist()) == {1, 2, 4}
    cluster_rows(left)  # all are there


def test_clusters_tell_no_particle_where_truth_is_taken_away() -> None:
    event = strip_event(2)
    left = visible(event, np.ones(event.n_hits, bool), None)
    assert left.truth is None
    assert not require_clusters(left)[0].particle_id.any()


def test_sides_are_found_by_geometry_whatever_their_numbers() -> None:
    detector = strip_detector()
    assert other_sides(detector).tolist() == [-1, 2, 1, 4, 3, 6, 5]
    renumbered = replace(detector, module_id=np.array([1, 7, 2, 9, 40, 3, 1], np.int32))
    assert other_sides(renumbered).tolist() == [-1, 2, 1, 4, 3, 6, 5]


def test_parallel_strips_and_distant_modules_are_no_sides_of_one() -> None:
    detector = strip_detector()
    parallel = replace(detector, rotation=np.repeat(detector.rotation[:1], 7, axis=0))
    centre = detector.centre + np.array([0, 1, 1])[:, None].repeat(3, 1)[0]
    assert (other_sides(parallel) == -1).all()
    apart = replace(detector, centre=np.arange(7)[:, None] * np.array([0.0, 30.0, 0.0]) + centre)
    assert (other_sides(apart) == -1).all()


def change(event: Event, **columns: Any) -> Event:
    return replace(event, spacepoints=replace(points_of(event), **columns))


def with_value(column: np.ndarray, row: int, value: int) -> np.ndarray:
    changed = column.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("column", ["cluster_1", "cluster_2"])
def test_the_number_of_a_cluster_that_is_not_there_is_refused(
    tmp_path: Path, form: str, column: str
) -> None:
    event = strip_event(2)
    number = with_value(getattr(points_of(event), column), 5, 99)
    folder = written(tmp_path, change(event, **{column: number}), form)
    expected = rf"spacepoints.*row 6.*column {column} is 99 where one of the 14 numbers.*1 to 14"
    with pytest.raises(InputError, match=expected):
        read_event(folder)


def test_two_clusters_that_are_not_on_two_sides_of_one_module_are_refused(tmp_path: Path) -> None:
    event = strip_event(2)
    points = points_of(event)
    strips = np.flatnonzero(event.hits.layer_id == 2)
    far = int(np.flatnonzero(event.hits.layer_id == 3)[0])
    number = with_value(points.cluster_2, int(strips[0]), int(points.cluster_2[far]))
    folder = written(tmp_path, change(event, cluster_2=number))
    expected = (
        r"row 3: cluster \d+ is on module \(volume 1, layer 3, module 3\) where the module on the "
        r"other side of that of its hit \(volume 1, layer 2, module 2\) is expected"
    )
    with pytest.raises(InputError, match=expected):
        read_event(folder)
    (folder / "detectors.parquet").unlink()
    with pytest.raises(InputError, match="the module on the other side"):
        read_event(folder)


def test_a_first_cluster_on_another_module_than_the_hit_is_refused(tmp_path: Path) -> None:
    event = strip_event(2)
    points = points_of(event)
    swapped = change(event, cluster_1=points.cluster_1[::-1].copy())
    with pytest.raises(InputError, match="where the module of its hit"):
        read_event(written(tmp_path, swapped))


def test_hits_without_a_row_and_tables_without_the_other_are_refused(tmp_path: Path) -> None:
    event = strip_event(2)
    points = points_of(event)
    short = replace(event, spacepoints=select_hits(event, points.hit_id > 1).spacepoints)
    with pytest.raises(InputError, match=r"no clusters for 1 of 14 hits .*hit_id 1\)"):
        read_event(written(tmp_path / "short", short))
    folder = written(tmp_path / "alone", event)
    (folder / "event000000007.clusters.parquet").unlink()
    with pytest.raises(InputError, match="there is no table of clusters for it"):
        read_event(folder)


def test_clusters_of_an_unknown_module_or_particle_are_refused(tmp_path: Path) -> None:
    event = strip_event(2)
    clusters, _ = require_clusters(event)
    astray = replace(clusters, module_id=with_value(clusters.module_id, 3, 77))
    with pytest.raises(InputError, match="module_id is 77 where a module of the detectors table"):
        read_event(written(tmp_path / "module", replace(event, clusters=astray)))
    strange = replace(clusters, particle_id=with_value(clusters.particle_id, 3, 55))
    with pytest.raises(InputError, match=r"clusters.*particle_id 55 is not in .*particles"):
        read_event(written(tmp_path / "particle", replace(event, clusters=strange)))


def test_what_asks_for_clusters_says_so_where_there_are_none(tiny_event: Event) -> None:
    with pytest.raises(InputError, match="no clusters, so nobody knows"):
        event_of_clusters(tiny_event)
    refuse_clusters(tiny_event, "anything goes")
    with pytest.raises(InputError, match="noise hits have none"):
        refuse_clusters(strip_event(1), "noise hits have none")
