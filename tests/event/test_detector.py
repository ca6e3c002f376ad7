"""The module table: the copies in the wild, its indices, and what makes no sense."""

import dataclasses
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event.detector import Detector
from hitgraph.event.modules import read_detectors
from hitgraph.event.store import write_detectors
from hitgraph.event.trackml import write_detectors_csv


@pytest.fixture
def detector(tiny_event) -> Detector:
    return tiny_event.detector


@pytest.fixture
def table(tmp_path, detector) -> Path:
    path = tmp_path / "detectors.csv"
    write_detectors_csv(detector, path)
    return path


def _change(path: Path, change) -> None:
    """Apply `change(row, cells) -> cells` to each line of a CSV; row 0 is the header."""
    lines = path.read_text().splitlines()
    rows = [change(row, line.split(",")) for row, line in enumerate(lines)]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


def _at(row: int, column: int, value: str):
    """A change of one cell."""
    return lambda r, cells: [*cells[:column], value, *cells[column + 1 :]] if r == row else cells


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.parquet"])
def test_a_table_comes_back(tmp_path, detector, name):
    write = write_detectors if name.endswith("parquet") else write_detectors_csv
    write(detector, tmp_path / name)
    assert read_detectors(tmp_path / name).same_as(detector)


@pytest.mark.parametrize(
    "change",
    [
        lambda row, cells: ["" if row == 0 else str(row - 1), *cells],
        lambda row, cells: cells if row == 0 else [*(f"{c}.0" for c in cells[:3]), *cells[3:]],
        lambda row, cells: [*cells, "cell_name" if row == 0 else "pixel"],
        lambda _, cells: cells[::-1],
    ],
    ids=["index column", "ids as floats", "extra field", "other order of columns"],
)
def test_the_kaggle_and_codalab_forms_are_read(table, detector, change):
    _change(table, change)
    assert read_detectors(table).same_as(detector)


def test_the_order_of_rows_does_not_change_module_indices(table, detector):
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, *rows[::-1]]))
    assert read_detectors(table).same_as(detector)


def test_a_table_in_a_zip(table, detector):
    path = table.with_name("detectors.zip")
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(table, "trackml/detectors.csv")
    assert read_detectors(path).same_as(detector)
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(table, "other.csv")
    with pytest.raises(InputError, match="holds 0 detectors tables where one is expected"):
        read_detectors(path)


def test_the_real_table_makes_sense(shared_data):
    detector = read_detectors(shared_data / "trackml_sample" / "detectors.csv.gz")
    assert detector.n_modules == 18728
    assert sorted(set(detector.volume_id.tolist())) == [7, 8, 9, 12, 13, 14, 16, 17, 18]
    assert detector.n_layers == 48
    # local axes are right handed, and w points along or against the normal of the layer
    np.testing.assert_allclose(np.linalg.det(detector.rotation), 1, atol=1e-4)
    barrel = np.isin(detector.volume_id, [8, 13, 17])
    radial = np.hypot(detector.rotation[:, 0, 2], detector.rotation[:, 1, 2])
    assert radial[barrel].min() > 0.9
    assert radial[~barrel].max() < 1e-3


def test_each_module_finds_itself_and_its_layer(detector):
    rows = np.random.default_rng(0).permutation(detector.n_modules)
    ids = detector.volume_id[rows], detector.layer_id[rows], detector.module_id[rows]
    np.testing.assert_array_equal(detector.module_index(*ids), rows)
    keys = detector.layer_keys[detector.layer]
    np.testing.assert_array_equal(keys[:, 0], detector.volume_id)
    np.testing.assert_array_equal(keys[:, 1], detector.layer_id)


