"""Simulation on a Dask cluster, and files that do not depend on who made them."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.simulate import cluster
from hitgraph.simulate.folder import EventSummary
from hitgraph.simulate.outcome import SimulationRun
from hitgraph.simulate.run import simulate
from hitgraph.simulate.settings import ParticleGun, SimulationSettings

GUN = SimulationSettings(
    pileup=0, hard="none", gun=ParticleGun(particles=60, pdg=211, min_pt=0.5, max_pt=2), seed=9
)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a small cluster in this process."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as local:
            yield local.scheduler_address


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_any_number_of_workers_and_a_cluster_write_the_same_files(
    scheduler: str, tmp_path: Path
) -> None:
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    steps: list[None] = []
    numbers = range(5, 7)
    simulate(GUN, tmp_path / "two", numbers, workers=2)
    (tmp_path / "dask").mkdir()
    shutil.copy(tmp_path / "two" / "detectors.parquet", tmp_path / "dask")
    result = simulate(
        GUN, tmp_path / "dask", numbers, dask=scheduler, advance=lambda: steps.append(None)
    )
    assert [one.number for one in result.done] == [5, 6]
    assert len(steps) == 2
    assert not result.failed
    two = _files(tmp_path / "two")
    assert len(two) == 2 * 4 + 2
    assert _files(tmp_path / "dask") == two


@pytest.mark.filterwarnings("ignore")
def test_failing_event_is_tried_again_then_reported(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    class IllMaker:
        def make(self, number: int) -> EventSummary:
            tried.append(number)
            if number == 2 or (number == 3 and tried.count(3) == 1):
                raise RuntimeError("the worker is ill")
            return EventSummary(number, 1, 1, 1, 0.0, 0.0, 0)

    monkeypatch.setattr(cluster, "_maker", lambda *_: IllMaker())
    result = SimulationRun()
    with closing(cluster.connect(scheduler)) as client:
        cluster.share_on_cluster(GUN, tmp_path, [1, 2, 3], client, result, lambda: None)
    assert sorted(one.number for one in result.done) == [1, 3]
    assert list(result.failed) == [2]
    assert "the worker is ill" in result.failed[2]
    assert sorted(tried) == [1, 2, 2, 3, 3]


FATAL = """
import os
from pathlib import Path

from hitgraph.simulate import cluster
from hitgraph.simulate.folder import EventSummary


class FatalMaker:
    \"\"\"Event 2 always kills its process, event 3 the first time.\"\"\"

    def make(self, number):
        with Path("TRIED").open("a") as tried:
            tried.write(f"{number}\\n")
        if number == 2 or (number == 3 and tried_before(3) == 1):
            os._exit(9)
        return EventSummary(number, 1, 1, 1, 0.0, 0.0, 0)


def tried_before(number):
    return Path("TRIED").read_text().split().count(str(number))


cluster._maker = lambda *_: FatalMaker()
"""


class ForgetfulFuture:
    """A task that was done, made when it is asked for."""

    def __init__(self, client: "ForgetfulClient", task: Callable[[], Any]) -> None:
        self.client, self.task = client, task

    def add_done_callback(self, callback: Callable[["ForgetfulFuture"], None]) -> None:
        callback(self)

    def result(self) -> Any:
        assert not self.client.held
        for task in self.client.answered:
            task()
        self.client.answered.append(self.task)
        self.client.held.append(self)
        return self.task()

    def release(self) -> None:
        self.client.held.remove(self)


class ForgetfulClient:
    """A scheduler that makes all tasks again whose answers were taken: their workers died."""

    def __init__(self) -> None:
        self.answered: list[Callable[[], Any]] = []
        self.held: list[ForgetfulFuture] = []  # answered, and not released

    def submit(self, function: Callable[..., Any], *args: Any, **_: Any) -> ForgetfulFuture:
        return ForgetfulFuture(self, lambda: function(*args))

    def cancel(self, *_: Any, **__: Any) -> None:
        pass


def test_what_was_done_is_not_made_again_when_its_worker_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    class CountingMaker:
        def make(self, number: int) -> EventSummary:
            tried.append(number)
            return EventSummary(number, 1, 1, 1, 0.0, 0.0, 0)

    monkeypatch.setattr(cluster, "_maker", lambda *_: CountingMaker())
    result = SimulationRun()
    client = ForgetfulClient()
    cluster.share_on_cluster(GUN, tmp_path, [1, 2, 3], client, result, lambda: None)
    assert sorted(one.number for one in result.done) == [1, 2, 3]
    assert tried == [1, 2, 3]
    assert not client.held
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_dying_worker_loses_only_its_own_event(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    (tmp_path / "fatal.py").write_text(FATAL.replace("TRIED", str(tmp_path / "tried")))
    out = tmp_path / "out"
    out.mkdir()
    result = SimulationRun()
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            preload=[str(tmp_path / "fatal.py")],
            local_directory=str(tmp_path),
        ) as local,
        closing(cluster.connect(local.scheduler_address)) as client,
    ):
        cluster.share_on_cluster(GUN, out, range(1, 9), client, result, lambda: None)
    assert result.failed == {2: "its worker died"}
    assert sorted(one.number for one in result.done) == [1, 3, 4, 5, 6, 7, 8]
    assert result.failed == {2: "its worker died"}
    tried = [int(line) for line in (tmp_path / "tried").read_text().split()]
    assert sorted(tried) == [1, 2, 2, 3, 3, 4, 5, 6, 7, 8]
    assert not list(out.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_cluster_that_has_lost_its_workers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    steps: list[None] = []
    result = SimulationRun()
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as local,
        closing(cluster.connect(local.scheduler_address)) as client,
    ):
        cluster.share_on_cluster(GUN, tmp_path, [1, 2], client, result, lambda: steps.append(None))
    assert list(result.failed) == [1, 2]
    assert "lost its workers" in result.failed[1]
    assert len(steps) == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:9",
        "tcp://:",
        "tcp://localhost:99999",
        "tcp://[::1",
        "tls://127.0.0.1:9",
        "http://127.0.0.1:9",
        "localhost",
        "",
    ],
)
def test_no_scheduler_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra sim)")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(SettingsError, match="no Dask scheduler answers"):
        simulate(GUN, tmp_path / "out", [1], dask=address)
    assert not (tmp_path / "out").exists()


def test_missing_dask_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[dist\]"):
        cluster.connect("tcp://127.0.0.1:9")
