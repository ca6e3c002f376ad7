"""Events in the CSV files of ACTS: as its writers leave them, and every way they can be wrong."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.acts_samples import write_acts_csv

from hitgraph.cli import main
from hitgraph.errors import InputError
from hitgraph.event.acts_modules import module_ids
from hitgraph.event.event import Event
from hitgraph.event.source import list_events, read_event

SameEvent = Callable[[Event, Event], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    folder = tmp_path_factory.mktemp("acts")
    write_acts_csv(folder, events=2)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_measurement_cell_and_particle_is_there(folder: Path) -> None:
    event = read_event(folder / "event000000001")
    measurements = rows(folder / "event000000001-measurements.csv")
    cells = rows(folder / "event000000001-cells.csv")
    particles = rows(folder / "event000000001-particles_simulated.csv")
    assert event.hits.hit_id.tolist() == [int(row["measurement_id"]) + 1 for row in measurements]
    assert event.hits.x.tolist() == [np.float32(row["global_x"]) for row in measurements]
    assert event.cells is not None
    assert sorted(zip(event.cells.hit_id, event.cells.ch0, event.cells.ch1, strict=True)) == sorted(
        (int(row["measurement_id"]) + 1, int(row["channel0"]), int(row["channel1"]))
        for row in cells
    )
    assert event.cells.value.sum() == pytest.approx(sum(float(row["value"]) for row in cells))
    assert event.particles is not None
    assert sorted(event.particles.px.tolist()) == sorted(np.float32(r["px"]) for r in particles)
    assert event.particles.nhits.sum() == event.n_hits


def test_truth_is_where_and_whose_the_hit_is(folder: Path) -> None:
    event = read_event(folder / "event000000000")
    assert event.truth is not None
    assert event.particles is not None
    hits = np.stack([event.hits.x, event.hits.y, event.hits.z], 1)
    truth = np.stack([event.truth.tx, event.truth.ty, event.truth.tz], 1)
    assert np.median(np.linalg.norm(hits - truth, axis=1)) < 0.2  # mm
    assert np.linalg.norm(hits - truth, axis=1).max() < 6  # half a long strip
    assert (event.truth.particle_id > 0).all()
    row = np.searchsorted(event.particles.particle_id, event.truth.particle_id)
    born = np.hypot(event.particles.px, event.particles.py)[row]
    here = np.hypot(event.truth.tpx, event.truth.tpy)
    assert np.median(np.abs(here / born - 1)) < 0.01  # momentum changes little on the way
    assert event.truth.weight.sum() == pytest.approx(1)


def test_modules_are_those_of_trackml(folder: Path) -> None:
    event = read_event(folder / "event000000000")
    assert event.detector is not None
    assert event.detector.n_modules == 18_728
    module = event.detector.module_index(
        event.hits.volume_id, event.hits.layer_id, event.hits.module_id
    )
    position = np.stack([event.hits.x, event.hits.y, event.hits.z], 1)
    local = np.einsum(
        "nji,nj->ni",
        event.detector.rotation[module],
        position - event.detector.centre[module],
    )
    assert np.abs(local[:, 2]).max() < 1e-3
    assert (np.abs(local[:, 1]) <= event.detector.half_v[module]).all()


def test_the_table_of_acts_is_that_of_the_simulation(folder: Path) -> None:
    from hitgraph.acts.geometry import generic_geometry
    from hitgraph.event.modules import read_detectors

    written, built = read_detectors(folder / "detectors.csv"), generic_geometry().table
    for name in ("volume_id", "layer_id", "module_id"):
        assert np.array_equal(getattr(written, name), getattr(built, name))
    for name in ("centre", "rotation", "half_thickness", "max_half_u", "half_v", "pitch_u"):
        np.testing.assert_allclose(getattr(written, name), getattr(built, name), atol=1e-4)


@pytest.mark.parametrize("to", ["trackml", "parquet"])
def test_converted_and_read_again_it_is_the_same(
    folder: Path, to: str, tmp_path: Path, assert_same_event: SameEvent
) -> None:
    assert main(["convert", str(folder), "--to", to, "--out", str(tmp_path), "--quiet"]) == 0
    converted = list_events([tmp_path])
    assert [source.name for source in converted] == ["event000000000", "event000000001"]
    for source, original in zip(converted, list_events([folder]), strict=True):
        assert_same_event(source.read(), original.read())


def test_one_file_of_the_event_names_it(folder: Path) -> None:
    for file in ("measurements", "cells", "measurement-simhit-map", "particles_simulated"):
        (source,) = list_events([folder / f"event000000001-{file}.csv"])
        assert source.name == "event000000001"


def test_without_clusters_positions_come_from_the_table(tmp_path: Path) -> None:
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    bare = tmp_path / "bare"
    write_acts_csv(bare, clusters=False)
    event = read_event(bare)
    assert event.cells is None
    assert event.truth is not None
    hits = np.stack([event.hits.x, event.hits.y, event.hits.z], 1)
    truth = np.stack([event.truth.tx, event.truth.ty, event.truth.tz], 1)
    assert np.linalg.norm(hits - truth, axis=1).max() < 6  # mm
    (bare / "detectors.csv").unlink()
    with pytest.raises(InputError, match=r"no global positions.*--detectors"):
        read_event(bare)


@given(st.integers(0, 255), st.integers(0, 2**12 - 1), st.integers(0, 2**20 - 1))
def test_identifiers_are_taken_apart(volume: int, layer: int, module: int) -> None:
    packed = np.array([(volume << 56) | (layer << 36) | (module << 8)], np.uint64)
    assert [int(part[0]) for part in module_ids(packed)] == [volume, layer, module]


# ---------------------------------------------------------------- written by hand


def geometry_id(layer: int) -> int:
    return (20 << 56) | (layer << 36) | (1 << 8)


def write_by_hand(folder: Path, **changed: str) -> Path:
    """Two hits of one particle, a merged one, and one of nobody; `changed` replaces files."""
    barcode = "particle_id_pv,particle_id_sv,particle_id_part,particle_id_gen,particle_id_subpart"
    momentum = "tx,ty,tz,tt,tpx,tpy,tpz,te"
    files = {
        "measurements": "measurement_id,geometry_id,local0,local1,global_x,global_y,global_z\n"
        + "".join(f"{k},{geometry_id(k)},0,0,{k + 1},0,0\n" for k in range(4)),
        "measurement-simhit-map": "measurement_id,hit_id\n0,0\n1,1\n2,3\n2,2\n",
        "simhits": f"{barcode},geometry_id,{momentum}\n"
        f"1,0,5,0,0,{geometry_id(0)},1,0,0,0,1,0,0,1\n1,0,5,0,0,{geometry_id(1)},2,0,0,0,1,0,0,1\n"
        f"1,0,5,0,0,{geometry_id(2)},3,0,0,0,1,0,0,1\n1,0,6,0,0,{geometry_id(2)},3,0,0,0,2,0,0,2\n",
        "particles": f"{barcode},particle_type,process,vx,vy,vz,vt,px,py,pz,m,q\n"
        "1,0,5,0,0,211,0,0,0,0,0,1,0,0,0.14,1\n1,0,6,0,0,13,0,0,0,0,0,2,0,0,0.1,-1\n",
    }
    folder.mkdir(exist_ok=True)
    for name, text in (files | {k.replace("_", "-"): v for k, v in changed.items()}).items():
        (folder / f"event000000003-{name}.csv").write_text(text)
    return folder


def test_noise_and_merged_measurements(tmp_path: Path) -> None:
    event = read_event(write_by_hand(tmp_path))
    assert event.truth is not None
    assert event.particles is not None
    first, second = (1 << 52) | (5 << 24), (1 << 52) | (6 << 24)
    assert event.truth.particle_id.tolist() == [first, first, second, 0]
    assert event.particles.nhits.tolist() == [2, 1]
    assert event.particles.q.tolist() == [1, -1]


def test_one_number_as_older_versions_write_it(tmp_path: Path) -> None:
    write_by_hand(tmp_path)
    for name in ("simhits", "particles"):
        path = tmp_path / f"event000000003-{name}.csv"
        lines = path.read_text().splitlines()
        named = ["particle_id," + lines[0].split(",", 5)[5]]
        old = [f"{10 + int(line.split(',')[2])},{line.split(',', 5)[5]}" for line in lines[1:]]
        path.write_text("\n".join(named + old) + "\n")
    event = read_event(tmp_path)
    assert event.truth is not None
    assert event.truth.particle_id.tolist() == [15, 15, 16, 0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"measurement_simhit_map": "measurement_id,hit_id\n0,2\n"},
            r"map\.csv: row 1 \(line 2\): hit_id 2 is no row .* on the module",
        ),
        ({"measurement_simhit_map": "measurement_id,hit_id\n0,9\n"}, "hit_id 9 is no row"),
        (
            {"cells": "measurement_id,channel0,channel1,timestamp,value\n9,0,0,0,1\n"},
            "hit_id 10 is not in the table of hits",
        ),
        (
            {"measurements": "measurement_id,geometry_id\n0,1\n"},
            r"measurements\.csv: missing columns local0, local1",
        ),
        (
            {"particles": "particle_type,vx,vy,vz,px,py,pz,q\n211,0,0,0,1,0,0,1\n"},
            "neither a column particle_id nor particle_id_pv",
        ),
        (
            {
                "particles": "particle_id_pv,particle_id_part,particle_type,vx,vy,vz,px,py,pz,q\n"
                "2048,1,211,0,0,0,1,0,0,1\n"
            },
            "particle_id_pv is 2048 where a number from 0 to 2047",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_event(write_by_hand(tmp_path, **changed))


def test_a_table_of_another_detector_is_refused(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "detectors.csv").read_text().splitlines()
    columns = lines[0].split(",")
    at = columns.index("cx")
    moved = [lines[0]]
    for line in lines[1:]:
        values = line.split(",")
        values[at] = str(float(values[at]) + 5)
        moved.append(",".join(values))
    table = tmp_path / "detectors.csv"
    table.write_text("\n".join(moved) + "\n")
    with pytest.raises(InputError, match=r"mm beside its module .* --detectors"):
        list_events([folder], detectors=table)[0].read()


# ---------------------------------------------------------------- as others leave them


def edited(folder: Path, table: str, change: Callable[[list[str]], list[str]]) -> Path:
    """The folder of `write_by_hand` with the lines of one of its tables changed."""
    path = write_by_hand(folder) / f"event000000003-{table}.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    return folder


def with_value(row: int, column: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return change


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("measurements", with_value(2, 4, "nan"), r"row 2 \(line 3\): column global_x is nan"),
        ("measurements", with_value(2, 4, "inf"), r"row 2 \(line 3\): column global_x is inf"),
        ("measurements", with_value(2, 5, "1e39"), r"row 2 .*: column y is inf where a length"),
        ("measurements", with_value(2, 5, "1e9"), r"row 2 .*: column y is 1e\+09 where a length"),
        ("measurements", with_value(2, 0, "-7"), r"row 2 .*: column measurement_id is -7 where"),
        ("measurements", with_value(2, 0, str(2**63 - 1)), r"measurement_id is 922337203685477580"),
        ("measurements", with_value(2, 1, "-1"), r"geometry_id is '-1' where an unsigned 64-bit"),
        ("measurements", with_value(2, 1, str(2**64)), r"geometry_id is '18446744073709551616'"),
        ("measurements", lambda lines: lines[:2], r"measurement_id 1 is not among the meas"),
        ("measurement-simhit-map", with_value(1, 0, "-1"), r"measurement_id is -1 where a number"),
        ("simhits", with_value(1, 6, "nan"), r"row 1 \(line 2\): column tx has no value"),
        ("simhits", with_value(1, 10, "1e30"), r"row 1 .*: column tpx is 1e\+30 where a momentum"),
        ("simhits", lambda lines: lines[:3], r"map\.csv: row 3 .*: hit_id 3 is no row of"),
        ("particles", with_value(1, 15, "1e30"), r"row 1 \(line 2\): column q is 1e\+30 where"),
        ("particles", with_value(1, 15, "900"), r"row 1 \(line 2\): column q is 900 where"),
        ("particles", with_value(1, 5, str(2**40)), r"row 1 .*: column particle_type is 109951"),
        ("particles", lambda lines: lines[:2], r"particle_id \d+ is not in .*particles\.csv"),
    ],
)
def test_wrong_numbers_are_named(
    tmp_path: Path, table: str, change: Callable[[list[str]], list[str]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_event(edited(tmp_path, table, change))


def test_an_event_without_measurements_has_no_hits(tmp_path: Path) -> None:
    write_by_hand(tmp_path)
    for path in tmp_path.iterdir():
        path.write_text(path.read_text().splitlines()[0] + "\n")
    event = read_event(tmp_path)
    assert event.truth is not None
    assert (event.n_hits, len(event.truth)) == (0, 0)


def test_cells_of_older_versions_name_the_measurement_hit_id(tmp_path: Path) -> None:
    new = "measurement_id,channel0,channel1,timestamp,value\n2,5,6,0,1.5\n0,3,4,0,0.5\n"
    old = new.replace("measurement_id", "hit_id")
    for text in (new, old):
        event = read_event(write_by_hand(tmp_path, cells=text))
        assert event.cells is not None
        assert event.cells.hit_id.tolist() == [1, 3]
        assert event.cells.ch0.tolist() == [3, 5]


def test_simulated_hits_may_have_the_name_of_a_truth_table(tmp_path: Path) -> None:
    expected = read_event(write_by_hand(tmp_path)).truth
    (tmp_path / "event000000003-simhits.csv").rename(tmp_path / "event000000003-truth.csv")
    (source,) = list_events([tmp_path / "event000000003-truth.csv"])
    found = source.read().truth
    assert expected is not None
    assert found is not None
    assert found.particle_id.tolist() == expected.particle_id.tolist()


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        ("simhits", r"simhit-map.csv but no event000000003-hits.csv"),
        ("measurement-simhit-map", r"simhits.csv but no event000000003-measurement-simhit-map.csv"),
    ],
)
def test_truth_that_cannot_be_used_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, removed: str, said: str
) -> None:
    (write_by_hand(tmp_path) / f"event000000003-{removed}.csv").unlink()
    assert read_event(tmp_path).truth is None
    assert said in caplog.text


def test_a_map_that_ends_early_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_event(edited(tmp_path, "measurement-simhit-map", lambda lines: lines[:2]))
    assert "the last 3 of 4 measurements have no simulated hits" in caplog.text


def test_where_particles_end_is_not_where_they_are_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_by_hand(tmp_path)
    made = tmp_path / "event000000003-particles.csv"
    ends = made.with_name("event000000003-particles_final.csv")
    ends.write_text(made.read_text().replace(",0,0,0,0,", ",900,0,0,0,"))
    event = read_event(tmp_path)
    assert event.particles is not None
    assert not event.particles.vx.any()
    assert "particles_final" not in caplog.text
    made.unlink()
    assert read_event(tmp_path).particles is None
    assert "particles_final.csv, which tells where particles end" in caplog.text


# volume of another detector's pixels, and long strips of the generic one
OTHER = "volume_id,layer_id,module_id,cx,cy,cz,rot_xu,rot_xv,rot_xw,rot_yu,rot_yv,rot_yw,rot_zu,\
rot_zv,rot_zw,bounds_type,bound_param0,bound_param1,bound_param2,bound_param3,module_t,pitch_u,pitch_v"


def other_pixels(folder: Path, half_v: int) -> Path:
    """Ten modules of volume 16 in a plane at z = -600 mm, a hit at the centre of every second."""
    folder.mkdir(exist_ok=True)
    rows = [
        f"16,2,{k},{20 * k},0,-600,1,0,0,0,1,0,0,0,1,6,-8.4,{-half_v},8.4,{half_v},0.15,-1,-1"
        for k in range(1, 11)
    ]
    (folder / "detectors.csv").write_text("\n".join([OTHER, *rows]) + "\n")
    hits = [f"{k},{(16 << 56) | (2 << 36) | (2 * k << 8)},0,0,nan,nan,nan" for k in range(1, 6)]
    header = "measurement_id,geometry_id,local0,local1,global_x,global_y,global_z"
    (folder / "event000000001-measurements.csv").write_text("\n".join([header, *hits]) + "\n")
    return folder


def test_volumes_of_another_detector_are_not_renumbered(tmp_path: Path) -> None:
    event = read_event(other_pixels(tmp_path, half_v=36))
    assert event.hits.module_id.tolist() == [2, 4, 6, 8, 10]
    np.testing.assert_array_equal(event.hits.x, [40, 80, 120, 160, 200])
    assert event.detector is not None
    assert event.detector.module_id.tolist() == list(range(1, 11))
    assert set(event.detector.pitch_u) == {-1.0}  # not that of the generic detector's strips


def test_the_same_volumes_of_the_generic_detector_are(tmp_path: Path) -> None:
    event = read_event(other_pixels(tmp_path, half_v=78))
    assert event.detector is not None
    assert set(event.detector.pitch_u) == {0.12}
    # the ring of a module is ACTS's, the number of TrackML counts around the beam
    assert event.hits.module_id.tolist() != [2, 4, 6, 8, 10]
    np.testing.assert_array_equal(event.hits.x, [40, 80, 120, 160, 200])


def test_without_a_table_the_place_of_a_hit_decides(tmp_path: Path) -> None:
    for x, generic in ((100, False), (850, True)):
        folder = other_pixels(tmp_path / str(x), half_v=36)
        (folder / "detectors.csv").unlink()
        path = folder / "event000000001-measurements.csv"
        path.write_text(path.read_text().replace("nan,nan,nan", f"{x},0,-600"))
        module = read_event(folder).hits.module_id.tolist()
        assert (module != [2, 4, 6, 8, 10]) == generic


def test_cells_without_pitches_say_what_to_fill_in(tmp_path: Path) -> None:
    folder = other_pixels(tmp_path, half_v=36)
    cells = "measurement_id,channel0,channel1,timestamp,value\n1,5,6,0,1.5\n"
    (folder / "event000000001-cells.csv").write_text(cells)
    (source,) = list_events([folder])
    assert source.read(cells=False).n_hits == 5
    with pytest.raises(InputError, match=r"cells\.csv: .* no pitch for 10 of 10 .*fill in pitch_u"):
        source.read()


def test_the_row_of_a_module_counts_the_surfaces_without_one(tmp_path: Path) -> None:
    folder = other_pixels(tmp_path, half_v=36)
    path = folder / "detectors.csv"
    header, *lines = path.read_text().splitlines()
    passive = lines[0].replace("16,2,1,", "16,2,0,")
    broken = lines[3].replace(",0.15,", ",-0.15,")
    path.write_text("\n".join([header, passive, *lines[:3], broken, *lines[4:]]) + "\n")
    with pytest.raises(InputError, match=r"row 5 \(line 6\): column module_t is -0\.15 where"):
        read_event(folder)
