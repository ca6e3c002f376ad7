"""TrackML CSV: every form in the wild is read, everything wrong is named."""

import contextlib
import dataclasses
import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.event.trackml import write_detectors_csv, write_trackml
from hitgraph.event.truth import hit_weights


@pytest.fixture
def folder(tmp_path, tiny_event) -> Path:
    """A folder with one event as CSV, without detectors table."""
    write_trackml(tiny_event, tmp_path)
    return tmp_path


@pytest.fixture
def bare(tiny_event) -> Event:
    return dataclasses.replace(tiny_event, detector=None)


def _edit(folder: Path, table: str, *edits: tuple[str, str]) -> Path:
    """Replace text (regular expression, first place) in the CSV of a table."""
    (path,) = folder.glob(f"*-{table}.csv")
    text = path.read_text()
    for pattern, new in edits:
        changed = re.sub(pattern, new, text, count=1, flags=re.MULTILINE)
        assert changed != text, f"{pattern} is not in {path}"
        text = changed
    path.write_text(text)
    return path


def _lines(folder: Path, table: str) -> list[str]:
    (path,) = folder.glob(f"*-{table}.csv")
    return path.read_text().splitlines()


# ---------------------------------------------------------------- the real event


def test_the_real_event_is_read_as_it_stands(shared_data):
    event = read_event(shared_data / "trackml_sample")
    assert event.name == "event000000001"
    assert (event.n_hits, len(event.cells), len(event.particles)) == (5527, 18564, 548)
    assert event.detector.n_modules == 18728
    hits, truth = event.hits, event.truth
    assert (hits.hit_id[0], hits.x[0], hits.module_id[0]) == (6, np.float32(-76.566), 1)
    # more digits than a float holds
    assert truth.particle_id[2] == 621497641930326016
    assert event.particles.particle_id[0] == 4505867370102784
    assert event.particles.particle_type[0] == -211
    assert 0.0 < truth.weight.sum() < 0.1  # thinned to 5 % of its particles
    assert (np.diff(hits.hit_id) > 1).any()
    # a hit lies on its module: within the thickness along the normal
    module = event.detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    offset = np.stack([hits.x, hits.y, hits.z], axis=1) - event.detector.centre[module]
    local = np.einsum("nij,ni->nj", event.detector.rotation[module], offset)
    assert np.abs(local[:, 2]).max() < 0.2
    assert (np.abs(local[:, 1]) < event.detector.half_v[module] + 1).all()


def test_the_real_event_survives_both_formats(shared_data, tmp_path, assert_same_event):
    event = read_event(shared_data / "trackml_sample")
    write_trackml(event, tmp_path, compress=True)
    write_detectors_csv(event.detector, tmp_path / "detectors.csv.gz")
    assert_same_event(read_event(tmp_path), event)


# ---------------------------------------------------------------- forms in the wild


@pytest.mark.parametrize("table", ["cells", "truth", "particles"])
def test_a_missing_table_is_none(folder, bare, table, assert_same_event):
    next(folder.glob(f"*-{table}.csv")).unlink()
    assert_same_event(read_event(folder), dataclasses.replace(bare, **{table: None}))


def test_hits_alone_are_an_event(folder, bare, assert_same_event):
    for table in ("cells", "truth", "particles"):
        next(folder.glob(f"*-{table}.csv")).unlink()
    assert_same_event(read_event(folder), Event(bare.name, bare.hits))


def test_particle_type_may_be_missing(folder, bare):
    (path,) = folder.glob("*-particles.csv")
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert rows[0][1] == "particle_type"
    path.write_text("\n".join(",".join([row[0], *row[2:]]) for row in rows))
    particles = read_event(folder).particles
    assert not particles.particle_type.any()
    np.testing.assert_array_equal(particles.px, bare.particles.px)


