"""The parquet store: what is written is read back, damage is noticed."""

import dataclasses
import errno
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hitgraph.errors import HitgraphError, InputError
from hitgraph.event.checks import RANGES, TABLES
from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable, column_types
from hitgraph.event.field import constant, from_json, solenoid
from hitgraph.event.root import write_root
from hitgraph.event.source import read_event
from hitgraph.event.store import (
    read_dataset_info,
    write_dataset_info,
    write_detectors,
    write_event,
)
from hitgraph.event.trackml import write_trackml

IDS = {"hit_id", "particle_id"}


@st.composite
def events(draw):
    """Events of any numbers that can be: 64-bit ids with gaps, any set of tables."""
    hit_id = draw(_ids(1, 12))
    particle_id = draw(_ids(0, 5))
    particle_id = particle_id[particle_id != 0]
    n_hits = len(hit_id)
    hits = draw(_table(HitTable, hit_id=hit_id))
    assume(hits.x.any() or hits.y.any() or hits.z.any())
    cells = truth = particles = None
    if draw(st.booleans()):
        rows = draw(st.lists(st.integers(0, n_hits - 1), max_size=20))
        cells = draw(_table(CellTable, hit_id=hit_id[np.sort(rows).astype(int)]))
        order = np.lexsort((cells.ch1, cells.ch0, cells.hit_id))
        cells = _rows(cells, order)
    if draw(st.booleans()):
        of_hit = draw(
            st.lists(st.sampled_from([0, *particle_id]), min_size=n_hits, max_size=n_hits)
        )
        truth = draw(_table(TruthTable, hit_id=hit_id, particle_id=np.array(of_hit, np.int64)))
    if draw(st.booleans()):
        particles = draw(_table(ParticleTable, particle_id=particle_id))
    return Event("event000000042", hits, cells, particles, truth)


def _ids(at_least, at_most):
    ids = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**8)
    lists = st.lists(ids, min_size=at_least, max_size=at_most, unique=True)
    return lists.map(lambda values: np.array(sorted(values), np.int64))


@st.composite
def _table(draw, table, **known):
    length = len(next(iter(known.values())))
    ranges = RANGES[next(name for name, kind in TABLES.items() if kind is table)]
    for name, dtype in column_types(table).items():
        if name not in known:
            low, high, _ = ranges.get(name, (-(2**31), 2**31 - 1, ""))
            elements = (
                st.integers(low, high) if dtype.kind == "i" else st.floats(low, high, width=32)
            )
            known[name] = draw(arrays.arrays(dtype, length, elements=elements))
    return table(**known)


def _rows(table, order):
    return type(table)(**{f.name: getattr(table, f.name)[order] for f in dataclasses.fields(table)})


@pytest.mark.parametrize(
    "hint",
    [
        np.ndarray[tuple[int], np.dtype[np.float32]],  # what NDArray[np.float32] is up to numpy 2.4
        list[np.float32],  # from 2.5 on, an alias with the scalar alone
        np.float32,
    ],
)
def test_types_of_columns_are_found_however_numpy_writes_them(hint: Any) -> None:
    table = dataclasses.make_dataclass("SomeTable", [("x", hint)])
    assert column_types(table) == {"x": np.dtype("float32")}


@given(events(), st.sampled_from(["parquet", "csv", "csv.gz", "root"]))
@settings(deadline=None, max_examples=30)
def test_every_event_is_read_back_bit_for_bit(assert_same_event, event, form):
    with tempfile.TemporaryDirectory() as folder:
        if form == "parquet":
            write_event(event, folder)
        elif form == "root":
            pytest.importorskip("uproot", reason="the extra root is not installed")
            write_root(event, folder)
        else:
            write_trackml(event, folder, compress=form == "csv.gz")
        assert_same_event(read_event(folder), event)


@given(st.randoms(use_true_random=False), st.sampled_from(["parquet", "csv"]))
@settings(deadline=None, max_examples=20)
def test_the_order_of_rows_does_not_matter(assert_same_event, make_event, random, form):
    event = dataclasses.replace(make_event(seed=3), detector=None)
    shuffled = {}
    for name in ("hits", "cells", "particles", "truth"):
        table = getattr(event, name)
        order = list(range(len(table)))
        random.shuffle(order)
        shuffled[name] = _rows(table, np.array(order, int))
    write = write_event if form == "parquet" else write_trackml
    with tempfile.TemporaryDirectory() as folder:
        write(dataclasses.replace(event, **shuffled), folder)
        assert_same_event(read_event(folder), event)


def test_the_detector_comes_back_with_the_event(tmp_path, tiny_event, assert_same_event):
    write_event(tiny_event, tmp_path)
    write_detectors(tiny_event.detector, tmp_path)
    assert_same_event(read_event(tmp_path), tiny_event)


