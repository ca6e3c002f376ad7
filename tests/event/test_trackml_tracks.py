"""Tracks in files: CSV as of the TrackML challenge, and parquet."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from hitgraph.errors import InputError
from hitgraph.event.trackml import read_tracks, write_submission


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_tracks_come_back(tmp_path, suffix):
    path = tmp_path / f"event000001000-tracks.{suffix}"
    hit_id, track_id = np.array([3, 9, 5]), np.array([2, 0, -1])
    write_submission(path, "event000001000", hit_id, track_id)
    read = read_tracks(path)
    np.testing.assert_array_equal(read[0], [3, 5, 9])
    np.testing.assert_array_equal(read[1], [2, 0, 0])
    assert [values.dtype for values in read] == [np.int64, np.int64]
    if suffix == "csv":
        assert path.read_text() == "event_id,hit_id,track_id\n1000,3,2\n1000,9,0\n1000,5,0\n"


@pytest.mark.parametrize("nothing", ["", "nan", "0", "-1", "-7.0", "0.0"])
def test_a_hit_on_no_track_may_be_written_in_many_ways(tmp_path, nothing):
    path = tmp_path / "tracks.csv"
    path.write_text(f"hit_id,track_id\n1,4.0\n2,{nothing}\n")
    np.testing.assert_array_equal(read_tracks(path)[1], [4, 0])


def test_tracks_in_parquet_may_have_gaps(tmp_path):
    path = tmp_path / "tracks.parquet"
    for values in ([4, None], [4.0, np.nan]):
        pa.parquet.write_table(pa.table({"hit_id": [1, 2], "track_id": values}), path)
        np.testing.assert_array_equal(read_tracks(path)[1], [4, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hit_id,track_id\n1,1\n1,2\n", r"row 2 \(line 3\): hit_id 1 is already in row 1"),
        ("event_id,hit_id,track_id\n1,1,1\n2,1,1\n", r"row 2 .*event_id is 2 after 1.*one event"),
        ("hit_id\n1\n", "missing column track_id"),
        ("hit_id,track_id\n1,a\n", r"column track_id is 'a' where"),
    ],
)
def test_bad_tracks_are_refused(tmp_path, text, message):
    path = tmp_path / "tracks.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tracks(path)
