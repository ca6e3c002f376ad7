"""From crossings of sensors to hits: module numbers, cells, positions, noise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hitgraph.event.detector import Detector
from hitgraph.event.known_detectors import ENDCAP_RINGS, trackml_module_numbers
from hitgraph.event.source import read_event
from hitgraph.event.trackml import read_detectors
from hitgraph.simulate.digitise import Clusters, digitise
from hitgraph.simulate.noise import noise_crossings, number_of_noise_hits
from hitgraph.simulate.simulator import Simulator


def test_endcap_numbers_are_a_permutation() -> None:
    for volume, rings in ENDCAP_RINGS.items():
        n = len(rings)
        numbers = trackml_module_numbers(np.full(n, volume), np.arange(1, n + 1))
        assert sorted(numbers.tolist()) == list(range(1, n + 1))
        # Rings take turns: none is missing in the first or the last eighth.
        assert set(rings[: n // 8]) == set(rings[-(n // 8) :]) == set(rings)


def test_barrel_numbers_stay() -> None:
    module_id = np.arange(1, 100)
    numbers = trackml_module_numbers(np.full(99, 13), module_id)
    np.testing.assert_array_equal(numbers, module_id)


def test_every_module_is_trackml_s(gun: Simulator, shared_data: Path) -> None:
    theirs, ours = read_detectors(shared_data / "trackml_sample/detectors.csv.gz"), gun.detector
    assert ours.n_modules == theirs.n_modules == 18_728
    for name in ("volume_id", "layer_id", "module_id", "half_thickness", "min_half_u"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
    for name in ("max_half_u", "half_v", "pitch_u", "pitch_v"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
    np.testing.assert_allclose(ours.centre, theirs.centre, atol=0.004)  # mm
    np.testing.assert_allclose(ours.rotation, theirs.rotation, atol=1e-6)


def _module(volume: int, half_thickness: float, half_u: float, half_v: float) -> Detector:
    one = np.ones(1, np.int32)
    pitch_u, pitch_v = (0.05, 0.05625) if volume < 10 else (0.08, 1.2)
    return Detector(
        volume_id=one * volume,
        layer_id=one * 2,
        module_id=one,
        centre=np.array([[10.0, -20.0, 30.0]]),
        rotation=np.array([[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]),
        half_thickness=np.array([half_thickness]),
        min_half_u=np.array([half_u]),
        max_half_u=np.array([half_u]),
        half_v=np.array([half_v]),
        pitch_u=np.array([pitch_u]),
        pitch_v=np.array([pitch_v]),
    )


PIXEL, STRIP = _module(8, 0.15, 8.4, 36.0), _module(13, 0.25, 24.0, 54.0)


def _cross(detector: Detector, local: np.ndarray, slope: np.ndarray) -> Clusters:
    turn = detector.rotation[0]
    return digitise(
        detector,
        np.zeros(1, np.int64),
        (turn @ local + detector.centre[0])[None],
        (turn @ slope)[None],
    )


directions = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 1)).map(np.array)


@settings(max_examples=60, deadline=None)
@given(
    u=st.floats(-7, 7), v=st.floats(-30, 30), slope=directions, side=st.sampled_from([-1.0, 1.0])
)
def test_cells_share_out_the_path_through_the_sensor(
    u: float, v: float, slope: np.ndarray, side: float
) -> None:
    slope = slope * side
    for w, s, half, pitch in ((u, slope[0], 8.4, 0.05), (v, slope[1], 36, 0.05625)):
        ends = (w + np.array([-0.075, 0.075]) * s / slope[2] + half) / pitch
        assume(np.abs(ends - np.round(ends)).max() > 1e-3)  # along a border rounding decides
    cells = _cross(PIXEL, np.array([u, v, 0.0]), slope)
    cosine = abs(slope[2]) / np.linalg.norm(slope)
    np.testing.assert_allclose(cells.value.sum(), 0.15 / cosine, rtol=1e-4)
    # One line of channels: none is left out between the first and the last along u.
    assert set(np.diff(np.unique(cells.ch0)).tolist()) <= {1}
    # Against a brute-force walk in small steps, each charged to the channel it is in.
    t = (np.arange(20_000) + 0.5) / 20_000 - 0.5
    path_u, path_v = (w + t * 0.15 * s / slope[2] for w, s in ((u, slope[0]), (v, slope[1])))
    channel = np.floor((path_u + 8.4) / 0.05) * 10_000 + np.floor((path_v + 36) / 0.05625)
    wanted, count = np.unique(channel.astype(np.int64), return_counts=True)
    keys = cells.ch0.astype(np.int64) * 10_000 + cells.ch1
    found = dict(zip(keys.tolist(), cells.value.tolist(), strict=True))
    for key, steps_in_it in zip(wanted.tolist(), count.tolist(), strict=True):
        length = steps_in_it / 20_000 * 0.15 / cosine
        assert abs(found.get(key, 0.0) - length) < 2e-4 / cosine


@settings(max_examples=50, deadline=None)
@given(u=st.floats(-8.39, 8.39), v=st.floats(-35.9, 35.9), slope=directions)
def test_position_is_the_mean_of_the_channel_centres_and_near_the_crossing(
    u: float, v: float, slope: np.ndarray
) -> None:
    cells = _cross(PIXEL, np.array([u, v, 0.0]), slope)
    local = PIXEL.rotation[0].T @ (cells.position[0] - PIXEL.centre[0])
    share = cells.value.astype(np.float64) / cells.value.astype(np.float64).sum()
    np.testing.assert_allclose(local[0], (share * (cells.ch0 + 0.5)).sum() * 0.05 - 8.4, atol=1e-5)
    np.testing.assert_allclose(
        local[1], (share * (cells.ch1 + 0.5)).sum() * 0.05625 - 36, atol=1e-5
    )
    assert local[2] == pytest.approx(0, abs=1e-9)
    assert 0 <= cells.ch0.min() <= cells.ch0.max() < 336
    assert 0 <= cells.ch1.min() <= cells.ch1.max() < 1280
    half_shadow = 0.075 / slope[2]
    if abs(u) + half_shadow < 8.4 and abs(v) + half_shadow < 36:  # not cut off by the rim
        assert abs(local[0] - u) <= 0.5 * 0.05 + 1e-6
        assert abs(local[1] - v) <= 0.5 * 0.05625 + 1e-6


def test_strips_say_one_whatever_the_path() -> None:
    cells = _cross(STRIP, np.array([3.0, 5.0, 0.0]), np.array([0.7, 0.1, 1.0]))
    assert len(cells.value) == 3  # 0.25 mm x 0.7 = 0.175 mm over a pitch of 0.08 mm, centred
    np.testing.assert_array_equal(cells.value, 1.0)


def test_same_cells_as_the_real_event(gun: Simulator, shared_data: Path) -> None:
    """The real event's true crossings, digitised here, fire the channels it recorded.

    In the endcaps, that is: in the barrels the real charge drifts sideways in the field.
    """
    event = read_event(shared_data / "trackml_sample/event000000001")
    hits, cells, truth = event.hits, event.cells, event.truth
    assert cells is not None
    assert truth is not None
    module = gun.detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    ours = digitise(
        gun.detector,
        module,
        np.stack([truth.tx, truth.ty, truth.tz], axis=1).astype(np.float64),
        np.stack([truth.tpx, truth.tpy, truth.tpz], axis=1).astype(np.float64),
    )
    endcap = ~np.isin(hits.volume_id, (8, 13, 17))
    row = np.searchsorted(hits.hit_id, cells.hit_id)
    key = (row << 40) + (cells.ch0.astype(np.int64) << 20) + cells.ch1
    our_key = (ours.hit << 40) + (ours.ch0.astype(np.int64) << 20) + ours.ch1
    both = np.intersect1d(key[endcap[row]], our_key[endcap[ours.hit]])
    union = np.union1d(key[endcap[row]], our_key[endcap[ours.hit]])
    assert len(both) / len(union) > 0.99
    pixel = endcap & (hits.volume_id < 10)
    theirs = np.bincount(row, cells.value, len(hits))[pixel]
    charge = np.bincount(ours.hit, ours.value, len(hits))[pixel]
    assert np.median(theirs / charge) == pytest.approx(1, abs=0.02)
    barrel = ~endcap
    count = np.bincount(row, minlength=len(hits))[barrel].mean()
    our_count = np.bincount(ours.hit, minlength=len(hits))[barrel].mean()
    assert our_count == pytest.approx(count, rel=0.05)


@given(n_signal=st.integers(0, 10**6), fraction=st.floats(0, 0.9))
def test_noise_is_the_asked_fraction_of_all_hits(n_signal: int, fraction: float) -> None:
    n_noise = number_of_noise_hits(n_signal, fraction)
    assert n_noise == pytest.approx(fraction * (n_noise + n_signal), abs=1)


def test_noise_is_spread_evenly_over_a_trapezoid() -> None:
    detector = replace(STRIP, min_half_u=np.array([10.0]))  # 10 at -v, 24 at +v
    noise = noise_crossings(detector, 40_000, np.random.default_rng(1))
    u, v, w = detector.rotation[0].T @ (noise.position - detector.centre[0]).T
    assert np.abs(w).max() < 1e-9
    assert (np.abs(u) <= 17 + 7 * v / 54 + 1e-9).all()
    assert (np.abs(v) <= 54).all()
    upper = (v > 0).mean()  # the upper half has (17 + 24) / (10 + 17 + 17 + 24) of the area
    assert upper == pytest.approx(41 / 68, abs=0.01)
    assert (noise.particle_id == 0).all()
