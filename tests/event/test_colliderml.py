"""ColliderML: files written by the schema of release 1, read back, and what is wrong in others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from hitgraph.cli import main
from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events, read_event
from hitgraph.event.store import write_detectors

# https://huggingface.co/datasets/CERN/ColliderML-Release-1: lists, but for event_id
HIT_TYPES = {
    **dict.fromkeys(("x", "y", "z", "true_x", "true_y", "true_z", "time"), pa.float32()),
    "particle_id": pa.uint64(),
    "volume_id": pa.uint8(),
    "layer_id": pa.uint16(),
    "surface_id": pa.uint32(),
    "detector": pa.uint8(),
}
PARTICLE_TYPES = {
    "particle_id": pa.uint64(),
    "pdg_id": pa.int64(),
    **dict.fromkeys(
        ("mass", "energy", "charge", "px", "py", "pz", "vx", "vy", "vz", "time"), pa.float32()
    ),
    **dict.fromkeys(("perigee_d0", "perigee_z0"), pa.float32()),
    **dict.fromkeys(("num_tracker_hits", "num_calo_hits", "vertex_primary"), pa.uint16()),
    "primary": pa.bool_(),
    "parent_id": pa.int64(),
}
Lists = dict[str, Any]


def hits_of(event: Event) -> Lists:
    hits, truth = event.hits, event.truth
    assert truth is not None
    zeros = np.zeros(len(hits))
    return {
        "x": hits.x,
        "y": hits.y,
        "z": hits.z,
        "true_x": truth.tx,
        "true_y": truth.ty,
        "true_z": truth.tz,
        "time": zeros,
        "particle_id": truth.particle_id,
        "volume_id": hits.volume_id,
        "layer_id": hits.layer_id,
        "surface_id": hits.module_id,
        "detector": zeros,
    }


def particles_of(event: Event) -> Lists:
    own = event.particles
    assert own is not None
    zeros = np.zeros(len(own))
    names = ("particle_id", "px", "py", "pz", "vx", "vy", "vz")
    return {
        **dict.fromkeys(PARTICLE_TYPES, zeros),
        **{name: getattr(own, name) for name in names},
        "pdg_id": own.particle_type,
        "charge": own.q,
        "num_tracker_hits": own.nhits,
    }


def write_shard(path: Path, events: dict[int, Lists], types: dict[str, pa.DataType]) -> None:
    columns: dict[str, pa.Array] = {"event_id": pa.array(list(events), pa.uint32())}
    for name, kind in types.items():
        rows = [pa.array(lists[name]).cast(kind, safe=False) for lists in events.values()]
        columns[name] = pa.array([row.to_pylist() for row in rows], pa.list_(kind))
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=2)


@pytest.fixture
def events(make_event: Callable[..., Event]) -> dict[int, Event]:
    return {number: make_event(seed=number) for number in (7, 3, 12)}


@pytest.fixture
def folder(tmp_path: Path, events: dict[int, Event]) -> Path:
    """Hits in two files, particles in one, as they come from the hub."""
    hits = {number: hits_of(event) for number, event in events.items()}
    folder = tmp_path / "data" / "ttbar_pu0_tracker_hits"
    write_shard(folder / "train-00000-of-00002.parquet", {7: hits[7], 3: hits[3]}, HIT_TYPES)
    write_shard(folder / "train-00001-of-00002.parquet", {12: hits[12]}, HIT_TYPES)
    write_shard(
        tmp_path / "data" / "ttbar_pu0_particles" / "train-00000-of-00001.parquet",
        {number: particles_of(event) for number, event in events.items()},
        PARTICLE_TYPES,
    )
    return folder


def assert_same(read: Event, event: Event) -> None:
    for name in ("x", "y", "z", "volume_id", "layer_id", "module_id"):
        np.testing.assert_array_equal(getattr(read.hits, name), getattr(event.hits, name))
    assert read.truth is not None
    assert event.truth is not None
    np.testing.assert_array_equal(read.truth.particle_id, event.truth.particle_id)
    np.testing.assert_array_equal(read.truth.tx, event.truth.tx)
    assert read.truth.weight.sum() == pytest.approx(1.0)
    for name in ("particle_id", "particle_type", "px", "vz", "q", "nhits"):
        np.testing.assert_array_equal(getattr(read.particles, name), getattr(event.particles, name))


def test_events_come_by_number_with_truth_and_particles(
    folder: Path, events: dict[int, Event]
) -> None:
    sources = list_events([folder])
    assert [source.name for source in sources] == [
        "event000000003",
        "event000000007",
        "event000000012",
    ]
    assert len({source.fingerprint() for source in sources}) == 3
    for source in sources:
        assert_same(source.read(), events[source.number])
    (one,) = list_events([folder], numbers=(5, 8))
    assert one.read().field is None
    (last,) = list_events([folder / "train-00001-of-00002.parquet"])
    assert last.number == 12


def test_each_object_may_have_a_folder_of_its_own(
    folder: Path, tmp_path: Path, events: dict[int, Event]
) -> None:
    """As ColliderML's own library downloads them: NAME/data/NAME/."""
    for name in ("ttbar_pu0_tracker_hits", "ttbar_pu0_particles"):
        place = tmp_path / "cache" / name / "data"
        place.mkdir(parents=True)
        (folder.parent / name).rename(place / name)
    hits = tmp_path / "cache" / folder.name / "data" / folder.name
    for source in list_events([hits]):
        assert_same(source.read(), events[source.number])


