"""The tables of every kind of measurement: a cell for each column, the numbers put in."""

from pathlib import Path
from typing import Any

import pytest

from hitgraph.benchmark.compare import Change, Comparison
from hitgraph.benchmark.planning import plan
from hitgraph.benchmark.summary import Spread
from hitgraph.benchmark.tables import all_tables, comparison_table, plan_table
from hitgraph.benchmark.text import Table, markdown, power, with_spread

RATIO = {"passed": 90, "total": 100, "value": 0.9}
QUALITY = {
    "n_events": 1,
    "trackml_score": {"value": 0.912, "error": None},
    "trackml_score_primaries": {"value": 0.934, "error": 0.002},
    "technical_efficiency": {"0.1": RATIO, "1": RATIO},
    "purity": RATIO,
}
LOAD = {"crowded": True, "load": {"average": 3.0, "busy": 1.5}}


def readings(seconds: float, gpu: bool = False) -> dict[str, list[Any]]:
    gpu_peak = 2e9 if gpu else None
    return {"wall": [seconds], "cpu": [2 * seconds], "peak": [1e9], "gpu_peak": [gpu_peak]}


def stages_part(
    seconds: float, device: str = "cpu", names: tuple[str, ...] = ("read", "gnn")
) -> Any:
    events = []
    for n_hits in (1000, 2000):
        stages = {name: readings(seconds, device != "cpu") for name in (*names, "all")}
        event = {"event": f"event{n_hits}", "n_hits": n_hits, "edges": {"gnn": 5}, "score": 0.9}
        events.append(event | {"stages": stages})
    return {
        "device": device,
        "threads": 1,
        "loaded_bytes": 5e8,
        "events": events,
        "quality": QUALITY,
        **LOAD,
    }


def a_run() -> dict[str, Any]:
    """One of every kind of measurement."""
    fit = {clock: {"exponent": 1.1, "error": 0.02} for clock in ("wall", "cpu", "steady")}
    growth = stages_part(1.0) | {
        "exponents": {"read": fit, "gnn": fit, "all": fit},
        "made": {"event1000": "1 event", "event2000": "2 events overlaid"},
    }
    first = {
        "load_seconds": 3.0,
        "first_event": {"wall": 40.0, "cpu": 39.0},
        "warm_event": {"wall": 2.0, "cpu": 2.0},
        "compiled": 17,
    }
    startup = {
        "seconds": {"hitgraph --help": 0.1},
        "event": "event1",
        "empty_cache": first,
        "filled_cache": first | {"compiled": 0},
    }
    rate = {
        "device": "cpu",
        "processes": 2,
        "threads": 1,
        "in_flight": 1,
        "share": 1.0,
        "pinned": True,
        "events": 10,
        "events_per_second": 0.5,
        "cpu_seconds_per_event": 4.0,
        "hits_per_event": 120e3,
        "peak_bytes": 2e9,
    }
    reference = {
        "device": "cpu",
        "share": 0.5,
        "n_hits": 55_000,
        "edges": {"graph": 2_500_000, "filter": 500_000},
        "stages": {"embed": readings(3.0), "all": readings(150.0)},
    }
    parts = {
        "stages, cpu, 1 thread": stages_part(2.0),
        "stages, cuda, 2 threads": stages_part(0.05, "cuda:0"),
        "start-up, cpu, 1 thread": startup,
        "growth, cpu, 1 thread": growth,
        "throughput, cpu, 2 x 1 threads": rate | LOAD,
        "ckf": stages_part(30.0, names=("read",)) | {"stage_seconds": {"CKF": 27.0}},
        "reference sizes, cpu, 1 thread": reference,
    }
    machine = {"cpu": "a processor", "cores": 2, "torch": "2.9", "gpu": None}
    head = {"hitgraph": "1", "pipeline": "p", "fingerprint": "abc", "repeats": 1, "preset": "plain"}
    return head | {"machine": machine, "parts": parts}


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    return {table.title: table for table in all_tables(a_run())}


