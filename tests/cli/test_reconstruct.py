"""hitgraph reconstruct."""

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.trained import write_store

from hitgraph.cli import CANNOT_START, INTERRUPTED, OK, SOME_FAILED, main
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.event.field import constant
from hitgraph.event.modules import read_detectors
from hitgraph.event.source import list_events, read_event
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.trackml import read_tracks

GOOD, BAD = "event000001000", "event000001001"


@pytest.fixture(autouse=True)
def _keep_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands set the number of threads for the whole process."""
    monkeypatch.setattr("hitgraph.threads.set_threads", lambda _number: 1)


@pytest.fixture
def events(tiny_store: Path, tmp_path: Path) -> Path:
    """Two events, the second of which is cut short."""
    folder = tmp_path / "events"
    folder.mkdir()
    for pattern in (f"{GOOD}.*", f"{BAD}.*", "detectors.parquet"):
        for path in tiny_store.glob(pattern):
            shutil.copy(path, folder / path.name)
    hits = folder / f"{BAD}.hits.parquet"
    hits.write_bytes(hits.read_bytes()[:200])
    return folder


def arguments(events: Path, pipeline: Path, out: Path, *more: str) -> list[str]:
    return ["reconstruct", str(events), "--pipeline", str(pipeline), "--out", str(out), *more]


def listing(folder: Path) -> list[str]:
    """The files in a folder, without those in its own folders."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_bad_event_is_named_and_the_good_one_written(
    events: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, copy = tmp_path / "[out]", tmp_path / "copy.json"
    status = main(arguments(events, tiny_pipeline, out, "--json", str(copy), "--device", "cpu"))
    assert status == SOME_FAILED
    shown = capsys.readouterr()
    assert f"failed {BAD}: " in shown.err
    assert f"{BAD}.hits.parquet" in shown.err
    assert f"1 events written to {out}, 0 were there, 1 failed" in shown.out
    for word in ("Stages, mean of 1 events of 90 hits", "graph", "gnn", "edge purity"):
        assert word in shown.out
    assert listing(out) == [f"{GOOD}-tracks.csv", "run.json"]
    hit_id, track_id = read_tracks(out / f"{GOOD}-tracks.csv")
    assert len(hit_id) == 90
    assert track_id.max() > 5
    summary = json.loads((out / "run.json").read_text())
    assert list(summary["failed"]) == [BAD]
    assert summary["pipeline"] == str(tiny_pipeline)
    assert json.loads(copy.read_text()) == summary