TABLE = from_json(
    {"name": "table:", "r": [0, 2000], "z": [-4000, 4000], "br": [[0, 0]] * 2, "bz": [[1, 2]] * 2},
    "a test",
)


@pytest.mark.parametrize("field", [solenoid(-0.5), constant(3.8), TABLE])
def test_the_field_comes_back_with_the_event_and_its_detector(tmp_path, tiny_event, field):
    detector = dataclasses.replace(tiny_event.detector, field=field)
    write_event(dataclasses.replace(tiny_event, field=field), tmp_path)
    write_detectors(detector, tmp_path)
    event = read_event(tmp_path)
    for kept in (event.field, event.detector.field):
        assert kept == field
        np.testing.assert_allclose(kept.at(700, 1300), field.at(700, 1300), rtol=1e-12)


def test_the_event_s_own_field_comes_before_that_of_its_detector(tmp_path, tiny_event):
    write_event(dataclasses.replace(tiny_event, field=constant(1)), tmp_path)
    write_detectors(dataclasses.replace(tiny_event.detector, field=solenoid()), tmp_path)
    event = read_event(tmp_path)
    assert event.field == event.likely_field == constant(1)
    assert event.detector.field == solenoid()


def test_an_event_that_tells_nothing_has_its_detector_s_field_else_trackml_s(tmp_path, tiny_event):
    write_event(tiny_event, tmp_path)
    write_detectors(tiny_event.detector, tmp_path)
    assert read_event(tmp_path).field is None
    assert read_event(tmp_path).likely_field == solenoid()
    write_detectors(dataclasses.replace(tiny_event.detector, field=constant(1)), tmp_path)
    assert read_event(tmp_path).field == constant(1)


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"pileup": 20.0}, constant(2)),  # from before the setting
        ({"pileup": 20.0, "field": 1.5}, constant(1.5)),  # when all fields were constant
        ({"pileup": 20.0, "field": "solenoid:0.9"}, solenoid(0.9)),
        ({"pileup": 20.0, "field": "table:0123456789abcdef"}, None),
    ],
)
def test_older_samples_tell_it_in_their_dataset_note(tmp_path, tiny_event, form, settings, field):
    write = write_event if form == "parquet" else write_trackml
    write(tiny_event, tmp_path)
    write_dataset_info(tmp_path, {"settings": settings})
    assert read_event(tmp_path).field == field


def test_a_field_that_cannot_be_is_refused_by_file(tmp_path, tiny_event):
    write_event(tiny_event, tmp_path, {"field": "somewhere/field.txt"})
    with pytest.raises(InputError, match=r"hits\.parquet: says that its magnetic field is 'some"):
        read_event(tmp_path)


def test_tables_of_an_earlier_event_of_that_name_are_gone(tmp_path, tiny_event, assert_same_event):
    write_event(tiny_event, tmp_path)
    bare = Event(tiny_event.name, tiny_event.hits)
    write_event(bare, tmp_path)
    assert_same_event(read_event(tmp_path), bare)