def test_every_measurement_has_its_table(tables: dict[str, Table]) -> None:
    assert list(tables) == [
        "Stages",
        "Start-up, cpu, 1 thread",
        "Growth, cpu, 1 thread",
        "Throughput",
        "Reference sizes, cpu, 1 thread",
        "Beside the combinatorial Kalman filter",
    ]
    for table in tables.values():
        assert {len(row) for row in table.rows} == {len(table.header)}, table.title
        lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
        assert {line.count(" |") for line in lines} == {len(table.header)}


def test_speed_and_quality_stand_in_one_table(tables: dict[str, Table]) -> None:
    rows = {row[0]: row for row in tables["Stages"].rows}
    assert "2.000 ± 0.000" in rows["all"]
    assert "0.050 ± 0.000" in rows["all"]
    assert "2.00 ± 0.00" in rows["gnn"]  # GB of GPU memory
    assert rows["score, primaries"].count("0.934 ± 0.002") == 2
    assert rows["score"].count("0.912") == 2
    assert rows["gnn"][1] == "5"
    assert "preset plain" in tables["Stages"].notes[0]


def test_the_ratio_to_the_kalman_filter_is_that_of_the_cpu_times(tables: dict[str, Table]) -> None:
    rows = tables["Beside the combinatorial Kalman filter"].rows
    assert [row[:1] + row[3:4] for row in rows] == [
        ("ACTS CKF", "1"),
        ("1 thread", "15"),
        ("cuda:0", "600"),
    ]


def test_a_busy_machine_is_told(tables: dict[str, Table]) -> None:
    for title in ("Stages", "Throughput", "Growth, cpu, 1 thread"):
        assert "machine was busy" in tables[title].notes[-1]
    assert not any("busy" in note for note in tables["Start-up, cpu, 1 thread"].notes)


def test_what_is_timing_only_says_so(tables: dict[str, Table]) -> None:
    note = tables["Reference sizes, cpu, 1 thread"].notes[0]
    assert note.startswith("Timing only: seeded weights")
    assert "0.5 of the sizes" in note


def test_a_comparison_shows_what_changed() -> None:
    changes = (
        Change("stages", "gnn cpu", "CPU s", 2.0, 1.0, 0.008, True),
        Change("stages", "all wall", "s", 2.0, 2.01, 0.7, False),
    )
    table = comparison_table(Comparison(changes, ("a note",)))
    assert table.rows == (("stages", "gnn cpu", "2 CPU s", "1 CPU s", "0.50", "0.008"),)
    assert table.notes[0].startswith("1 of 2 numbers changed")
    assert table.notes[-1] == "a note"


def test_the_plan_is_a_table() -> None:
    table = plan_table(plan(a_run()))
    assert [row[:2] for row in table.rows] == [
        ("full events", "core"),
        ("full events, GPU assumed, not measured", "GPU"),
    ]
    assert {len(row) for row in table.rows} == {len(table.header)}


def test_numbers_as_they_are_written() -> None:
    assert with_spread(Spread(1.23456, 0.0123, 2.0), 1) == "1.235 ± 0.012"
    assert with_spread(Spread(1.5e9, 1e7, 2e9), 1e9) == "1.50 ± 0.01"
    assert with_spread(None, 1) == "-"
    assert power({"exponent": 1.0512, "error": 0.021}) == "1.05 ± 0.02"
    assert power({"exponent": 1.0512, "error": None}) == "1.05"
    assert power({"exponent": None, "error": None}) == "-"


def test_the_plot_of_the_growth(tmp_path: Path) -> None:
    pytest.importorskip("mplhep", reason="needs the extra plot")
    from hitgraph.benchmark.plot import write_growth_plot

    growth = {n: part for n, part in a_run()["parts"].items() if n.startswith("growth")}
    write_growth_plot(growth, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