def test_another_field_than_the_pipeline_s_is_warned_of(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taught = tmp_path / "pipeline"
    shutil.copytree(tiny_pipeline, taught)
    detector = read_detectors(taught / "detectors.parquet")
    write_detectors(replace(detector, field=constant(0.37)), taught / "detectors.parquet")
    write_event(replace(read_event(tiny_store / GOOD), field=constant(3.7)), tmp_path / "events")
    out = tmp_path / "out"
    assert main(arguments(tmp_path / "events", taught, out, "--device", "cpu")) == OK
    assert "in the field constant:3.7, but the pipeline was taught in constant:0.37" in caplog.text
    assert (out / f"{GOOD}-tracks.csv").is_file()


def test_the_rest_is_done_on_resuming(
    events: Path,
    tiny_store: Path,
    tiny_pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(arguments(events, tiny_pipeline, out, "--quiet")) == SOME_FAILED
    assert capsys.readouterr().out == ""
    shutil.copy(tiny_store / f"{BAD}.hits.parquet", events)
    assert main(arguments(events, tiny_pipeline, out, "--resume")) == OK
    shown = capsys.readouterr()
    assert "1 events written" in shown.out
    assert "1 were there, 0 failed" in shown.out
    assert shown.err == ""
    summary = json.loads((out / "run.json").read_text())
    assert [entry["event"] for entry in summary["events"]] == [GOOD, BAD]
    assert summary["failed"] == {}

    def compile_kernels(*_: object) -> None:
        raise AssertionError("there is nothing left to do")

    monkeypatch.setattr("hitgraph.cli.first_run.compile_kernels", compile_kernels)
    assert main(arguments(events, tiny_pipeline, out, "--resume")) == OK
    assert "0 events written" in capsys.readouterr().out


def test_resuming_with_another_pipeline_is_refused(
    events: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    assert main(arguments(events, tiny_pipeline, out, "--quiet")) == SOME_FAILED
    shutil.copytree(tiny_pipeline, other)
    recipe = other / "pipeline.yaml"
    recipe.write_text(recipe.read_text() + "# another\n")
    assert main(arguments(events, other, out, "--resume")) == CANNOT_START
    said = capsys.readouterr().err
    assert f"holds tracks of {GOOD} that {tiny_pipeline} (fingerprint " in said
    assert f"now it is {other} (fingerprint " in said


def test_results_are_written_over_only_with_force(
    events: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = arguments(events, tiny_pipeline, out, "--events", "1000", "--quiet")
    assert main(words) == OK
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main(words) == CANNOT_START
    assert f"holds tracks of {GOOD} already: --resume" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert main([*words, "--force", "--format", "parquet"]) == OK
    assert listing(out) == [f"{GOOD}-tracks.parquet", "run.json"]
    with pytest.raises(SystemExit):
        main([*words, "--force", "--resume"])


def test_tracks_are_judged_by_the_truth_of_their_own_events_only(
    make_event: Callable[..., Event],
    tiny_pipeline: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event, out = make_event(seed=4), tmp_path / "out"
    mine = write_store(tmp_path / "mine", [event])
    assert main(arguments(mine, tiny_pipeline, out, "--quiet")) == OK
    other = write_store(tmp_path / "other", [replace(make_event(seed=5), name=event.name)])
    assert main(["evaluate", str(out), "--truth", str(mine), "--quiet"]) == OK
    page = tmp_path / "report.html"
    for words in (["evaluate", str(out)], ["report", str(out), "--out", str(page)]):
        assert main([*words, "--truth", str(other), "--quiet"]) == CANNOT_START
        assert f"are tracks of another {event.name}" in capsys.readouterr().err
    assert not page.exists()


@pytest.mark.parametrize("other", ["parquet", "root"])
def test_other_formats_hold_the_same_tracks(
    events: Path, tiny_pipeline: Path, tmp_path: Path, other: str
) -> None:
    if other == "root":
        pytest.importorskip("uproot", reason="the extra root is not installed")
    tracks = []
    for form in ("csv", other):
        out = tmp_path / form
        main(arguments(events, tiny_pipeline, out, "--format", form, "--events", "1000", "--quiet"))
        tracks.append(read_tracks(out / f"{GOOD}-tracks.{form}"))
    assert all((one == same).all() for one, same in zip(*tracks, strict=True))


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "interrupted; what is written is complete"),
        (OSError(errno.ENOSPC, "No space left on device"), CANNOT_START, "the disk is full"),
    ],
    ids=["ctrl-c", "disk"],
)
def test_a_stop_in_the_middle_of_writing_leaves_nothing_half_done(
    events: Path,
    tiny_pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    message: str,
) -> None:
    original = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        original(self, data[: len(data) // 2])
        raise error

    out = tmp_path / "out"
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    assert main(arguments(events, tiny_pipeline, out, "--quiet")) == status
    assert message in capsys.readouterr().err
    assert not [name for name in listing(out) if name != "run.json"]


def test_what_cannot_start_writes_nothing(
    events: Path, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for words, message in (
        (arguments(events, tmp_path / "none", out), "none: no such pipeline"),
        (arguments(tmp_path / "nowhere", tiny_pipeline, out), "nowhere"),
        (arguments(events, tiny_pipeline, out, "--device", "cuda:99"), "cuda:99 is not there"),
        (arguments(events, tiny_pipeline, out, "--device", "abacus"), "'abacus' is not allowed"),
    ):
        assert main([*words, "--quiet"]) == CANNOT_START
        assert message in capsys.readouterr().err
    assert not out.exists()


def test_events_of_another_detector_fail_one_by_one(
    tiny_event: Event, tiny_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = tiny_event.detector
    assert detector is not None
    columns = {name: getattr(detector, name) for name in detector.__dataclass_fields__}
    columns["centre"] = detector.centre + 1.0
    store = write_store(tmp_path / "store", [tiny_event])
    write_detectors(Detector(**columns), store)
    assert main(arguments(store, tiny_pipeline, tmp_path / "out", "--quiet")) == SOME_FAILED
    assert "lies 1 mm from where the pipeline's detector has it" in capsys.readouterr().err
    assert listing(tmp_path / "out") == ["run.json"]


def test_two_events_of_one_name_are_refused(
    events: Path, tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    assert len(list_events([events, tiny_store])) > 6
    words = arguments(events, tiny_pipeline, tmp_path / "out", "--quiet")
    words.insert(1, str(tiny_store))
    assert main(words) == CANNOT_START


def test_events_unlike_the_training_are_told_once(
    tiny_pipeline: Path,
    make_event: Callable[..., Event],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    usual = [make_event(n_particles=20, n_noise=10, seed=seed) for seed in (20, 21)]
    dense = [make_event(n_particles=120, n_noise=60, seed=seed) for seed in (22, 23)]
    for name, events, said in (("usual", usual, 0), ("dense", dense, 1)):
        caplog.clear()
        store, out = write_store(tmp_path / name, events), tmp_path / f"{name}-tracks"
        assert main(arguments(store, tiny_pipeline, out, "--quiet")) == OK
        texts = [record.getMessage() for record in caplog.records]
        assert sum("hit density" in text for text in texts) == said
    assert any(text.startswith("event000001022: hit density ") for text in texts)