def test_particles_that_are_numbered_from_0_are_numbered_from_1(
    tmp_path: Path, events: dict[int, Event]
) -> None:
    hits, particles = hits_of(events[3]), particles_of(events[3])
    ids = np.unique(particles["particle_id"])
    own = hits["particle_id"] != 0
    hits = {name: values[own] for name, values in hits.items()}
    for lists in (hits, particles):
        lists["particle_id"] = np.searchsorted(ids, lists["particle_id"])
    write_shard(tmp_path / "a_tracker_hits" / "one.parquet", {1: hits}, HIT_TYPES)
    write_shard(tmp_path / "a_particles" / "one.parquet", {1: particles}, PARTICLE_TYPES)
    read = read_event(tmp_path / "a_tracker_hits")
    assert read.particles is not None
    assert read.truth is not None
    assert read.particles.particle_id.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(read.truth.particle_id, hits["particle_id"] + 1)


def test_hits_alone_are_an_event_without_particles(
    tmp_path: Path, events: dict[int, Event]
) -> None:
    write_shard(tmp_path / "a_tracker_hits" / "x.parquet", {3: hits_of(events[3])}, HIT_TYPES)
    read = read_event(tmp_path / "a_tracker_hits")
    assert read.particles is None
    assert read.n_hits == events[3].n_hits


def test_the_commands_read_them(
    folder: Path, events: dict[int, Event], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = events[3].detector
    assert detector is not None
    write_detectors(detector, folder)  # beside the events
    assert main(["info", str(folder)]) == 0
    assert "event000000012" in capsys.readouterr().out
    out = tmp_path / "store"
    assert main(["convert", str(folder), "--to", "parquet", "--out", str(out), "--quiet"]) == 0
    for source in list_events([out]):
        assert_same(source.read(), events[source.number])


def broken(folder: Path, **changes: Any) -> None:
    """The second file of hits with other columns; None takes one away."""
    path = folder / "train-00001-of-00002.parquet"
    table = pyarrow.parquet.read_table(path)
    for name, values in changes.items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if values is not None:
            table = table.append_column(name, [values])
    pyarrow.parquet.write_table(table, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"true_y": None}, "event 12: missing column true_y"),
        ({"x": pa.array([1.0])}, "column x holds double where a list with a number a row"),
        ({"x": pa.array([[1.0, 2.0]])}, "its lists have different lengths .*x 2"),
        ({"x": pa.array([["a"] * 24])}, "column x holds string values where a number"),
        ({"layer_id": pa.array([[-1] * 24])}, "row 1: column layer_id is -1 where"),
        ({"y": pa.array([[float("nan")] * 24])}, "row 1: column y is nan where a finite number"),
        ({"particle_id": pa.array([[9] * 24])}, "particle_id 9 is not in .*particles.*event 12"),
    ],
)
def test_what_is_wrong_is_told_with_its_event(
    folder: Path, events: dict[int, Event], changes: dict[str, Any], message: str
) -> None:
    assert events[12].n_hits == 24
    broken(folder, **changes)
    good, other, bad = list_events([folder])
    assert_same(good.read(), events[3])
    assert_same(other.read(), events[7])
    with pytest.raises(InputError, match=message):
        bad.read()


def test_what_is_no_list_of_events_is_refused(folder: Path, events: dict[int, Event]) -> None:
    broken(folder, event_id=None)
    with pytest.raises(InputError, match=r"00001-of-00002.parquet: has no column event_id"):
        list_events([folder])
    twice = {7: hits_of(events[7])}
    write_shard(folder / "train-00001-of-00002.parquet", twice, HIT_TYPES)
    with pytest.raises(InputError, match=r"event 7 is there twice, in .*00000.*and .*00001"):
        list_events([folder])
    (folder / "train-00001-of-00002.parquet").write_bytes(b"PAR1, but not really")
    with pytest.raises(InputError, match="not a parquet file, or damaged"):
        list_events([folder])


def test_events_whose_particles_were_not_downloaded_are_told(
    folder: Path, events: dict[int, Event]
) -> None:
    particles = folder.parent / "ttbar_pu0_particles" / "train-00000-of-00001.parquet"
    write_shard(particles, {3: particles_of(events[3])}, PARTICLE_TYPES)
    with pytest.raises(InputError, match=r"event 7: there are no particles of it in .*download"):
        list_events([folder])


def test_a_folder_without_files_has_no_event(tmp_path: Path) -> None:
    (tmp_path / "a_tracker_hits").mkdir()
    with pytest.raises(InputError, match="no event in there"):
        list_events([tmp_path / "a_tracker_hits"])
