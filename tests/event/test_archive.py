"""Archives and packed tables: damage is noticed, and nothing unpacks to more than it may."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.archive import MAX_TABLE_VARIABLE, Place, files_in, gunzip, max_table_bytes
from hitgraph.event.source import list_events
from hitgraph.event.tables import read_columns

PACKERS = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setenv(MAX_TABLE_VARIABLE, "1")


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _read_all(path: Path) -> dict[str, bytes]:
    return {place.name: place.read() for place in files_in(path)}


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_flipped_bit_of_a_compressed_tar_changes_nothing(tmp_path, suffix):
    files = {f"event{k}-hits.csv": f"hit_id\n{k}\n".encode() * 40 for k in range(3)}
    good = PACKERS[suffix](_tar(files))
    path = tmp_path / f"train.{suffix}"
    refused = 0
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x04]) + good[place + 1 :])
        try:
            assert _read_all(path) == files
        except InputError:
            refused += 1
    assert refused > len(good) / 7 / 2


def test_a_compressed_tar_with_a_wrong_check_sum_is_refused(tmp_path):
    good = gzip.compress(_tar({"event1-hits.csv": b"hit_id\n1\n"}))
    path = tmp_path / "train.tar.gz"
    path.write_bytes(good[:-8] + struct.pack("<I", zlib.crc32(b"other")) + good[-4:])
    with pytest.raises(InputError, match=r"tar\.gz: damaged or cut short \(CRC check failed"):
        files_in(path)


@pytest.mark.parametrize("suffix", list(PACKERS))
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tar: tar[:512] + b"\xff" * 512 + tar[1024:], "damaged"),  # data of a first file
        (lambda tar: tar[:1024] + b"\xff" * 512 + tar[1536:], "a header is not one"),
        (lambda tar: tar[:2048], "it has no end mark"),
        (lambda tar: tar + b"\0" * 512 + tar, "something follows its end mark"),
    ],
    ids=["content", "second header", "no end", "two archives"],
)
def test_what_a_tar_reader_would_skip_is_refused(tmp_path, suffix, change, message):
    tar = _tar({"event1-hits.csv": b"1", "event2-hits.csv": b"2"})
    path = tmp_path / f"train.{suffix}"
    path.write_bytes(PACKERS[suffix](change(tar)))
    if message == "damaged":  # a tar has no check sum of contents: nothing to see but the content
        assert _read_all(path)["event1-hits.csv"] == b"\xff"
        return
    with pytest.raises(InputError, match=message):
        files_in(path)


def test_a_tar_is_read_whatever_its_name_says_of_its_compression(tmp_path):
    files = {"event1-hits.csv": b"hit_id\n1\n"}
    for suffix, pack in PACKERS.items():
        path = tmp_path / "train.tgz"
        path.write_bytes(pack(_tar(files)))
        assert _read_all(path) == files, suffix


def test_names_in_an_archive_that_are_no_text(tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("évent1-hits.csv", "hit_id\n")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"train\.zip: damaged"):
        files_in(path)


def test_a_damaged_name_in_the_list_of_a_zip_loses_no_table(tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("event1-hits.csv", "hit_id\n")
        packed.writestr("event1-truth.csv", "hit_id\n")
    data = path.read_bytes()
    at = data.rindex(b"event1-truth.csv")
    path.write_bytes(data[:at] + b"event1-trush.csv" + data[at + 16 :])
    with pytest.raises(
        InputError, match=r"train\.zip: damaged .*'event1-trush.csv' is there in two"
    ):
        files_in(path)


def test_a_list_of_a_zip_that_skips_a_file_is_refused(tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in ("event1-hits.csv", "event1-truth.csv"):
            packed.writestr(name, "hit_id\n")
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 1)
    data[first + 32 : first + 34] = struct.pack("<H", len(data) - 22 - second)  # a comment
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"train\.zip: damaged .*1 of 2 files can be listed"):
        files_in(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_in_a_zip_are_refused(tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for content in ("hit_id\n1\n", "hit_id\n2\n"):
            packed.writestr("event1-hits.csv", content)
    with pytest.raises(InputError, match=r"train\.zip: holds event1-hits\.csv 2 times: pack it"):
        list_events([path])


def test_parts_of_gzip_put_together_are_read_and_garbage_behind_is_refused():
    place = Place(Path("hits.csv.gz"))
    parts = gzip.compress(b"hit_id\n") + gzip.compress(b"1\n")
    assert gunzip(parts, place) == b"hit_id\n1\n"
    assert gunzip(parts + bytes(20), place) == b"hit_id\n1\n"  # padding of tapes
    assert gunzip(b"hit_id\n", place) == b"hit_id\n"
    for bad in (parts[:-3], parts + b"more", parts[:-1] + b"\x01"):
        with pytest.raises(InputError, match=r"hits\.csv\.gz: damaged or cut short"):
            gunzip(bad, place)


# ---------------------------------------------------------------- limits


def _bomb(form: str, size: int = 3 << 20) -> tuple[str, bytes]:
    """A file of some kilobytes that unpacks to `size` bytes."""
    name, text = "event1-hits.csv", b"0" * size
    if form == "csv.gz":
        return f"{name}.gz", gzip.compress(text)
    if form == "csv":
        return name, text
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(name, text)
        return "train.zip", buffer.getvalue()
    if form == "parquet":
        table = pa.table({"hit_id": pa.array([7] * (size // 8), pa.int64())})
        pa.parquet.write_table(table, buffer)
        return "event1.hits.parquet", buffer.getvalue()
    return f"train.{form}", PACKERS[form](_tar({name: text}))


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("form", ["csv", "csv.gz", "zip", "parquet", *PACKERS])
def test_what_unpacks_to_too_much_is_refused_with_the_limit(tmp_path, form):
    name, content = _bomb(form)
    (tmp_path / name).write_bytes(content)
    (source,) = list_events([tmp_path / name])
    expected = rf"event1.*bytes or more in memory, and at most 1 MB .*{MAX_TABLE_VARIABLE}="
    with pytest.raises(InputError, match=expected):
        read_columns(source.files[0][1], {"hit_id": pa.int64().to_pandas_dtype()})


@pytest.mark.parametrize("form", ["csv", "csv.gz", "zip", *PACKERS])
def test_the_limit_can_be_raised(tmp_path, monkeypatch, form):
    name, content = _bomb(form)
    (tmp_path / name).write_bytes(content)
    monkeypatch.setenv(MAX_TABLE_VARIABLE, "4")
    (source,) = list_events([tmp_path / name])
    place = source.files[0][1]
    assert gunzip(place.read(), place) == b"0" * (3 << 20)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "much", "1e3", str(2**40)])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv(MAX_TABLE_VARIABLE, text)
    with pytest.raises(SettingsError, match="a whole number of megabytes from 1"):
        max_table_bytes()


@pytest.mark.usefixtures("small_limit")
def test_a_header_of_a_tar_cannot_ask_for_memory(tmp_path):
    header = tarfile.TarInfo("names")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    content = header.tobuf(tarfile.GNU_FORMAT) + bytes(64 << 20)
    (tmp_path / "train.tar.gz").write_bytes(gzip.compress(content, 1))
    with pytest.raises(InputError, match=r"train\.tar\.gz: takes 67,\d+,\d+ bytes or more"):
        files_in(tmp_path / "train.tar.gz")


@pytest.mark.usefixtures("small_limit")
def test_a_tar_of_too_many_files_is_refused(tmp_path):
    path = tmp_path / "train.tar"
    path.write_bytes(_tar({f"{k}.txt": b"" for k in range(600)}))
    with pytest.raises(InputError, match=r"train\.tar: holds more than 512 files"):
        files_in(path)
