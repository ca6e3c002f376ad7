"""Cluster shape: known clusters, a plain reference, rotations, and the true momenta of an event."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event.clusters import (
    CLUSTERS,
    DETECTOR,
    ROTATIONS,
    detector_of,
    event_of,
    reference,
    turn,
)

from hitgraph.errors import InputError
from hitgraph.event.clusters import CLUSTER_FEATURES, cluster_features
from hitgraph.event.source import read_event

COLUMN = {name: column for column, name in enumerate(CLUSTER_FEATURES)}


def test_a_cluster_by_hand():
    """3 x 4 channels of 0.05 x 0.1 mm on a 0.3 mm module that looks along z."""
    [row] = cluster_features(
        event_of([(0, [(10, 20, 0.5), (12, 20, 0.25), (11, 23, 1)])]), DETECTOR
    )
    assert row.dtype == np.float32
    np.testing.assert_allclose(row[:5], [3, 1.75, 0.15, 0.4, 0.3], rtol=1e-6)
    np.testing.assert_allclose(
        row[5:7], [np.arcsinh(0.3 / np.hypot(0.15, 0.4)), np.arctan2(0.4, 0.15)], rtol=1e-6
    )
    np.testing.assert_array_equal(row[7:], row[5:7])


def test_the_same_cluster_on_a_barrel_module():
    """There u is -y, v is -z, w is x: the direction is (w, -u, -v)."""
    [row] = cluster_features(event_of([(1, [(5, 5, 1), (6, 7, 1)])]), DETECTOR)
    u, v, w = 2 * 0.05, 3 * 0.12, 2 * 0.2
    assert row[COLUMN["geta"]] == pytest.approx(np.arcsinh(-v / np.hypot(w, u)), rel=1e-6)
    assert row[COLUMN["gphi"]] == pytest.approx(np.arctan2(-u, w), rel=1e-6)


def test_hits_without_cells_are_zeros():
    event = event_of([(0, []), (1, [(1, 1, 2.0)]), (2, []), (2, [])])
    features = cluster_features(event, DETECTOR)
    assert (features[[0, 2, 3]] == 0).all()
    assert (features[1] != 0).all()
    assert cluster_features(event_of([]), DETECTOR).shape == (0, 9)


def test_an_event_whose_hits_all_lack_cells_is_refused():
    with pytest.raises(InputError, match="a cell table without any cells, so clusters have no sh"):
        cluster_features(event_of([(0, []), (0, [])]), DETECTOR)


def test_a_module_without_pitch_has_no_clusters():
    unknown = replace(DETECTOR, pitch_u=np.where(np.arange(4) == 2, -1.0, DETECTOR.pitch_u))
    with pytest.raises(InputError, match=r"no pitch for 1 of 4 .*module 3\).*fill in pitch_u"):
        cluster_features(event_of([(0, [(1, 1, 2.0)])]), unknown)


@given(CLUSTERS.filter(lambda clusters: not clusters or any(cells for _, cells in clusters)))
@settings(deadline=None)
def test_features_agree_with_the_plain_reference(clusters):
    event = event_of(clusters)
    features = cluster_features(event, DETECTOR)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(features, reference(event, DETECTOR), rtol=1e-5, atol=1e-6)


@given(CLUSTERS, st.floats(-3, 3))
@settings(deadline=None)
def test_turning_the_detector_about_the_beam_turns_only_gphi(clusters, angle):
    turned = replace(DETECTOR, rotation=turn(2, angle) @ DETECTOR.rotation)
    event = event_of([cluster for cluster in clusters if cluster[1]])
    before, after = cluster_features(event, DETECTOR), cluster_features(event, turned)
    np.testing.assert_allclose(after[:, :8], before[:, :8], atol=1e-5)
    step = after[:, COLUMN["gphi"]] - before[:, COLUMN["gphi"]] - angle
    np.testing.assert_allclose(np.cos(step), 1, atol=1e-6)


def test_bad_events_are_named():
    event = event_of([(0, [(1, 1, 1.0)]), (1, [(2, 2, 1.0)])])
    with pytest.raises(InputError, match=r"event000000007: no cell table.*-cells\.csv"):
        cluster_features(replace(event, cells=None), DETECTOR)
    swapped = replace(event.cells, hit_id=event.cells.hit_id[::-1].copy())
    with pytest.raises(InputError, match=r"row 1: hit_id 3 .*must be sorted"):
        cluster_features(replace(event, cells=swapped), DETECTOR)
    with pytest.raises(InputError, match=r"event000000007.*not in the detectors table"):
        cluster_features(event, detector_of(ROTATIONS[:1]))


# ---------------------------------------------------------------- a real TrackML event


@pytest.fixture(scope="module")
def real(shared_data: Path):
    """Event, features, dense module index, and |direction of flight| in the module's frame."""
    event = read_event(shared_data / "trackml_sample" / "event000000001")
    hits, truth, detector = event.hits, event.truth, event.detector
    module = detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    momentum = np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(float)
    momentum /= np.linalg.norm(momentum, axis=1, keepdims=True)
    local = np.abs(np.einsum("nij,ni->nj", detector.rotation[module], momentum))
    return event, cluster_features(event, detector).astype(float), module, local