def test_dataset_info_comes_back_and_may_be_missing(tmp_path):
    assert read_dataset_info(tmp_path) == {}
    info = {"preset": "plain", "seed": 7, "generator": {"pileup": 20}}
    write_dataset_info(tmp_path, info)
    assert read_dataset_info(tmp_path) == info
    assert json.loads((tmp_path / "dataset.json").read_text()) == info


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[1]", "holds list where an object"),
        ("[" * 100_000, "is too deep"),
        ('{"preset": ["plain"]}', r'preset is \["plain"\] where a name is expected'),
        ('{"settings": 3}', "settings is 3 where an object"),
        ('{"seed": "7"}', 'seed is "7" where a whole number'),
        ('{"events": {}}', "events is {} where a list of numbers"),
    ],
)
def test_dataset_info_of_another_shape_is_refused(tmp_path, text, message):
    (tmp_path / "dataset.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=rf"dataset\.json: {message}"):
        read_dataset_info(tmp_path)


@pytest.mark.parametrize("name", ["constant:99", "solenoib", "detectors.csv", "constant:x"])
def test_a_field_that_cannot_be_costs_its_event_and_reads_no_file(tmp_path, tiny_event, name):
    write_event(tiny_event, tmp_path, {"settings": {"field": name}})
    with pytest.raises(InputError, match=r"hits\.parquet: .*field"):
        read_event(tmp_path)
    write_event(tiny_event, tmp_path, {"settings": {"field": "constant:1.5"}})
    assert read_event(tmp_path).likely_field.name == "constant:1.5"


def test_names_of_columns_that_are_no_text_are_refused(stored):
    data = stored.read_bytes()
    assert b"layer_id" in data
    stored.write_bytes(data.replace(b"layer_id", b"\xff\xfe\xfd\xfcr_id"))
    with pytest.raises(InputError, match=r"hits\.parquet: not a parquet file, or damaged"):
        read_event(stored)


@pytest.fixture
def stored(tmp_path, tiny_event) -> Path:
    """The hits file of a stored event."""
    write_event(tiny_event, tmp_path)
    return tmp_path / f"{tiny_event.name}.hits.parquet"


@pytest.mark.parametrize("keep", [0, 3, 200, -9])
def test_a_truncated_parquet_file_is_refused(stored, keep):
    stored.write_bytes(stored.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"hits\.parquet: not a parquet file, or damaged"):
        read_event(stored)


def test_a_flipped_bit_never_changes_an_event(stored, tiny_event, assert_same_event):
    bare = dataclasses.replace(tiny_event, detector=None)
    good = stored.read_bytes()
    refused = 0
    for place in range(0, len(good), 23):
        stored.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        try:
            assert_same_event(read_event(stored), bare)
        except InputError:
            refused += 1
    assert refused > len(good) / 23 / 3


def _rewrite(path: Path, **columns) -> None:
    """Replace columns of a parquet table, or drop them where None is given."""
    table = pa.parquet.read_table(path)
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if values is not None:
            table = table.add_column(place, name, pa.array(values))
    pa.parquet.write_table(table, path)


def test_missing_columns_are_named(stored):
    _rewrite(stored, x=None, layer_id=None)
    with pytest.raises(InputError, match=r"missing columns x, layer_id \(found: hit_id, y, z,"):
        read_event(stored)


def test_parquet_of_wider_types_is_read(stored, tiny_event, assert_same_event):
    hits = tiny_event.hits
    _rewrite(stored, x=hits.x.astype(float), volume_id=hits.volume_id.astype(float))
    _rewrite(stored, module_id=hits.module_id.astype(np.int64))
    event = dataclasses.replace(tiny_event, detector=None)
    assert_same_event(read_event(stored), event)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x", np.nan, r"row 3: column x is nan where a finite number"),
        ("z", np.inf, r"row 3: column z is inf where a finite number"),
        ("hit_id", None, r"row 3: column hit_id has no value"),
        ("module_id", 1.5, r"row 3: column module_id is 1\.5 where a 32-bit integer"),
        ("module_id", 2**40, r"row 3: column module_id is 1099511627776 where a number from 0"),
        ("module_id", 1e30, r"row 3: column module_id is 1e\+30 where a number from 0"),
        ("hit_id", 2.0**60, r"row 3: column hit_id is 1\.15.* where a 64-bit integer"),
    ],
)
def test_a_bad_value_is_named_with_row_and_column(stored, tiny_event, column, value, message):
    values = getattr(tiny_event.hits, column).tolist()
    values[2] = value
    if isinstance(value, float):
        values = [float(number) for number in values]
    _rewrite(stored, **{column: values})
    with pytest.raises(InputError, match=rf"hits\.parquet: {message}"):
        read_event(stored)


def test_text_where_numbers_belong_is_refused(stored, tiny_event):
    _rewrite(stored, y=[str(value) for value in tiny_event.hits.y])
    with pytest.raises(InputError, match="column y holds string values where a number"):
        read_event(stored)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, tiny_event, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(HitgraphError, match="disk is full"):
        write_event(tiny_event, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_the_middle_leaves_the_old_file(stored, tiny_event, monkeypatch):
    before = stored.read_bytes()

    def interrupted(self, data):
        with self.open("wb") as file:
            file.write(bytes(data)[:10])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_event(tiny_event, stored.parent)
    assert stored.read_bytes() == before
    assert not list(stored.parent.glob(".*"))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_reading_starts_no_threads(tmp_path: Path) -> None:
    """A thread of Arrow that is just starting aborts a process that ends (apache/arrow 34314)."""
    hits = HitTable(**{name: np.ones(1, kind) for name, kind in column_types(HitTable).items()})
    event = Event("event000000001", hits, None, None, None)
    write_event(event, tmp_path / "store")
    (tmp_path / "csv").mkdir()
    write_trackml(event, tmp_path / "csv")
    program = """
import os, sys
from hitgraph.event.source import read_event
read_event(sys.argv[1])
before = len(os.listdir("/proc/self/task"))
read_event(sys.argv[2])
print(before, len(os.listdir("/proc/self/task")))
"""
    folders = [str(tmp_path / "csv"), str(tmp_path / "store")]
    answer = subprocess.run(
        [sys.executable, "-c", program, *folders], capture_output=True, text=True, check=True
    )
    before, after = answer.stdout.split()
    assert before == after
