"""Many simulated events in a folder: shared, interrupted, resumed, refused."""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.simulate.conftest import GUN

from hitgraph.cli import main
from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import read_event
from hitgraph.event.store import read_dataset_info, write_dataset_info, write_detectors
from hitgraph.simulate import needs
from hitgraph.simulate.folder import dataset_info
from hitgraph.simulate.run import simulate
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.simulator import Simulator
from hitgraph.workers import Workers, hire

pytestmark = pytest.mark.usefixtures("one_import")

SameEvent = Callable[[Event, Event], None]


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"pileup": -1.0}, "pileup = -1"),
        ({"pileup": float("nan")}, "pileup = nan"),
        ({"pileup": 1e30}, r"pileup = 1e\+30: allowed is a number of collisions from 0 to 10000"),
        ({"noise": 1.0}, "noise = 1"),
        ({"noise": -0.1}, "noise"),
        ({"seed": -1}, "seed"),
        ({"hard": "higgs"}, "hard = higgs: allowed is ttbar or none"),
        ({"preset": "fancy"}, "preset = fancy: allowed is plain or trackml-like"),
        ({"pileup_spread": "fixed", "pileup": 2.5}, "a whole number of collisions"),
        ({"pileup_spread": "uniform"}, "pileup_spread = uniform: allowed is poisson or fixed"),
        ({"hard": "card"}, "card = 0 lines"),
        ({"card": ("Top:all = on",)}, "card = 1 lines"),
        ({"min_pt": 0.05}, "pt = 0.05:inf"),
        ({"min_pt": 2.0, "max_pt": 1.0}, "pt = 2:1"),
        ({"min_eta": 1.0, "max_eta": -1.0}, "eta = 1:-1"),
        ({"max_eta": 5.0}, "eta = -4:5"),
        ({"beam_sigma_xy": -0.1}, "beam_sigma"),
        ({"beam_sigma_z": 5000.0}, "beam_sigma"),
        ({"beam_centre": (0.0, 20.0, 0.0)}, "beam_centre"),
        ({"beam_centre": (0.0, 0.0, -2000.0)}, "beam_centre"),
        ({"pileup": 0.0, "hard": "none"}, "pileup"),
        ({"gun": ParticleGun()}, "gun"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        replace(SimulationSettings(), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"particles": 0},
        {"pdg": 22},
        {"min_pt": 0.01},
        {"min_pt": 3.0, "max_pt": 2.0},
        {"max_eta": 5.0},
        {"displaced": -1.0},
        {"displaced": 1e9},
    ],
)
def test_impossible_guns_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"gun\."):
        replace(ParticleGun(), **wrong)


