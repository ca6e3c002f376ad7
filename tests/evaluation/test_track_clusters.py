"""Tracks handed back as clusters: none twice on a track, judged on clusters as on hits."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.event.strips import strip_detector, strip_event

from hitgraph.cli import main
from hitgraph.errors import InputError
from hitgraph.evaluation.comparison import compare
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.evaluation.track_clusters import one_track_each, read_cluster_labels
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.space_points import event_of_clusters, ghosts
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.track_clusters import (
    clusters_on_tracks,
    read_track_clusters,
    shared_clusters,
    write_track_clusters,
)
from hitgraph.reconstruct import Signature, claim, reconstruct


class Labelled:
    """A track finder that gives the labels it was made with."""

    def __init__(self, labels: NDArray[np.int64]) -> None:
        self.labels = labels

    def run(self, event: Event) -> SimpleNamespace:
        assert event.n_hits == len(self.labels)
        n_tracks = len(np.unique(self.labels[self.labels >= 0]))
        return SimpleNamespace(labels=self.labels, n_tracks=n_tracks, stages=())


def found_in(folder: Path, event: Event, labels: NDArray[np.int64], suffix: str = "csv") -> Path:
    """A folder `truth` with the event and one `tracks` as `hitgraph reconstruct` writes it."""
    write_event(event, folder / "truth")
    write_detectors(strip_detector(), folder / "truth")
    signature = Signature("labelled", "0")
    out = folder / "tracks"
    claim(out, signature, [event.name])
    sources = list_events([folder / "truth"])
    run = reconstruct(Labelled(labels), signature, sources, out, suffix=suffix)
    assert not run.failed
    return out


def on_own_and_a_ghost(event: Event) -> NDArray[np.int64]:
    """The true labels, and one ghost on the track of its first cluster's particle."""
    labels = truth_labels(event)
    ghost = int(np.flatnonzero(ghosts(event))[0])
    twin = np.flatnonzero((event.hits.layer_id == event.hits.layer_id[ghost]) & (labels >= 0))
    assert event.spacepoints is not None
    first = event.spacepoints.cluster_1
    labels[ghost] = labels[twin[first[twin] == first[ghost]][0]]
    return labels


def test_two_hits_of_a_track_that_share_a_cluster_give_it_once() -> None:
    event = strip_event(2)
    labels = on_own_and_a_ghost(event)
    track, cluster = clusters_on_tracks(event, labels)
    assert len(np.unique(np.stack([track, cluster]), axis=1).T) == len(track)
    # 1 pixel cluster and 2 of each of three layers; the ghost has one that is the other track's
    assert np.sort(np.bincount(track)).tolist() == [7, 8]
    assert shared_clusters(cluster) == pytest.approx(1 / 14)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "root"])
def test_reconstruct_writes_the_clusters_of_tracks(tmp_path: Path, suffix: str) -> None:
    if suffix == "root":
        pytest.importorskip("uproot", reason="the extra root is not installed")
    event = strip_event(3)
    labels = truth_labels(event)
    out = found_in(tmp_path, event, labels, suffix)
    track, cluster = read_track_clusters(out / f"{event.name}-trackclusters.{suffix}")
    expected = clusters_on_tracks(event, labels)
    np.testing.assert_array_equal(track, expected[0] + 1)
    np.testing.assert_array_equal(cluster, expected[1])
    assert event.clusters is not None
    maker = event.clusters.particle_id[cluster - 1]
    assert len(np.unique(np.stack([track, maker]), axis=1).T) == 3  # one particle a track
    (record,) = (
        json.loads((out / "records" / f"{event.name}.json").read_text())["shared_clusters"],
    )
    assert record == 0.0


def test_true_tracks_are_perfect_on_hits_and_on_clusters(tmp_path: Path) -> None:
    event = strip_event(3)
    out = found_in(tmp_path, event, truth_labels(event))
    sources = list_events([tmp_path / "truth"])
    for counted, n in (("hits", event.n_hits), ("clusters", 3 * 7)):
        (metrics,) = compare([out], sources, counted=counted).metrics.values()  # type: ignore[arg-type]
        perfect = metrics.matchings["perfect"]
        assert (metrics.counted, metrics.n_hits) == (counted, n)
        assert (perfect.purity.passed, perfect.purity.total) == (3, 3)
        assert metrics.score == pytest.approx(1.0)


def test_ghosts_on_a_track_cost_less_on_clusters(tmp_path: Path) -> None:
    """One cluster of a ghost is right, and both particles' tracks stay pure by majority."""
    event = strip_event(2)
    out = found_in(tmp_path, event, on_own_and_a_ghost(event))
    sources = list_events([tmp_path / "truth"])
    on_hits, on_clusters = (
        next(iter(compare([out], sources, counted=one).metrics.values()))  # type: ignore[arg-type]
        for one in ("hits", "clusters")
    )
    assert on_hits.matchings["perfect"].purity.passed == 1
    # the shared cluster counts on the track with more: 8, of which 7 are its particle's
    assert on_clusters.matchings["perfect"].purity.passed == 0
    assert on_clusters.matchings["double majority"].purity.passed == 2


def test_evaluate_says_what_it_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = strip_event(3)
    out = found_in(tmp_path, event, truth_labels(event))
    assert main(["evaluate", str(out), "--truth", str(tmp_path / "truth"), "--on", "clusters"]) == 0
    shown = capsys.readouterr().out
    assert "21 clusters; tracks of at least 3 clusters" in shown
    assert "clusters on tracks" in shown


def test_tracks_without_their_clusters_are_told_apart(tmp_path: Path, tiny_event: Event) -> None:
    event = strip_event(2)
    out = found_in(tmp_path, event, truth_labels(event))
    (out / f"{event.name}-trackclusters.csv").unlink()
    sources = list_events([tmp_path / "truth"])
    with pytest.raises(InputError, match=r"trackclusters.csv: there is no such file"):
        compare([out], sources, counted="clusters")
    with pytest.raises(InputError, match="no clusters, so nobody knows"):
        event_of_clusters(tiny_event)


@pytest.mark.parametrize(
    ("track", "cluster", "expected"),
    [
        (
            [1, 1],
            [4, 4],
            r"row 2 \(line 3\): cluster 4 on track 1 is there before: a cluster is on",
        ),
        ([1, 0], [4, 5], r"row 2 .*: cluster 5 on track 0 names no track"),
        ([1, 2], [4, 99], r"cluster 99 is none of the 14 clusters of event000000007, 1 to 14"),
    ],
)
def test_files_that_cannot_be_are_refused(
    tmp_path: Path, track: list[int], cluster: list[int], expected: str
) -> None:
    event = strip_event(2)
    out = found_in(tmp_path, event, truth_labels(event))
    path = out / f"{event.name}-trackclusters.csv"
    write_track_clusters(path, event.name, np.array(track), np.array(cluster))
    with pytest.raises(InputError, match=expected):
        read_cluster_labels(event_of_clusters(event), out / f"{event.name}-tracks.csv")


def test_a_shared_cluster_is_of_the_track_with_more() -> None:
    track, row = np.array([5, 5, 5, 2, 2, 9]), np.array([0, 1, 2, 2, 3, 3])
    assert one_track_each(5, row, track).tolist() == [5, 5, 5, 2, -1]
    assert one_track_each(2, np.array([0, 0]), np.array([4, 3])).tolist() == [3, -1]
