"""Commands whose events are shared: what they leave does not depend on who did the work."""

import json
from pathlib import Path

import pytest

from hitgraph.cli import OK, main

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own

TWO = ("--workers", "2")

Dask = tuple[str, str]


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(pattern)}


@pytest.fixture(scope="module")
def alone(tiny_store: Path, tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks that were found without anybody's help."""
    out = tmp_path_factory.mktemp("alone")
    assert reconstruct(tiny_store, tiny_pipeline, out) == OK
    return out


@pytest.fixture
def dask(scheduler: str) -> Dask:
    return "--dask", scheduler


def reconstruct(events: Path, pipeline: Path, out: Path, *more: str) -> int:
    words = ["reconstruct", str(events), "--pipeline", str(pipeline), "--out", str(out), "--quiet"]
    return main([*words, "--device", "cpu", *more])


def test_tracks_of_a_cluster_are_the_same(
    tiny_store: Path, tiny_pipeline: Path, alone: Path, dask: Dask, tmp_path: Path
) -> None:
    assert reconstruct(tiny_store, tiny_pipeline, tmp_path, *dask) == OK
    assert files(tmp_path, "*-tracks.csv") == files(alone, "*-tracks.csv")
    run, known = (json.loads((place / "run.json").read_text()) for place in (tmp_path, alone))
    assert [one["digest"] for one in run["events"]] == [one["digest"] for one in known["events"]]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_tracks_of_two_processes_are_the_same(
    tiny_store: Path, tiny_pipeline: Path, alone: Path, tmp_path: Path
) -> None:
    assert reconstruct(tiny_store, tiny_pipeline, tmp_path, *TWO) == OK
    assert files(tmp_path, "*-tracks.csv") == files(alone, "*-tracks.csv")


def test_a_pipeline_that_is_another_for_a_worker_stops_the_run(
    tiny_store: Path,
    tiny_pipeline: Path,
    dask: Dask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = iter(("0123456789abcdef", "fedcba9876543210"))  # here, and there
    monkeypatch.setattr("hitgraph.fingerprint.fingerprint_of_folder", lambda _: next(found))
    assert reconstruct(tiny_store, tiny_pipeline, tmp_path, *dask) == 2
    assert "another pipeline for a worker (fingerprint fedcba9876543210)" in capsys.readouterr().err


@pytest.mark.usefixtures("one_import")
def test_numbers_are_the_same(tiny_store: Path, alone: Path, dask: Dask, tmp_path: Path) -> None:
    found = []
    for k, more in enumerate(([], dask, TWO)):
        table = tmp_path / f"{k}.json"
        words = ["evaluate", str(alone), "--truth", str(tiny_store), "--quiet"]
        assert main([*words, "--json", str(table), *more]) == OK
        found.append(table.read_text())
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("one_import")
def test_a_report_is_the_same(tiny_store: Path, alone: Path, tmp_path: Path) -> None:
    pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
    pages = tmp_path / "alone.html", tmp_path / "shared.html"
    for page, more in zip(pages, ((), TWO), strict=True):
        words = ["report", str(alone), "--truth", str(tiny_store), "--quiet"]
        assert main([*words, "--out", str(page), *more]) == OK
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_study_of_a_cluster_is_the_same_and_goes_on(
    tiny_store: Path, tiny_pipeline: Path, dask: Dask, tmp_path: Path
) -> None:
    pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
    words = ["study", "noise", str(tiny_store), "--events", "1000:1002", "--fractions", "0", "0.2"]
    words += ["--pipeline", str(tiny_pipeline), "--device", "cpu", "--quiet", "--out"]
    assert main([*words, str(tmp_path / "alone")]) == OK
    assert main([*words, str(tmp_path / "dask"), *dask]) == OK
    alone, shared = (files(tmp_path / place / "points", "*.json") for place in ("alone", "dask"))
    assert len(alone) == 2 * 2 + 1
    assert shared == alone
    next((tmp_path / "dask" / "points").glob("*event000001001*")).unlink()
    assert main([*words, str(tmp_path / "dask"), *dask, "--resume"]) == OK
    assert files(tmp_path / "dask" / "points", "*.json") == alone


@pytest.mark.usefixtures("one_import")
@pytest.mark.parametrize("shared", ["dask", "two"])
def test_converted_events_are_the_same(
    tiny_store: Path, request: pytest.FixtureRequest, tmp_path: Path, shared: str
) -> None:
    more = request.getfixturevalue("dask") if shared == "dask" else TWO
    words = ["convert", str(tiny_store), "--to", "trackml", "--quiet", "--out"]
    assert main([*words, str(tmp_path / "alone")]) == OK
    assert main([*words, str(tmp_path / "shared"), *more]) == OK
    assert files(tmp_path / "shared", "*") == files(tmp_path / "alone", "*")
    assert not list((tmp_path / "shared").glob(".*"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--workers", "2", "--dask", "tcp://127.0.0.1:9"), "leave it out with --dask"),
        (("--dask", "localhost"), "no Dask scheduler answers there"),
    ],
)
def test_workers_that_cannot_be_are_refused_before_anything_is_written(
    tiny_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    says: str,
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    monkeypatch.setattr("hitgraph.workers.cluster.CONNECT_SECONDS", 1)
    out = tmp_path / "out"
    assert main(["convert", str(tiny_store), "--to", "parquet", "--out", str(out), *more]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1
    assert says in shown[0]
    assert not out.exists()