def _dress(path: Path, change) -> None:
    """Apply `change(row, cells) -> cells` to each line of a CSV; row 0 is the header."""
    lines = path.read_text().splitlines()
    rows = [change(row, line.split(",")) for row, line in enumerate(lines)]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda row, cells: ["" if row == 0 else str(row - 1), *cells],
        lambda row, cells: [*cells, "note" if row == 0 else "any text"],
        lambda row, cells: ["" if row == 0 else "1", *cells, "" if row == 0 else "2"],
        lambda _, cells: cells[::-1],
        lambda row, cells: [f'"{cell}"' for cell in cells] if row == 0 else cells,
        lambda _, cells: [f" {cell} " for cell in cells],
        lambda row, cells: ["\ufeff" + cells[0], *cells[1:]] if row == 0 else cells,
        lambda _, cells: [*cells[:-1], cells[-1] + "\r"],
        lambda _, cells: [*cells[:-1], cells[-1] + "\n"],
    ],
    ids=["index", "extra", "two unnamed", "reordered", "quoted", "spaces", "BOM", "CRLF", "blank"],
)
@pytest.mark.parametrize("table", ["hits", "truth"])
def test_dressed_up_tables_are_read(folder, bare, table, change, assert_same_event):
    _dress(next(folder.glob(f"*-{table}.csv")), change)
    assert_same_event(read_event(folder), bare)


