"""How well positions are known: by a simulation of channels, and by what was measured."""

from pathlib import Path

import numpy as np
import pytest

import hitgraph
from hitgraph.event.known_detectors import PIXEL_BARREL_SPREAD, STRIP_SPREAD
from hitgraph.event.modules import read_detectors
from hitgraph.event.spread import HIT, TWO_CHARGES, position_spread
from hitgraph.simulate.described import build, read_description


def test_the_spread_is_that_of_paths_over_channels() -> None:
    """Paths of up to a channel, from anywhere in one: the middle, and the mean of the charge."""
    begin, length = np.random.default_rng(1).uniform(size=(2, 400_000))
    middle, end = begin + length / 2, begin + length
    for n, hit in ((1, end < 1), (2, end >= 1)):
        assert np.std((n / 2 - middle)[hit]) == pytest.approx(HIT, rel=0.01)
    two = end >= 1
    second = (end[two] - 1) / length[two]  # share of the charge
    assert np.std(0.5 + second - middle[two]) == pytest.approx(TWO_CHARGES, rel=0.01)


def test_any_detector_has_it_in_units_of_its_pitch_and_trackml_s_what_was_measured() -> None:
    other = build(read_description("telescope"))[0]
    expected = np.array([12**-0.5, HIT, TWO_CHARGES, 0.05]) * 0.0184
    np.testing.assert_allclose(position_spread(other, "any"), np.tile(expected, (6, 2, 1)))
    detector = read_detectors(Path(hitgraph.__file__).parent / "demo_event" / "detectors.parquet")
    found = position_spread(detector, "any")
    for volume, measured in ((8, PIXEL_BARREL_SPREAD), (13, STRIP_SPREAD)):
        row = int(np.argmax(detector.volume_id == volume))
        pitch = np.array([detector.pitch_u[row], detector.pitch_v[row]])
        np.testing.assert_allclose(found[row], np.array(measured) * pitch[:, None])
