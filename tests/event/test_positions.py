"""Hits are held against their modules: units, other detectors, detectors out of place."""

import dataclasses
import logging

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event import positions
from hitgraph.event.positions import check_positions, distances_from_modules
from hitgraph.event.source import read_event
from hitgraph.event.store import write_detectors, write_event


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.setattr(positions, "_told", set())


def _at(event, change):
    """The event with changed positions (n_hits, 3)."""
    hits = event.hits
    moved = change(np.stack([hits.x, hits.y, hits.z], axis=1)).astype(np.float32)
    x, y, z = moved.T.copy()
    return dataclasses.replace(event, hits=dataclasses.replace(hits, x=x, y=y, z=z))


def _stored(event, folder):
    write_event(event, folder)
    write_detectors(event.detector, folder)
    return folder


def test_distances_are_beside_the_plane_and_beyond_the_edges(tiny_event):
    detector, hits = tiny_event.detector, tiny_event.hits
    module = detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    assert distances_from_modules(tiny_event, detector).max() < 1e-4

    def place(u, v, w):
        local = np.array([u, v, w])
        return _at(
            tiny_event, lambda _: detector.rotation[module] @ local + detector.centre[module]
        )

    half_u, half_v = detector.max_half_u[module], detector.half_v[module]
    for u, v, w, expected in (
        (0, 0, -3, np.full(len(module), 3.0)),
        (500, 0, 0, 500 - half_u),
        (0, -400, 1, 400 - half_v),
    ):
        off = distances_from_modules(place(u, v, w), detector)
        np.testing.assert_allclose(off, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("unit", "factor"), [("cm", 0.1), ("m", 0.001), ("um", 1000.0)])
def test_positions_in_another_unit_are_refused_with_its_name(tiny_event, tmp_path, unit, factor):
    folder = _stored(_at(tiny_event, lambda position: factor * position), tmp_path)
    with pytest.raises(InputError, match=rf"hits\.parquet: .*(in {unit}, write them in mm|100 m)"):
        read_event(folder)


def test_positions_that_are_all_zero_are_refused(tiny_event, tmp_path):
    event = _at(tiny_event, lambda position: 0 * position)
    write_event(event, tmp_path)  # without a table of modules too
    with pytest.raises(InputError, match=r"all 24 hits are at \(0, 0, 0\)"):
        read_event(tmp_path)


def test_hits_of_another_detector_are_refused(tiny_event, tmp_path):
    folder = _stored(_at(tiny_event, lambda position: position[:, [1, 2, 0]]), tmp_path)
    with pytest.raises(
        InputError, match=r"24 hits do not lie on their modules, hit_id .*--detectors"
    ):
        read_event(folder)


def test_an_event_without_table_is_held_against_the_one_given(tiny_event):
    event = dataclasses.replace(_at(tiny_event, lambda p: p / 10), detector=None)
    check_positions(event, event.name)
    with pytest.raises(InputError, match=r"event000001000: .*the positions are in cm"):
        check_positions(event, event.name, tiny_event.detector)


def test_a_layer_out_of_place_is_said_once_for_a_folder(make_event, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for seed in (0, 1):
        event = make_event(seed=seed)
        inner = (event.hits.layer_id == 2)[:, None]
        _stored(_at(event, lambda position, inner=inner: position + 3.0 * inner), tmp_path)
    events = [read_event(tmp_path / f"event00000100{k}") for k in range(2)]
    assert [event.n_hits for event in events] == [24, 24]
    said = [record for record in caplog.records if "from their modules" in record.message]
    assert [record.levelno for record in said] == [logging.WARNING, logging.INFO]
    moved = int((events[0].hits.layer_id == 2).sum())
    assert f"{moved} of 24 hits lie more than 1 mm from their modules" in said[0].message


def test_hits_on_their_modules_are_not_spoken_of(tiny_event, tmp_path, caplog):
    read_event(_stored(tiny_event, tmp_path))
    assert not caplog.records