# Volume, axis, and the depth from which charge is collected in units of module_t.
# Long strips (volumes 12 to 18) are not crossed along v; the innermost pixels are, along both.
DEPTHS = [
    (8, 0, 1), (8, 1, 1), (7, 1, 2), (9, 1, 2), (12, 0, 2), (13, 0, 1), (14, 0, 2), (16, 0, 2),
    (17, 0, 1), (18, 0, 2),
]  # fmt: skip


@pytest.mark.parametrize(("volume", "axis", "depth"), DEPTHS)
def test_extents_follow_the_true_path(real, volume, axis, depth):
    """A path of projected length L = k p + f p covers k + 1 or k + 2 channels of pitch p.

    Entering anywhere, it covers k + 1 + f of them in the mean, one channel more than L / p, with
    a variance of f (1 - f) <= 1/4. So the extent rises with L with slope 1, starts at one pitch,
    and correlates with it by at least sd(L) / sqrt(sd(L)^2 + p^2 / 4); charge below threshold
    and secondary electrons move an edge by about a channel more, so p^2 is allowed.
    """
    event, features, module, local = real
    there = (event.hits.volume_id == volume) & (event.truth.particle_id != 0)
    there &= local[:, axis] < 8 * local[:, 2]
    detector = event.detector
    pitch = (detector.pitch_u, detector.pitch_v)[axis][module[there]]
    path = depth * detector.half_thickness[module[there]] * (local[:, axis] / local[:, 2])[there]
    extent = features[there, COLUMN["lx"] + axis]
    slope, start = np.polyfit(path / pitch, extent / pitch, 1)
    error = 0.5 / (path / pitch).std() / np.sqrt(there.sum())
    assert slope == pytest.approx(1, abs=0.1 + 4 * error)
    assert start == pytest.approx(1, abs=0.3)
    bound = path.std() / np.hypot(path.std(), pitch[0])
    assert np.corrcoef(path, extent)[0, 1] > bound


def test_global_direction_is_that_of_the_momentum_up_to_mirrors(real):
    """Pixels see the direction, up to the signs of u and v, as well as a mean cluster tells it.

    By the argument above the mean extents are L_u + p_u and L_v + p_v, and the module counts
    with its whole thickness; the angle of that vector to the true path is the definition's own.
    """
    event, features, module, local = real
    there = (event.hits.volume_id <= 9) & (event.truth.particle_id != 0)
    detector, features, module, local = event.detector, features[there], module[there], local[there]
    eta, phi = features[:, COLUMN["geta"]], features[:, COLUMN["gphi"]]
    direction = np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], 1) / np.cosh(eta)[:, None]
    seen = np.abs(np.einsum("nij,ni->nj", detector.rotation[module], direction))
    cosine = (seen * local).sum(axis=1)

    depth = np.where(event.hits.volume_id[there] == 8, 1, 2) * detector.half_thickness[module]
    mean = local / local[:, 2:] * depth[:, None]
    mean += np.stack([detector.pitch_u[module], detector.pitch_v[module], 0 * depth], 1)
    mean[:, 2] = features[:, COLUMN["lz"]]
    expected = (mean / np.linalg.norm(mean, axis=1, keepdims=True) * local).sum(axis=1)
    assert cosine.mean() == pytest.approx(expected.mean(), abs=0.01)

    rng = np.random.default_rng(1)
    control = (seen[rng.permutation(len(seen))] * local).sum(axis=1)
    assert np.degrees(np.arccos(cosine)).mean() < 0.6 * np.degrees(np.arccos(control)).mean()


@pytest.mark.parametrize(("volume", "depth"), [(7, 2), (8, 1), (9, 2)])
def test_charge_of_a_pixel_cluster_is_its_path_in_mm(real, volume, depth):
    event, features, module, local = real
    there = (event.hits.volume_id == volume) & (event.truth.particle_id != 0)
    path = depth * event.detector.half_thickness[module[there]] / local[there, 2]
    ratio = features[there, COLUMN["charge"]] / path
    assert np.median(ratio) == pytest.approx(1, abs=0.02)


def test_charge_of_a_strip_cluster_is_its_number_of_cells(real):
    event, features, _, _ = real
    strips = event.hits.volume_id > 9
    np.testing.assert_array_equal(
        features[strips, COLUMN["charge"]], features[strips, COLUMN["cell_count"]]
    )