@pytest.fixture
def spawned(gun: Simulator) -> Iterator[None]:  # noqa: ARG001
    """After the test no worker process is left."""
    yield
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("spawned")
def test_two_workers_give_the_same_events_even_if_one_dies(
    gun: Simulator, tmp_path: Path, assert_same_event: SameEvent
) -> None:
    killed: list[int | None] = []

    def kill_one_once() -> None:
        if not killed:
            child = multiprocessing.active_children()[0]
            killed.append(child.pid)
            child.kill()

    write_detectors(gun.detector, tmp_path)
    result = simulate(GUN, tmp_path, range(1000, 1004), Workers(2), advance=kill_one_once)
    assert len(killed) == 1
    assert [one.number for one in result.done] == [1000, 1001, 1002, 1003]
    assert not result.failed
    for number in range(1000, 1004):
        event = read_event(tmp_path / f"event{number:09d}.hits.parquet")
        assert_same_event(replace(event, detector=None), replace(gun.event(number), detector=None))
    assert read_dataset_info(tmp_path)["events"] == [1000, 1001, 1002, 1003]


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_cluster_writes_the_same_files(gun: Simulator, scheduler: str, tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for out in (alone, shared):
        out.mkdir()
        write_detectors(gun.detector, out)
    simulate(GUN, alone, range(5, 7))
    with hire(dask=scheduler) as workers:
        result = simulate(GUN, shared, range(5, 7), workers)
    assert [one.number for one in result.done] == [5, 6]
    files = {path.name: path.read_bytes() for path in shared.iterdir()}
    assert len(files) == 2 * 4 + 2
    assert files == {path.name: path.read_bytes() for path in alone.iterdir()}


def test_a_start_that_made_no_event_does_not_bind_the_folder(
    gun: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_detectors(gun.detector, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Workers, "share", lambda *_, **__: (one for one in ()))  # all failed
        simulate(GUN, tmp_path, [1000])
    assert read_dataset_info(tmp_path)["events"] == []
    other = replace(GUN, seed=GUN.seed + 1)
    for resume in (False, True):
        simulate(other, tmp_path, [1000], resume=resume)
    assert read_dataset_info(tmp_path)["seed"] == other.seed
    with pytest.raises(SettingsError, match="made with seed"):
        simulate(GUN, tmp_path, [1001], resume=True)


@pytest.mark.usefixtures("spawned")
def test_interrupted_then_resumed(
    gun: Simulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    write_detectors(gun.detector, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        simulate(GUN, tmp_path, range(1000, 1005), advance=interrupt)
    complete = {path.name[:14] for path in tmp_path.glob("*.hits.parquet")}
    assert "event000001000" in complete
    assert {path.name[:14] for path in tmp_path.glob("event*")} == complete  # nothing half-made
    assert not list(tmp_path.glob(".*"))
    assert read_dataset_info(tmp_path)["events"][0] == 1000

    blocked = tmp_path / "event000001003.truth.parquet"  # cannot be written: is a folder
    blocked.mkdir()
    arguments = ["--events", "5", "--particle-gun", "40", "--gun-pt", "1:5", "--seed", "7"]
    arguments += ["--preset", "plain", "--field", "constant:2", "--workers", "1"]
    status = main(
        [
            "simulate",
            str(tmp_path),
            *arguments,
            "--resume",
            "--quiet",
            "--json",
            str(tmp_path / "run.json"),
        ]
    )
    said = capfd.readouterr()
    assert status == 1
    summary = json.loads((tmp_path / "run.json").read_text())
    assert list(summary["failed"]) == ["1003"]
    assert summary["skipped"] == sorted(int(name[5:]) for name in complete)
    assert len(summary["events"]) + len(summary["skipped"]) == 4
    assert read_dataset_info(tmp_path)["events"] == [1000, 1001, 1002, 1004]
    assert not list(tmp_path.glob("event000001003.[hcp]*"))
    assert "event 1003" in said.err
    assert len(said.out.splitlines()) <= 3  # ACTS and Pythia are silent


def _write_info(folder: Path, wanted: SimulationSettings) -> None:
    write_dataset_info(folder, dataset_info(wanted))


@pytest.mark.usefixtures("gun")
def test_other_settings_do_not_mix(tmp_path: Path) -> None:
    _write_info(tmp_path, GUN)
    with pytest.raises(SettingsError, match="add --resume"):
        simulate(GUN, tmp_path, [1])
    with pytest.raises(SettingsError, match=r"noise 0\.15 \(now 0\.1\)"):
        simulate(replace(GUN, noise=0.1), tmp_path, [1], resume=True)
    with pytest.raises(SettingsError, match=r"seed 7 \(now 8\)"):
        simulate(replace(GUN, seed=8), tmp_path, [1], resume=True)


@pytest.mark.usefixtures("gun")
def test_a_folder_from_before_a_setting_was_there_is_gone_on_with(tmp_path: Path) -> None:
    info = dataset_info(GUN)
    del info["settings"]["beam_centre"]
    write_dataset_info(tmp_path, info)
    moved = replace(GUN, beam_centre=(0.0, 0.0, 100.0))
    with pytest.raises(SettingsError, match=r"beam_centre \[0\.0, 0\.0, 0\.0\] \(now"):
        simulate(moved, tmp_path, [1], resume=True)
    assert simulate(GUN, tmp_path, [], resume=True).failed == {}


@pytest.mark.usefixtures("gun")
def test_events_of_unknown_origin_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "event000000001.hits.parquet").touch()
    with pytest.raises(SettingsError, match=r"no dataset\.json"):
        simulate(GUN, tmp_path, [1], resume=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pileup", "-3"], "pileup = -3"),
        (["--noise", "1"], "noise = 1"),
        (["--preset", "other"], "preset = other"),
        (["--gun-pt", "1:2"], "add --particle-gun"),
        (["--particle-gun", "3", "--hard", "ttbar"], "--hard"),
        (["--pileup", "fixed:2.5"], "whole number"),
        (["--pileup", "many"], "--pileup many"),
        (["--hard", "no-such-file"], "no-such-file: is no Pythia card"),
        (["--pt", "0.01:"], "pt = 0.01:inf"),
        (["--eta=-9:9"], "eta = -9:9"),
        (["--beam-spot", "0.1:"], "--beam-spot needs two numbers"),
        (["--field", "2"], "write constant:2"),
        (["--field", "constant:99"], "99 T is not allowed"),
        (["--field", "no-such-file"], "field no-such-file: there is no such file"),
        (["--particle-gun", "3", "--gun-displaced", "-1"], "gun.displaced"),
        (["--dask", "tcp://nowhere:1", "--workers", "2"], "--workers"),
    ],
)
def test_command_refuses_before_any_work(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "out"), "--events", "1", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", ["0", "1.5", "many", str(2**63), "9" * 5000])
def test_a_number_of_an_event_that_no_table_holds_is_refused(
    number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["simulate", str(tmp_path / "out"), "--events", "1", "--first", number])
    assert "is not a whole number from 1 to 2^63 - 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_events_is_an_argument_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", str(tmp_path), "--events", "0"])
    assert stopped.value.code == 2


@pytest.mark.usefixtures("gun")
def test_a_file_in_the_way_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    for place in ("out", "out/deeper"):
        assert main(["simulate", str(tmp_path / place), "--events", "1", "--quiet"]) == 2
        assert "out" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"hitgraph\[sim\]"):
        simulate(GUN, tmp_path / "out", [1])
    assert not (tmp_path / "out").exists()
