"""`hitgraph simulate --world`: folders of events of other detectors, whatever the world."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hitgraph.cli import main
from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events, read_event
from hitgraph.event.store import world_of
from hitgraph.simulate.run import simulate
from hitgraph.simulate.worlds import WORLDS, world_settings

TABLES = ("hits", "cells", "particles", "truth")


def same(one: Event, other: Event) -> bool:
    """Whether all tables are equal."""
    return all(
        np.array_equal(getattr(getattr(one, table), field.name), getattr(table_of, field.name))
        for table in TABLES
        for table_of in [getattr(other, table)]
        for field in dataclasses.fields(table_of)
    )


@pytest.mark.parametrize("world", WORLDS)
def test_an_event_is_a_function_of_settings_seed_and_number(world: str) -> None:
    settings = world_settings(world, {"seed": 3})
    simulator = settings.simulator()
    first = simulator.event(1000)
    assert same(simulator.event(1000), first)
    assert same(world_settings(world, {"seed": 3}).simulator().event(1000), first)
    assert not same(simulator.event(1001), first)
    assert not same(world_settings(world, {"seed": 4}).simulator().event(1000), first)


@pytest.mark.parametrize("world", WORLDS)
def test_a_folder_keeps_its_events_and_how_they_were_made(world: str, tmp_path: Path) -> None:
    out, report = tmp_path / "events", tmp_path / "report.json"
    arguments = ["simulate", str(out), "--world", world, "--seed", "3", "--workers", "1", "--quiet"]
    assert main([*arguments, "--events", "2", "--json", str(report)]) == 0
    sources = list_events([out])
    assert world_of(source.path for source in sources) == world
    made = world_settings(world, {"seed": 3}).simulator()
    for source in sources:
        event = source.read()
        assert same(event, made.event(event.number))
        assert event.field == made.detector.field
        assert event.truth is not None
        assert event.truth.weight.sum() == pytest.approx(1, abs=1e-3)
    content = json.loads(report.read_text())
    assert content["settings"]["world"] == world
    assert content["settings"]["seed"] == 3
    (out / f"{sources[0].name}.hits.parquet").unlink()  # the event is incomplete now
    assert main([*arguments, "--events", "2", "--resume"]) == 0
    assert same(read_event(out / sources[0].name), made.event(sources[0].number))
    assert main([*arguments, "--seed", "4", "--events", "2", "--resume"]) == 2


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_needs_no_extra(
    world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("acts", "pythia8mc"):
        monkeypatch.setitem(sys.modules, package, None)  # to import it is an error
    result = simulate(world_settings(world, {}), tmp_path, [1000])
    assert len(result.done) == 1
    assert result.failed == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--world", "nowhere"], "--world: 'nowhere' is not allowed; one of hgcal"),
        (["--set", "showers=3"], "--set showers=3: belongs to another world: add --world NAME"),
        (["--world", "hgcal", "--set", "showers"], "--set showers: give KEY=VALUE"),
        (["--world", "hgcal", "--set", "shower=3"], "did you mean showers?"),
        (["--world", "hgcal", "--set", "showers=many"], "showers: 'many' is not allowed"),
        (["--world", "hgcal", "--pileup", "20"], "--pileup is about the tracker, not about"),
        (["--world", "hgcal", "--gun-pt", "1:2"], "--gun-pt is about the tracker"),
        (["--world", "hgcal", "--seed", "-1"], "seed: -1 is not allowed, 0 to"),
    ],
)
def test_what_cannot_be_simulated_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "out"), "--events", "1", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_world_is_said_only_where_all_events_are_of_it(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"preset": "plain"}')
    assert world_of([tmp_path / "event1"]) is None
    with pytest.raises(SettingsError, match="--world: 'tracker'"):
        world_settings("tracker", {})
