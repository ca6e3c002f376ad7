"""Finding events: prefixes, folders, archives, stores; and saying what is not there."""

import dataclasses
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

import hitgraph
from hitgraph.errors import InputError
from hitgraph.event import archive
from hitgraph.event.source import list_events, read_event, require_different_names
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.trackml import write_detectors_csv, write_trackml

TARS = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


@pytest.fixture
def events(make_event):
    """Three events, numbers 1000 to 1002."""
    return [make_event(seed=seed) for seed in range(3)]


@pytest.fixture
def folder(tmp_path, events) -> Path:
    """TrackML CSV of the three events with their detectors table."""
    path = tmp_path / "csv"
    for event in events:
        write_trackml(event, path)
    write_detectors_csv(events[0].detector, path / "detectors.csv")
    return path


def _pack(folder: Path, path: Path, prefix: str = "") -> Path:
    """All files of a folder in a zip or tar, below `prefix` in there."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(folder.iterdir()):
                packed.write(file, prefix + file.name)
    else:
        with tarfile.open(path, TARS[path.name.partition(".")[2]]) as packed:
            for file in sorted(folder.iterdir()):
                packed.add(file, prefix + file.name)
    return path


@pytest.mark.parametrize("suffix", ["zip", *TARS])
@pytest.mark.parametrize("prefix", ["", "train_100_events/", "./", "a/b/"])
def test_archives_hold_the_same_events(folder, tmp_path, events, suffix, prefix, assert_same_event):
    path = _pack(folder, tmp_path / f"train.{suffix}", prefix)
    sources = list_events([path])
    assert [source.number for source in sources] == [1000, 1001, 1002]
    for source, event in zip(sources, events, strict=True):
        assert_same_event(source.read(), event)
    # one event by its prefix in the archive, which is what `path` says
    assert_same_event(read_event(sources[1].path), events[1])


def test_a_compressed_tar_is_gone_through_once(folder, tmp_path, monkeypatch):
    path = _pack(folder, tmp_path / "train.tar.gz")
    opened = []
    unpacked = archive._unpacked
    monkeypatch.setattr(archive, "_unpacked", lambda path: opened.append(path) or unpacked(path))
    for source in list_events([path]):
        source.read()
    assert len(opened) == 1


def test_a_folder_a_prefix_and_a_file(folder, events, monkeypatch, assert_same_event):
    assert [source.name for source in list_events([folder])] == [event.name for event in events]
    name = events[1].name
    for path in (name, name + "-", f"{name}-hits.csv", f"{name}-truth.csv"):
        assert_same_event(read_event(folder / path), events[1])
    monkeypatch.chdir(folder)
    assert_same_event(read_event(name), events[1])
    assert len(list_events(["."])) == 3


def test_events_in_folders_of_a_folder(folder, tmp_path, events, assert_same_event):
    (tmp_path / "data").mkdir()
    folder.rename(tmp_path / "data" / "train_1")
    shutil.move(tmp_path / "data" / "train_1" / "detectors.csv", tmp_path / "data")
    for source, event in zip(list_events([tmp_path / "data"]), events, strict=True):
        assert_same_event(source.read(), event)


def test_a_store_and_one_of_its_files(tmp_path, events, assert_same_event):
    for event in events:
        write_event(event, tmp_path)
    write_detectors(events[0].detector, tmp_path)
    assert_same_event(list_events([tmp_path])[2].read(), events[2])
    assert_same_event(read_event(tmp_path / f"{events[2].name}.cells.parquet"), events[2])


def test_without_cells_they_are_not_even_opened(folder, events, assert_same_event):
    next(folder.glob("event000001000-cells.csv")).write_bytes(b"\xff")
    source = list_events([folder / "event000001000"])[0]
    assert_same_event(source.read(cells=False), dataclasses.replace(events[0], cells=None))


def test_parquet_is_taken_before_csv_unless_the_file_is_named(folder, events, make_event):
    other = make_event(n_noise=9)
    write_event(other, folder)
    assert read_event(folder / other.name).n_hits == other.n_hits
    assert read_event(folder / f"{other.name}-hits.csv").n_hits == events[0].n_hits
    assert len(list_events([folder])) == 3


def test_numbers_choose_events_and_none_comes_twice(folder):
    def numbers(*paths, **options):
        return [source.number for source in list_events(paths, **options)]

    assert numbers(folder, numbers=(1001, 1003)) == [1001, 1002]
    assert numbers(folder / "event000001002", folder) == [1002, 1000, 1001]
    with pytest.raises(InputError, match=r"no event has a number from 5 to 9: .* 1000 to 1002"):
        list_events([folder], numbers=(5, 10))


def test_the_companions_of_macos_are_left_out(folder, tmp_path):
    (folder / "._event000001000-hits.csv").write_bytes(b"\x00\x05")
    (folder / ".event000001009-hits.csv.part").write_bytes(b"half")
    path = _pack(folder, tmp_path / "train.zip", "__MACOSX/")
    assert len(list_events([path])) == len(list_events([folder])) == 3


def test_sources_travel_to_other_processes(folder, events, assert_same_event):
    source = pickle.loads(pickle.dumps(list_events([folder])[0]))
    assert_same_event(source.read(), events[0])


def test_read_event_is_offered_by_the_package(folder, events, assert_same_event):
    assert "read_event" in dir(hitgraph)
    assert_same_event(hitgraph.read_event(folder / events[0].name), events[0])
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hitgraph.nonsense  # noqa: B018


# ---------------------------------------------------------------- where the detectors table is


@pytest.mark.parametrize("name", ["detectors.csv", "detectors.csv.gz", "detectors.parquet"])
def test_the_detectors_table_beside_the_events(folder, events, name, assert_same_event):
    (folder / "detectors.csv").unlink()
    write = write_detectors if name.endswith("parquet") else write_detectors_csv
    write(events[0].detector, folder / name)
    assert_same_event(read_event(folder / events[0].name), events[0])


@pytest.mark.parametrize("name", ["detectors.csv", "detectors.zip"])
def test_the_detectors_table_beside_the_archive(folder, tmp_path, events, name, assert_same_event):
    table = folder / "detectors.csv"
    if name == "detectors.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as packed:
            packed.write(table, table.name)
        table.unlink()
    else:
        table.rename(tmp_path / name)
    path = _pack(folder, tmp_path / "train.zip", "train/")
    assert_same_event(list_events([path])[0].read(), events[0])


def test_the_detectors_table_that_is_named_wins(folder, tmp_path, events, assert_same_event):
    (folder / "detectors.csv").rename(tmp_path / "modules.csv")
    (folder / "detectors.csv").write_text("broken")
    event = read_event(folder / events[0].name, detectors=tmp_path / "modules.csv")
    assert_same_event(event, events[0])


def test_without_a_detectors_table_there_is_none(folder, events):
    (folder / "detectors.csv").unlink()
    assert read_event(folder / events[0].name).detector is None


def test_the_detectors_table_is_read_once(folder):
    first, second, _ = [source.read() for source in list_events([folder])]
    assert first.detector is second.detector


# ---------------------------------------------------------------- what is not there


def test_a_path_that_is_not_there(tmp_path, folder):
    with pytest.raises(InputError, match="nowhere/event1: there is no such file or folder"):
        list_events([tmp_path / "nowhere" / "event1"])
    with pytest.raises(InputError, match=r"no event of that name \(looked for event7\.hits\.parqu"):
        list_events([folder / "event7"])
    with pytest.raises(InputError, match=r"gone\.zip: there is no such file"):
        list_events([tmp_path / "gone.zip"])
    with pytest.raises(InputError, match=r"gone\.csv: there is no such detectors table"):
        list_events([folder], detectors=tmp_path / "gone.csv")


def test_a_place_without_events_says_what_was_looked_for(tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as packed:
        packed.write(tmp_path / "note.txt")
    for path in (tmp_path, tmp_path / "train.zip"):
        with pytest.raises(InputError, match=r"no event in there \(looked for EVENT\.hits\.parqu"):
            list_events([path])
    with pytest.raises(InputError, match=r"note\.txt: is no event"):
        list_events([tmp_path / "note.txt"])


def test_several_events_where_one_is_asked_for(folder):
    with pytest.raises(InputError, match=r"holds 3 events where one .*csv/event000001000"):
        read_event(folder)


def test_an_event_without_hits_file_fails_alone(folder, events):
    (folder / f"{events[1].name}-hits.csv").unlink()
    sources = list_events([folder])
    assert sources[0].read().n_hits
    with pytest.raises(InputError, match=r"event000001001: has no table of hits beside .*truth"):
        sources[1].read()


def test_events_of_one_name_cannot_share_a_result(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    sources = list_events([folder, tmp_path / "copy"])
    assert len(sources) == 6
    with pytest.raises(InputError, match="event000001000 is there twice"):
        require_different_names(sources)
    require_different_names(sources[:3])


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.9])
def test_a_truncated_archive(folder, tmp_path, suffix, part):
    path = _pack(folder, tmp_path / f"train.{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError, match=r"train\.\S+: damaged or cut short"):  # noqa: PT012
        for source in list_events([path]):
            source.read()


def test_a_corrupted_member_of_a_zip(folder, tmp_path):
    path = _pack(folder, tmp_path / "train.zip")
    data = bytearray(path.read_bytes())
    start = data.index(b"event000001000-hits.csv") + 60
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"train\.zip/event000001000-hits\.csv: damaged"):
        list_events([path])[0].read()


def test_an_encrypted_zip(folder, tmp_path):
    path = _pack(folder, tmp_path / "train.zip")
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] |= 1  # the flag that says encrypted
            start = data.find(mark, start + 1)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read .*encrypted.* unpack it first"):
        list_events([path])[0].read()


def test_a_file_that_may_not_be_read(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    source = list_events([folder])[0]
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="permission denied: make it readable"):
        source.read()


def test_a_folder_that_may_not_be_listed(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="permission denied"):
        list_events([folder])


def _renamed(folder: Path, name: str) -> None:
    for file in folder.glob("event000001001-*"):
        file.rename(folder / file.name.replace("event000001001", name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("run20240615123456789012", r"number at the end of its name is above 9223372036854775807"),
        ("event\x1b[31m1", "its name has characters that cannot be shown"),
        ("event\n1", "its name has characters that cannot be shown"),
        ("event\udcff1", "its name has characters that cannot be shown"),
        ("e" * 201 + "1", "its name is longer than 200 bytes"),
    ],
    ids=["number", "escape", "newline", "no text", "long"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_name_without_results_costs_its_event_only(folder, tmp_path, name, message, packed):
    _renamed(folder, name)
    path = folder
    if packed:
        path = _pack(folder, tmp_path / "train.tar.gz")
    sources = list_events([path])
    assert [source.read().n_hits for source in sources if source.problem is None] == [24, 24]
    (bad,) = [source for source in sources if source.problem is not None]
    assert bad.name.isprintable()
    assert str(bad.path).isprintable()
    with pytest.raises(InputError, match=message) as caught:
        bad.read()
    assert str(caught.value).isprintable()


def test_the_largest_number_is_read(folder):
    _renamed(folder, "event9223372036854775807")
    assert list_events([folder])[-1].read().number == 2**63 - 1


def test_a_number_of_thousands_of_digits_is_no_traceback(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as packed:
        for file in folder.glob("event000001001-*"):
            packed.write(file, file.name.replace("event000001001", "event" + "7" * 5000))
    (source,) = list_events([tmp_path / "train.zip"])
    with pytest.raises(InputError, match="its name is longer than 200 bytes"):
        source.read()


@pytest.mark.parametrize("path", ["folder", "folder/event000001000", "folder/sub"])
def test_a_place_that_may_not_be_looked_at_is_not_called_missing(tmp_path, monkeypatch, path):
    def refuse(self, **_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(InputError, match="permission denied: make it readable"):
        list_events([tmp_path / path])
    monkeypatch.undo()


def test_an_event_that_vanishes(folder):
    source = list_events([folder])[0]
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="there is no such file"):
        source.read()


def test_an_event_is_what_its_files_hold_and_not_where_they_are(make_event, tmp_path):
    event = make_event(seed=1)
    here, there, other = (tmp_path / name for name in ("here", "there", "other"))
    for folder, seed in ((here, 1), (there, 1), (other, 2)):
        write_event(dataclasses.replace(make_event(seed=seed), name=event.name), folder)
    one, same, another = (list_events([folder])[0] for folder in (here, there, other))
    assert one.fingerprint() == same.fingerprint() != another.fingerprint()
    next(there.glob("*.truth.parquet")).unlink()
    assert list_events([there])[0].fingerprint() != one.fingerprint()
    next(here.glob("*.hits.parquet")).unlink()  # after it was listed
    assert one.fingerprint() == f"{event.name} cannot be read"