def test_lines_that_end_as_on_an_old_mac_are_read(folder, bare, assert_same_event):
    for path in folder.glob("*.csv"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    assert_same_event(read_event(folder), bare)


def _without_column(folder: Path, table: str, name: str) -> None:
    (path,) = folder.glob(f"*-{table}.csv")
    at = path.read_text().splitlines()[0].split(",").index(name)
    _dress(path, lambda _, cells: cells[:at] + cells[at + 1 :])


@pytest.mark.parametrize("lack", ["no column", "nan", ""])
def test_weights_that_are_not_there_are_computed(folder, bare, lack):
    if lack == "no column":
        _without_column(folder, "truth", "weight")
    else:
        _dress(
            next(folder.glob("*-truth.csv")),
            lambda row, cells: cells if row == 0 else [*cells[:-1], lack],
        )
    truth = read_event(folder).truth
    np.testing.assert_array_equal(truth.weight, hit_weights(bare))
    assert truth.weight.sum() == pytest.approx(1)
    next(folder.glob("*-particles.csv")).unlink()  # which the weights depend on
    assert not read_event(folder).truth.weight.any()


def test_the_number_of_hits_of_a_particle_may_be_missing(folder, bare):
    _without_column(folder, "particles", "nhits")
    np.testing.assert_array_equal(read_event(folder).particles.px, bare.particles.px)


def test_hits_without_cells_are_counted_in_a_warning(folder, bare, caplog):
    path = next(folder.glob("*-cells.csv"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[: len(lines) // 2]) + "\n")
    without = len(
        set(bare.hits.hit_id)
        - {int(line.split(",")[0]) for line in path.read_text().splitlines()[1:]}
    )
    assert 5 < without < 20
    caplog.clear()
    read_event(folder)
    (record,) = caplog.records
    assert f"{bare.name}: {without} of 24 hits" in record.message
    assert "have no cells in" in record.message
    assert str(path) in record.message


@pytest.mark.parametrize(
    ("table", "name", "damaged"),
    [("particles", "particle_type", "particle_t9pe"), ("truth", "weight", "weights")],
)
def test_a_column_that_may_be_missing_is_not_lost_by_a_damaged_name(folder, table, name, damaged):
    _edit(folder, table, (name, damaged))
    with pytest.raises(InputError, match=rf"'{damaged}' is not known and column {name} is missing"):
        read_event(folder)


def test_a_last_line_without_end_is_said(folder, caplog):
    path = next(folder.glob("*-cells.csv"))
    path.write_text(path.read_text()[:-1])
    read_event(folder)
    assert f"{path}: the last line has no end" in caplog.text


def test_all_hits_with_cells_are_not_spoken_of(folder, caplog):
    read_event(folder)
    assert not caplog.records


def test_ids_written_as_floats_are_read(folder, bare, assert_same_event):
    def as_floats(row, cells):
        return cells if row == 0 else [cells[0] + ".0", *cells[1:4], *(c + ".0" for c in cells[4:])]

    _dress(next(folder.glob("*-hits.csv")), as_floats)
    assert_same_event(read_event(folder), bare)


def test_a_gz_by_content_whatever_its_name(folder, bare, assert_same_event):
    path = next(folder.glob("*-hits.csv"))
    path.write_bytes(gzip.compress(path.read_bytes()))
    path = next(folder.glob("*-truth.csv"))
    path.rename(path.with_name(path.name + ".gz"))  # plain text that calls itself .gz
    assert_same_event(read_event(folder), bare)


def test_thinned_events_keep_gaps_and_weights(folder, bare):
    def without(table, dropped):
        (path,) = folder.glob(f"*-{table}.csv")
        lines = path.read_text().splitlines()
        kept = [line for line in lines if line.split(",")[0] not in dropped]
        path.write_text("\n".join(kept) + "\n")

    for table in ("hits", "cells", "truth"):
        without(table, {"1", "2", "7"})
    event = read_event(folder)
    kept = ~np.isin(bare.hits.hit_id, [1, 2, 7])
    np.testing.assert_array_equal(event.hits.hit_id, bare.hits.hit_id[kept])
    np.testing.assert_array_equal(event.truth.weight, bare.truth.weight[kept])


def test_one_hit_is_an_event(folder):
    for table in ("hits", "truth"):
        (path,) = folder.glob(f"*-{table}.csv")
        path.write_text("\n".join(path.read_text().splitlines()[:2]))
    next(folder.glob("*-cells.csv")).write_text("hit_id,ch0,ch1,value\n")
    event = read_event(folder)
    assert (event.n_hits, len(event.cells), len(event.truth)) == (1, 0, 1)


def test_noise_alone_is_an_event(make_event, tmp_path, assert_same_event):
    event = make_event(n_particles=0, n_noise=6)
    write_trackml(event, tmp_path)
    write_detectors_csv(event.detector, tmp_path / "detectors.csv")
    assert_same_event(read_event(tmp_path), event)


def test_rewriting_in_another_form_leaves_one_form(folder, make_event, assert_same_event):
    changed = dataclasses.replace(make_event(n_noise=1), detector=None)
    write_trackml(changed, folder, compress=True)
    assert_same_event(read_event(folder), changed)


def test_writing_twice_gives_the_same_bytes(tmp_path, tiny_event):
    for name in ("one", "two"):
        write_trackml(tiny_event, tmp_path / name, compress=True)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


# ---------------------------------------------------------------- bad input

BAD_VALUES = [
    # table, edit of the text, what the message has to say
    ("hits", (r"hit_id,x,y", "hit_id,a,b"), r"missing columns x, y \(found: hit_id, a, b, z"),
    ("truth", (r"tpz", "w"), r"missing column tpz \("),
    ("hits", (r"^hit_id,x,y,z", "hit_id,x,y,y"), r"missing column z"),
    ("hits", (r"layer_id", "x"), r"missing column layer_id"),
    ("hits", (r"^(3),[^,]+", r"\1,nan"), r"row 3 \(line 4\): column x has no value .*or NaN"),
    ("hits", (r"^(3),[^,]+", r"\1,"), r"row 3 \(line 4\): column x has no value"),
    ("hits", (r"^(3),[^,]+", r"\1,inf"), r"row 3 \(line 4\): column x is inf where a finite"),
    ("hits", (r"^(3),[^,]+", r"\1,-1e99"), r"row 3 \(line 4\): column x is -inf where a finite"),
    ("hits", (r"^(3),[^,]+", r"\1,left"), r"row 3 \(line 4\): column x is 'left' where a number"),
    ("hits", (r"^(3),[^,]+", r"\1,1_0"), r"row 3 \(line 4\): column x is '1_0' where a number"),
    ("hits", (r"[^,]+$\n(4),", r"9.5\n\1,"), r"row 3 \(line 4\): column module_id is '9\.5'"),
    ("hits", (r"[^,]+$\n(4),", r"99999999999\n\1,"), r"column module_id is '99999999999' where"),
    ("hits", (r"^4,", "3,"), r"row 4 \(line 5\): hit_id 3 is already in row 3"),
    ("hits", (r"^(4,.*)$", r"\1,0"), r"line 5 has 8 values where the first line names 7 columns"),
    ("hits", (r"^(4),[^,]+", r"\1"), r"line 5 has 6 values .* cut short"),
    ("cells", (r"^4,", "4000,"), r"row \d+ \(line \d+\): hit_id 4000 is not in the table of hits"),
    ("cells", (r"^(4),\d+", r"\1,-1"), r"column ch0 is -1 where a channel number from 0"),
    ("cells", (r"^(4,\d+),\d+", r"\1,9999999"), r"column ch1 is 9999999 where a channel number"),
    ("truth", (r"^4,", "4000,"), r"row 4 \(line 5\): hit_id 4000 is not in the table of hits"),
    ("truth", (r"^4,", "3,"), r"row 4 \(line 5\): hit_id 3 is already in row 3"),
    ("truth", (r"^4,.*\n", ""), r"no truth for 1 of 24 hits .*hit_id 4\)"),
    (
        "truth",
        (r"^(4),\d+", r"\g<1>,77"),
        r"row 4 \(line 5\): particle_id 77 is not in .*particles",
    ),
    ("truth", (r"^(4),\d+", r"\1,4.5e17"), r"particle_id is '4\.5e17' .*digits were lost"),
    ("truth", (r"^4,\d+", "4,-1"), r"particle_id -1 is not .*: if it stands for noise, write 0"),
    ("truth", (r"^4,\d+", f"4,{2**63 + 5}"), r"'9223372036854775813' .*does not fit; .*unsigned"),
    (
        "particles",
        (r"^\d\d+,", "0,"),
        r"row 1 .*: particle_id is 0, .* noise .*add 1 to particle_id",
    ),
    # ranges
    (
        "hits",
        (r"^(3),[^,]+", r"\1,1e30"),
        r"row 3 \(line 4\): column x is 1e\+30 where a length in mm",
    ),
    (
        "hits",
        (r"(?:,\d+){3}$\n4,", ",16777224,2,1\n4,"),
        r"row 3 .*volume_id is 16777224 where a num",
    ),
    (
        "hits",
        (r"(?:,\d+){3}$\n4,", ",8,2,-1\n4,"),
        r"row 3 .*module_id is -1 where a number from 0",
    ),
    ("cells", (r"^(4,\d+,\d+),.*", r"\1,1e30"), r"value is 1e\+30 where a charge"),
    (
        "particles",
        (r"^(\d+,[-\d]+),[^,]+", r"\1,-1e8"),
        r"row 1 .*vx is -1e\+08 where a length in mm",
    ),
    (
        "particles",
        (r",(-?1),4$", r",999,4"),
        r"row 1 .*column q is 999 where a charge in elementary",
    ),
    *(
        (
            "particles",
            (r",(-?1),4$", f",{charge},4"),
            rf"row 1 .*column q is '{re.escape(charge)}' where a charge in elementary .*correct or",
        )
        for charge in ("1e30", "-4e9", "99999999999999999999", "1e400")
    ),
    ("truth", (r"^(4,\d+),[^,]+", r"\1,2e5"), r"row 4 .*tx is 200000.0 where a length in mm"),
    ("truth", (r"[^,]+$\n5,", "-0.1\n5,"), r"row 4 .*weight is -0.1 where a weight from 0"),
    ("truth", (r"[^,]+$\n5,", "nan\n5,"), r"row 4 .*weight is nan where a weight \(or none in any"),
    ("particles", (r"^(\d\d+),(.*)$", r"\1,\2\n\1,\2"), r"row 2 .*particle_id \d+ is already"),
]


@pytest.mark.parametrize(("table", "edit", "message"), BAD_VALUES)
def test_a_bad_table_is_named_with_row_and_column(folder, table, edit, message):
    path = _edit(folder, table, edit)
    with pytest.raises(InputError, match=message) as caught:
        read_event(folder)
    assert path.name in str(caught.value)


def test_a_line_is_counted_as_an_editor_counts_it(folder):
    path = _edit(folder, "hits", (r"^(3),[^,]+", r"\1,left"))
    header, *rows = path.read_text().splitlines()
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(end.join([header, "", *rows[:2], "", "", *rows[2:], ""]).encode())
        with pytest.raises(InputError, match=r"row 3 \(line 7\): column x is 'left'"):
            read_event(folder)


def test_a_message_repeats_no_more_than_the_start_of_a_file(folder):
    path = next(folder.glob("*-hits.csv"))
    text = path.read_text()
    for broken in (text.replace("\n", " "), "x" * 99_999 + "\n1", text + "7" * 99_999):
        path.write_text(broken)
        with pytest.raises(InputError) as caught:
            read_event(folder)
        assert len(str(caught.value)) < 1500


def test_a_column_that_is_there_twice_is_refused(folder):
    _dress(next(folder.glob("*-hits.csv")), lambda _, cells: [*cells, cells[1]])
    with pytest.raises(InputError, match="column x is there 2 times"):
        read_event(folder)


def test_hits_cut_down_to_their_header_are_noticed(folder):
    path = next(folder.glob("*-hits.csv"))
    path.write_text(path.read_text().splitlines()[0])
    with pytest.raises(InputError, match=r"hit_id 1 is not in the table of hits .*same event"):
        read_event(folder)


def test_an_event_without_hits_is_an_event(folder, caplog):
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text().splitlines()[0])
    event = read_event(folder)
    assert (event.n_hits, len(event.cells), len(event.truth), len(event.particles)) == (0, 0, 0, 0)
    assert "has no hits" in caplog.text


def test_an_empty_file_is_refused(folder):
    next(folder.glob("*-hits.csv")).write_text("")
    with pytest.raises(InputError, match=r"missing columns hit_id, x, .*found: nothing"):
        read_event(folder)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_that_is_not_utf8_is_refused(folder, encoding):
    path = next(folder.glob("*-hits.csv"))
    path.write_bytes(path.read_text().replace("\n", ",é\n").encode(encoding))
    with pytest.raises(InputError, match="line 1 is not UTF-8 text"):
        read_event(folder)


@pytest.mark.parametrize("keep", [5, 100, -5])
def test_a_truncated_gz_is_refused(folder, keep):
    path = next(folder.glob("*-hits.csv"))
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes())[:keep])
    path.unlink()
    with pytest.raises(InputError, match=r"hits\.csv\.gz: damaged or cut short"):
        read_event(folder)


def test_a_corrupted_gz_is_refused(folder):
    path = next(folder.glob("*-hits.csv"))
    data = bytearray(gzip.compress(path.read_bytes()))
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"hits\.csv: damaged or cut short"):
        read_event(folder)


def test_hits_on_modules_that_the_detector_lacks_are_refused(folder, tiny_event):
    detector = tiny_event.detector
    keep = detector.layer_id != 4
    fewer = detector.take(keep)
    write_detectors_csv(fewer, folder / "detectors.csv")
    with pytest.raises(
        InputError,
        match=r"row \d+ \(line \d+\): module \(volume 8, layer 4, module \d+\) is not in the "
        r"detectors table .*--detectors",
    ):
        read_event(folder)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100)
def test_no_bytes_at_all_give_a_traceback(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "event1-hits.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=re.escape(path.name)):
        read_event(path)


@given(st.text("0123456789,.\n\"' eE+-nai#", max_size=80))
@settings(deadline=None, max_examples=100)
def test_no_text_below_the_header_gives_a_traceback(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "event2-hits.csv"
    path.write_text("hit_id,x,y,z,volume_id,layer_id,module_id\n" + text)
    with contextlib.suppress(InputError):
        assert read_event(path).n_hits == sum(bool(line.strip()) for line in text.splitlines())
