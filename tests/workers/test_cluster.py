"""Items shared among the workers of a Dask cluster: who dies, who is another, who is not there."""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hitgraph.errors import HitgraphError, InputError, MissingExtraError, SettingsError
from hitgraph.workers import Workers, cluster, hire

pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own


def treat(tried: Path, number: int) -> int:
    """Squares; 3 is a bad event, 4 a surprise, 5 one the first time, 6 a full disk."""
    with tried.open("a") as file:
        file.write(f"{number}\n")
    if number == 3:
        raise InputError("3.csv: row 1")
    if number == 4 or (number == 5 and times(tried, 5) == 1):
        raise ZeroDivisionError("division by zero")
    if number == 6:
        raise HitgraphError("out: the disk is full")
    return number**2


def times(tried: Path, number: int) -> int:
    return tried.read_text().split().count(str(number))


def treat_or_die(tried: Path, number: int) -> int:
    """2 always kills its process, 3 the first time."""
    with tried.open("a") as file:
        file.write(f"{number}\n")
    if number == 2 or (number == 3 and times(tried, 3) == 1):
        os._exit(9)
    return number**2


def warn(number: int) -> int:
    logging.getLogger("hitgraph.event").warning("%d is odd", number, extra={"once": "odd"})
    return number


def test_a_bad_item_is_not_tried_again_and_a_surprise_is(scheduler: str, tmp_path: Path) -> None:
    out, tried = tmp_path / "out", tmp_path / "tried"
    with hire(dask=scheduler) as crew:
        found = dict(crew.share(partial(treat, tried), range(1, 6), out))
    assert {k: v for k, v in found.items() if not isinstance(v, InputError)} == {1: 1, 2: 4, 5: 25}
    assert str(found[3]) == "3.csv: row 1"
    assert str(found[4]) == "ZeroDivisionError: division by zero"
    assert [times(tried, k) for k in range(1, 6)] == [1, 1, 1, 2, 2]
    assert not list(out.iterdir())


def test_what_is_about_more_than_an_item_stops_the_run(scheduler: str, tmp_path: Path) -> None:
    with hire(dask=scheduler) as crew, pytest.raises(HitgraphError, match="the disk is full"):
        list(crew.share(partial(treat, tmp_path / "tried"), range(1, 8), tmp_path / "out"))
    assert not list((tmp_path / "out").iterdir())


def test_what_workers_warn_of_is_told_once_here(
    scheduler: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hire(dask=scheduler) as crew:
        assert len(list(crew.share(warn, [1, 3, 5], tmp_path))) == 3
    heard = [record.getMessage() for record in caplog.records if "hitgraph" in record.name]
    assert heard in (["1 is odd"], ["3 is odd"], ["5 is odd"])


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


def test_what_was_done_is_not_made_again_when_its_worker_dies(tmp_path: Path) -> None:
    out, tried, client = tmp_path / "out", tmp_path / "tried", ForgetfulClient()
    found = dict(Workers(client=client).share(partial(treat, tried), [1, 2, 7], out))
    assert found == {1: 1, 2: 4, 7: 49}
    assert sorted(tried.read_text().split()) == ["1", "2", "7"]
    assert not client.held
    assert not list(out.iterdir())


@pytest.mark.slow
def test_dying_worker_loses_only_its_own_event(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    out, tried = tmp_path / "out", tmp_path / "tried"
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as local,
        hire(dask=local.scheduler_address) as crew,
    ):
        found = dict(crew.share(partial(treat_or_die, tried), range(1, 9), out))
    assert str(found.pop(2)) == "its worker died"
    assert found == {number: number**2 for number in (1, 3, 4, 5, 6, 7, 8)}
    assert [times(tried, k) for k in range(1, 9)] == [1, 2, 2, 1, 1, 1, 1, 1]
    assert not list(out.iterdir())


@pytest.mark.slow
def test_cluster_that_has_lost_its_workers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as local,
        hire(dask=local.scheduler_address) as crew,
        pytest.raises(HitgraphError, match=r"lost its workers .* 2 of 2 events are left"),
    ):
        list(crew.share(abs, [1, 2], tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_worker_without_the_package_is_named_once(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address=None,
            preload=["import sys; sys.modules['hitgraph'] = None"],
            local_directory=str(tmp_path),
        ) as local,
        pytest.raises(HitgraphError, match=r"a Dask worker lacks a package .*: start the workers"),
        hire(dask=local.scheduler_address) as crew,
    ):
        list(crew.share(abs, [1, 2], tmp_path))


def test_other_versions_and_folders_that_are_not_shared_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"worker tcp://a:1 has hitgraph 0\.1\.0, and here is"):
        cluster.require_version("0.1.0", "tcp://a:1")
    with pytest.raises(SettingsError, match="has no hitgraph, and here is"):
        cluster.require_version(None, "tcp://a:1")
    answer, _ = cluster._do(tmp_path, tmp_path, 0, 1, "0.1.0")
    assert "a Dask worker has hitgraph" in str(answer)
    answer, _ = cluster._do(tmp_path / "away", tmp_path, 0, 1, cluster.__version__)
    assert f"does not see {tmp_path / 'away'}" in str(answer)


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
def test_no_scheduler_there(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed (extra dist)")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(SettingsError, match="no Dask scheduler answers"), hire(dask=address):
        pass


def test_missing_dask_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[dist\]"):
        cluster.connect("tcp://127.0.0.1:9")
