"""Many events through one pipeline: what is written, what is noted, what a stop leaves."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.evaluation.run_summary import read_run
from hitgraph.event.event import Event
from hitgraph.event.source import EventSource, list_events
from hitgraph.event.trackml import read_tracks
from hitgraph.observe import StageRecord
from hitgraph.pipeline import Pipeline
from hitgraph.reconstruct import (
    EventRun,
    Found,
    Run,
    Signature,
    claim,
    peak_memory,
    reconstruct,
    stage_means,
    tracks_path,
    write_summary,
)
from hitgraph.records import write_record

TINY = Signature("tiny", "0123456789abcdef")
OTHER = Signature("other", "fedcba9876543210")
STAGES = ["features", "graph", "filter", "gnn", "tracks"]


@pytest.fixture(scope="module")
def pipeline(tiny_pipeline: Path) -> Pipeline:
    return Pipeline.load(tiny_pipeline)


@pytest.fixture
def sources(tiny_store: Path) -> list[EventSource]:
    return list_events([tiny_store])[:3]


def listing(folder: Path) -> list[str]:
    """The files in a folder, without those in its own folders."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def noted(folder: Path) -> list[str]:
    """Events with a record."""
    return sorted(path.stem for path in (folder / "records").iterdir())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_hit_is_written_once_with_its_track(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path, suffix: str
) -> None:
    run = reconstruct(pipeline, TINY, sources, tmp_path, suffix=suffix)
    assert [entry.event for entry in run.done] == [source.name for source in sources]
    assert (run.failed, run.skipped, run.interrupted) == ({}, (), False)
    assert listing(tmp_path) == [f"{source.name}-tracks.{suffix}" for source in sources]
    for source, entry in zip(sources, run.done, strict=True):
        event = source.read()
        hit_id, track_id = read_tracks(tracks_path(tmp_path, source.name, suffix))
        np.testing.assert_array_equal(hit_id, event.hits.hit_id)
        np.testing.assert_array_equal(track_id, pipeline.run(event).labels + 1)
        assert entry.n_hits == event.n_hits
        assert entry.n_tracks == len(set(track_id.tolist()) - {0})
        assert entry.read_seconds > 0
        assert [stage.name for stage in entry.stages] == STAGES


def spoil(sources: list[EventSource], number: int, folder: Path) -> list[EventSource]:
    """The sources, one of which has a truncated hits file."""
    bad = sources[number]
    for _, place in bad.files:
        (folder / place.path.name).write_bytes(place.path.read_bytes())
    hits = folder / f"{bad.name}.hits.parquet"
    hits.write_bytes(hits.read_bytes()[:100])
    detectors = bad.path.parent / "detectors.parquet"
    (folder / "detectors.parquet").write_bytes(detectors.read_bytes())
    (spoilt,) = list_events([folder])
    return [*sources[:number], spoilt, *sources[number + 1 :]]