def test_a_reflection_is_no_rotation(table):
    def mirrored(row, cells):
        if row != 5:
            return cells
        turned = [str(-float(cell)) for cell in cells[6:15:3]]  # the u axis
        return [
            *cells[:6],
            *(t if k % 3 == 0 else c for k, c in enumerate(cells[6:15]) for t in [turned[k // 3]]),
            *cells[15:],
        ]

    _change(table, mirrored)
    with pytest.raises(
        InputError, match=r"row 5 \(line 6\): .*module 5\) are a reflection .*\(1 such modules\)"
    ):
        read_detectors(table)


@pytest.mark.parametrize("spill", [(2**24, 0, 0), (-(2**24), 0, 0), (-1, 2**20, 0), (0, -1, 2**20)])
def test_an_id_beyond_its_bits_is_no_other_module(detector, spill):
    ids = [
        np.array([values[0], values[0] + more], np.int64)
        for values, more in zip(
            (detector.volume_id, detector.layer_id, detector.module_id), spill, strict=True
        )
    ]
    np.testing.assert_array_equal(detector.find_modules(*ids), [0, -1])


def test_pitches_may_be_unknown_until_cells_are_measured(table, detector):
    _change(table, lambda row, cells: cells if row == 0 else [*cells[:19], "-1", "-1"])
    unknown = read_detectors(table)
    assert set(unknown.pitch_u) == set(unknown.pitch_v) == {-1.0}
    detector.require_pitches("event1")
    with pytest.raises(
        InputError, match=rf"event1: .*no pitch for {detector.n_modules} of .*fill in"
    ):
        unknown.require_pitches("event1")


def test_an_unknown_module_is_minus_one_or_an_error(detector):
    ids = [np.array([8, 8], np.int32), np.array([2, 3], np.int32), np.array([1, 1], np.int32)]
    np.testing.assert_array_equal(detector.find_modules(*ids), [0, -1])
    with pytest.raises(InputError, match=r"hit 2: module \(volume 8, layer 3, module 1\) is not"):
        detector.module_index(*ids)


def test_same_as_sees_one_number(detector):
    moved = detector.centre.copy()
    moved[3, 1] += 1e-3
    assert not detector.same_as(dataclasses.replace(detector, centre=moved))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_at(0, 3, "c"), r"missing column cx \("),
        (_at(5, 3, "nan"), r"row 5 \(line 6\): column cx has no value"),
        (_at(5, 3, "here"), r"row 5 \(line 6\): column cx is 'here' where a number"),
        (_at(5, 6, "0.5"), r"row 5 \(line 6\): .*module \(volume 8, layer 2, module 5\) are not a"),
        (_at(5, 2, "4"), r"row 5 \(line 6\): module \(volume 8, layer 2, module 4\) is already in"),
        (_at(5, 2, "-4"), r"row 5 \(line 6\): column module_id is -4 where 0 to"),
        (_at(5, 0, "7.5"), r"row 5 \(line 6\): column volume_id is '7\.5' where a 32-bit integer"),
        (_at(5, 19, "0"), r"row 5 \(line 6\): column pitch_u is 0\.0 where a length above 0"),
        (_at(5, 20, "-2"), r"row 5 \(line 6\): column pitch_v is -2\.0 where a length above 0"),
        (
            _at(5, 16, "-1"),
            r"row 5 \(line 6\): column module_minhu is -1\.0 where a length above 0",
        ),
        (_at(5, 15, "1e6"), r"row 5 \(line 6\): column module_t is 1000000\.0 where .* 10 m"),
        (_at(5, 19, "2e4"), r"row 5 \(line 6\): column pitch_u is 20000\.0 where .* 10 m"),
        (_at(5, 4, "-1e6"), r"row 5 \(line 6\): column cy is -1000000\.0 where .* 100 m"),
        (_at(5, 6, "1e300"), r"row 5 \(line 6\): .* are not a rotation"),
        (lambda row, cells: cells if row == 0 else [""], r"has no modules"),
    ],
)
def test_a_bad_table_is_named_with_row_and_column(table, change, message):
    _change(table, change)
    with pytest.raises(InputError, match=message) as caught:
        read_detectors(table)
    assert re.search(r"detectors\.csv", str(caught.value))