def test_a_bad_event_is_noted_and_the_others_go_on(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    (tmp_path / "bad").mkdir()
    mixed = spoil(sources, 1, tmp_path / "bad")
    seen = []
    run = reconstruct(pipeline, TINY, mixed, tmp_path / "out", advance=lambda: seen.append(1))
    assert [entry.event for entry in run.done] == [sources[0].name, sources[2].name]
    assert list(run.failed) == [sources[1].name]
    assert f"{sources[1].name}.hits.parquet" in run.failed[sources[1].name]
    assert len(listing(tmp_path / "out")) == 2
    assert len(seen) == 3


def test_resuming_skips_what_is_there(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    reconstruct(pipeline, TINY, sources[:2], tmp_path)
    before = [(tmp_path / name).stat().st_mtime_ns for name in listing(tmp_path)]
    run = reconstruct(pipeline, TINY, sources, tmp_path, resume=True)
    assert run.skipped == (sources[0].name, sources[1].name)
    assert [entry.event for entry in run.done] == [sources[2].name]
    assert [(tmp_path / name).stat().st_mtime_ns for name in listing(tmp_path)][:2] == before
    # another format is another file
    assert (
        len(reconstruct(pipeline, TINY, sources, tmp_path, suffix="parquet", resume=True).done) == 3
    )


@pytest.mark.parametrize("damage", ["", '{"event": "', "[]", "{}", '{"event": "NAME"}'])
def test_an_event_whose_record_is_damaged_is_made_anew(
    pipeline: Pipeline,
    sources: list[EventSource],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    names = [source.name for source in sources[:2]]
    claim(tmp_path, TINY, names)
    reconstruct(pipeline, TINY, sources[:2], tmp_path)
    write_summary(TINY, tmp_path)
    record = tmp_path / "records" / f"{names[0]}.json"
    whole = json.loads(record.read_text())
    record.write_text(damage.replace("NAME", names[0]))
    claim(tmp_path, TINY, names, resume=True)
    run = reconstruct(pipeline, TINY, sources[:2], tmp_path, resume=True)
    assert ([entry.event for entry in run.done], list(run.skipped)) == (names[:1], names[1:])
    assert json.loads(record.read_text())["digest"] == whole["digest"]
    assert f"{names[0]}: its record in {tmp_path} is damaged" in caplog.text
    write_summary(TINY, tmp_path)
    found = read_run(tmp_path)  # which names a damaged one
    assert found is not None
    assert found.n_events == 2


def test_tracks_of_two_pipelines_do_not_mix(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    names = [source.name for source in sources]
    claim(tmp_path, TINY, names)
    reconstruct(pipeline, TINY, sources[:2], tmp_path)  # and is killed before its summary
    before = listing(tmp_path)
    with pytest.raises(SettingsError, match=r"1 more events that tiny \(.*now it is other \("):
        claim(tmp_path, OTHER, names, resume=True)
    with pytest.raises(SettingsError, match=f"holds tracks of {names[1]} that tiny"):
        claim(tmp_path, OTHER, names[:1], force=True)  # the second would stay
    assert listing(tmp_path) == before
    claim(tmp_path, TINY, names, resume=True)
    summary = read_run(tmp_path)
    assert summary is not None
    assert summary.n_events == 2
    claim(tmp_path, OTHER, names, force=True)  # all are made anew
    assert json.loads((tmp_path / "run.json").read_text())["events"] == []
    assert read_run(tmp_path) is None
    assert listing(tmp_path) == ["run.json"]


@pytest.mark.parametrize("signature", [TINY, OTHER], ids=["same", "other"])
def test_tracks_are_written_over_only_when_asked_to(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path, signature: Signature
) -> None:
    names = [source.name for source in sources]
    claim(tmp_path, TINY, names[:2])
    reconstruct(pipeline, TINY, sources[:2], tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(SettingsError, match=r"1 more events already: --resume .* --force makes"):
        claim(tmp_path, signature, names)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    claim(tmp_path, signature, names, force=True)
    assert listing(tmp_path) == ["run.json"]
    assert noted(tmp_path) == []


@pytest.mark.parametrize("what", ["fits", "classes", "trackclusters", "vertices", "attached"])
def test_what_stands_beside_tracks_goes_with_them(tmp_path: Path, what: str) -> None:
    """So that tracks of a pipeline that finds none of it do not seem to have it."""
    claim(tmp_path, TINY, ["event1"])
    for name in (f"event1-{what}.parquet", "event1-tracks.csv"):
        (tmp_path / name).touch()
    claim(tmp_path, OTHER, ["event1"], force=True)
    assert listing(tmp_path) == ["run.json"]


def test_a_start_that_was_refused_or_found_nothing_does_not_bind_the_folder(
    tmp_path: Path,
) -> None:
    claim(tmp_path, TINY, ["event1"])
    claim(tmp_path, OTHER, ["event1"])
    claim(tmp_path, TINY, ["event1"], resume=True)


def test_tracks_without_a_record_are_made_again_on_resuming(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    """A run that was killed between the two files of an event."""
    names = [source.name for source in sources]
    reconstruct(pipeline, TINY, sources[:2], tmp_path)
    tracks = tracks_path(tmp_path, names[0], "csv")
    before = tracks.read_bytes()
    (tmp_path / "records" / f"{names[0]}.json").unlink()
    run = reconstruct(pipeline, TINY, sources, tmp_path, resume=True)
    assert [entry.event for entry in run.done] == [names[0], names[2]]
    assert tracks.read_bytes() == before
    assert noted(tmp_path) == names


def test_what_two_processes_did_is_in_one_summary(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    names = [source.name for source in sources]
    claim(tmp_path, TINY, names[:2])
    reconstruct(pipeline, TINY, sources[:2], tmp_path)
    claim(tmp_path, TINY, names[2:])
    reconstruct(pipeline, TINY, sources[2:], tmp_path)
    write_summary(TINY, tmp_path)
    written = (tmp_path / "run.json").read_text()
    write_summary(TINY, tmp_path)  # the other one ends
    content = json.loads(written)
    assert [entry["event"] for entry in content["events"]] == names
    assert json.loads((tmp_path / "run.json").read_text())["events"] == content["events"]


def test_a_number_that_is_none_is_summarised(tmp_path: Path) -> None:
    entry = EventRun("event1", 1, "", 0, 0.1, (StageRecord("gnn", 0.1, 0, purity=float("nan")),))
    write_record(tmp_path, TINY.to_dict() | entry.to_dict())
    write_summary(TINY, tmp_path)
    (found,) = json.loads((tmp_path / "run.json").read_text())["events"]
    assert found["stages"][0]["purity"] != found["stages"][0]["purity"]


class Breaks:
    """A track finder that goes wrong at one event."""

    def __init__(self, pipeline: Pipeline, event: str, error: Exception) -> None:
        self.pipeline, self.event, self.error = pipeline, event, error

    def run(self, event: Event) -> Found:
        if event.name == self.event:
            raise self.error
        return self.pipeline.run(event)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (MemoryError(), "ran out of memory"),
        (RuntimeError("cannot allocate memory"), "RuntimeError: cannot allocate memory"),
        (OverflowError("too large"), "OverflowError: too large"),
    ],
)
def test_what_nobody_foresaw_costs_its_event_only(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path, error: Exception, why: str
) -> None:
    bad = sources[1].name
    run = reconstruct(Breaks(pipeline, bad, error), TINY, sources, tmp_path)
    assert run.failed == {bad: why}
    assert [entry.event for entry in run.done] == [sources[0].name, sources[2].name]
    write_summary(TINY, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["failed"] == {bad: why}
    again = reconstruct(pipeline, TINY, sources, tmp_path, resume=True)
    assert [entry.event for entry in again.done] == [bad]
    write_summary(TINY, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["failed"] == {}


def test_an_event_number_beyond_64_bits_costs_its_event_only(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    long = f"event{2**63}"
    for _, place in sources[0].files:
        copy = tmp_path / place.path.name.replace(sources[0].name, long)
        copy.write_bytes(place.path.read_bytes())
    detectors = sources[0].path.parent / "detectors.parquet"
    (tmp_path / "detectors.parquet").write_bytes(detectors.read_bytes())
    run = reconstruct(pipeline, TINY, [*list_events([tmp_path]), sources[1]], tmp_path / "out")
    assert str(2**63 - 1) in run.failed[long]
    assert [entry.event for entry in run.done] == [sources[1].name]


def test_tracks_that_nobody_signed_are_not_resumed(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    reconstruct(pipeline, TINY, sources[:1], tmp_path)
    shutil.rmtree(tmp_path / "records")
    with pytest.raises(SettingsError, match=r"no run.json that says what made them"):
        claim(tmp_path, TINY, [source.name for source in sources], resume=True)


def failing(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> None:
    """Writing the tracks of the event number `at` stops half-way; records are written as text."""
    original, count = Path.write_bytes, iter(range(100))

    def write_bytes(self: Path, data: bytes) -> int:
        if next(count) == at:
            original(self, data[: len(data) // 2])
            raise error
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_ctrl_c_in_the_middle_of_writing_leaves_whole_files_and_their_summary(
    pipeline: Pipeline,
    sources: list[EventSource],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, 1, KeyboardInterrupt())
        run = reconstruct(pipeline, TINY, sources, tmp_path)
    assert run.interrupted
    assert [entry.event for entry in run.done] == [sources[0].name]
    assert listing(tmp_path) == [f"{sources[0].name}-tracks.csv"]
    write_summary(TINY, tmp_path)
    reconstruct(pipeline, TINY, sources, tmp_path, resume=True)
    write_summary(TINY, tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    assert [entry["event"] for entry in content["events"]] == [s.name for s in sources]


def test_a_full_disk_stops_the_run_with_nothing_half_written(
    pipeline: Pipeline,
    sources: list[EventSource],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch, 1, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(HitgraphError, match=f"{sources[1].name}-tracks.csv: the disk is full"):
        reconstruct(pipeline, TINY, sources, tmp_path)
    assert listing(tmp_path) == [f"{sources[0].name}-tracks.csv"]


def test_the_summary_holds_what_a_report_needs(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path
) -> None:
    run = reconstruct(pipeline, TINY, sources[:2], tmp_path)
    write_summary(TINY, tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["pipeline"] == "tiny"
    assert 1e7 < content["peak_memory_bytes"] <= peak_memory() < 1e12
    assert content["failed"] == {}
    assert [stage["name"] for stage in content["events"][0]["stages"]] == STAGES
    summary = read_run(tmp_path)
    assert summary is not None
    assert (summary.pipeline, summary.n_events) == ("tiny", 2)
    assert [stage.name for stage in summary.stages] == STAGES
    mean = np.mean([sum(stage.seconds for stage in entry.stages) for entry in run.done])
    assert summary.seconds == pytest.approx(mean)


@pytest.mark.parametrize("damage", ["", "[]", '{"events": 3}', "{"])
def test_a_damaged_summary_is_replaced(
    pipeline: Pipeline, sources: list[EventSource], tmp_path: Path, damage: str
) -> None:
    (tmp_path / "run.json").write_text(damage)
    reconstruct(pipeline, TINY, sources[:1], tmp_path)
    write_summary(TINY, tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    assert [entry["event"] for entry in content["events"]] == [sources[0].name]


def test_stage_numbers_are_means_over_the_events_that_know_them() -> None:
    def entry(seconds: float, edges: int, efficiency: float | None) -> EventRun:
        stages = (StageRecord("features", 1.0), StageRecord("graph", seconds, edges, efficiency))
        return EventRun("event", 10, "digest", 2, 0.1, stages)

    run = Run((entry(1.0, 10, 0.5), entry(3.0, 30, None)), {}, ())
    features, graph = stage_means(run)
    assert features == {
        "stage": "features",
        "seconds": 1.0,
        "edges": None,
        "efficiency": None,
        "target_efficiency": None,
        "purity": None,
    }
    assert (graph["seconds"], graph["edges"], graph["efficiency"]) == (2.0, 20.0, 0.5)
    assert stage_means(replace(run, done=())) == []
