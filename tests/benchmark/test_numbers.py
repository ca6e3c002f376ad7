"""What is computed from the samples: powers, spreads, changes, farms."""

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.benchmark.compare import compare_runs
from hitgraph.benchmark.growth import fit_power
from hitgraph.benchmark.planning import Assumptions, farm, plan
from hitgraph.benchmark.summary import spread

STAGES = ("read", "gnn", "all")


def a_run(
    factor: float = 1.0, ruler: float = 1.0, repeats: int = 5, score: float = 0.9
) -> dict[str, Any]:
    """A run whose times scatter by 1 % and were all `factor` times as long."""
    rng = np.random.default_rng(round(1000 * factor))

    def samples() -> dict[str, list[float | None]]:
        times = (factor * rng.normal(1, 0.01, repeats)).tolist()
        return {"wall": times, "cpu": times, "peak": [1e9] * repeats, "gpu_peak": [None] * repeats}

    ratio = {"passed": 9, "total": 10, "value": 0.9}
    part = {
        "events": [
            {"event": name, "n_hits": 9, "stages": {stage: samples() for stage in STAGES}}
            for name in ("e1", "e2")
        ],
        "yardstick": [ruler, ruler],
        "quality": {
            "trackml_score": {"value": score},
            "technical_efficiency": {"0.5": ratio},
            "purity": ratio,
        },
    }
    return {"hitgraph": "1", "machine": {"cpu": "x"}, "parts": {"stages, cpu, 1 thread": part}}


def changed(before: dict[str, Any], now: dict[str, Any]) -> set[str]:
    return {c.what for c in compare_runs(before, now).changes if c.beyond_noise}


@given(
    power=st.floats(0.5, 2.0),
    scale=st.floats(1e-6, 1e-3),
    sizes=st.lists(st.integers(1_000, 1_000_000), min_size=3, max_size=8, unique=True),
)
def test_the_power_of_a_power_law(power: float, scale: float, sizes: list[int]) -> None:
    found, error = fit_power(sizes, [scale * n**power for n in sizes])
    assert found == pytest.approx(power, abs=1e-3)
    assert error == pytest.approx(0, abs=1e-3)


def test_a_power_needs_two_sizes_and_an_error_three() -> None:
    assert fit_power([10], [1.0]) == (None, None)
    assert fit_power([10, 100], [1.0, 10.0]) == (pytest.approx(1.0), None)
    assert fit_power([10, 100], [0.0, 1.0]) == (None, None)


def test_the_spread_of_a_normal_distribution_is_its_standard_deviation() -> None:
    samples = np.random.default_rng(0).normal(5, 2, 20_000).tolist()
    found = spread(samples)
    assert found is not None
    assert found.median == pytest.approx(5, abs=0.05)
    assert found.half_width == pytest.approx(2, abs=0.05)
    assert found.largest == max(samples)
    assert spread([None, None]) is None


def test_a_run_compared_with_itself_has_not_changed() -> None:
    run = a_run()
    comparison = compare_runs(run, copy.deepcopy(run))
    assert len(comparison.changes) == 3 * 3 + 3
    assert not any(change.beyond_noise for change in comparison.changes)
    assert comparison.notes == ()


def test_a_change_beyond_the_scatter_is_found_either_way() -> None:
    everything = {f"{stage} {clock}" for stage in STAGES for clock in ("wall", "cpu")}
    assert changed(a_run(1.0), a_run(1.2)) == everything
    assert changed(a_run(1.2), a_run(1.0)) == everything


def test_what_the_machine_changed_is_not_held_against_the_code() -> None:
    before, now = a_run(1.0), a_run(1.2, ruler=1.2)
    assert changed(before, now) == set()
    assert any("the machine itself" in note for note in compare_runs(before, now).notes)


def test_a_change_below_five_per_cent_is_noise() -> None:
    assert changed(a_run(1.0), a_run(1.03)) == set()


def test_too_few_repeats_tell_nothing_and_say_so() -> None:
    before, now = a_run(1.0, repeats=3), a_run(1.5, repeats=3)
    assert changed(before, now) == set()
    assert any("5 are needed" in note for note in compare_runs(before, now).notes)


def test_a_worse_score_is_told() -> None:
    assert changed(a_run(), a_run(score=0.88)) == {"score"}


def test_other_events_are_not_compared() -> None:
    before, now = a_run(), a_run()
    now["parts"]["stages, cpu, 1 thread"]["events"][0]["event"] = "another"
    comparison = compare_runs(before, now)
    assert comparison.changes == ()
    assert "not the same events" in comparison.notes[0]


def test_a_farm_of_cores() -> None:
    a = Assumptions(utilisation=0.5, core_price=100, core_power=10, overhead=2, years=1)
    one = farm("full events", "core", 1000.0, 2.0, 100e3, 200e3, 1.0, a)
    assert one.per_unit == pytest.approx(1.0)  # twice the hits take twice the time
    assert one.units == 2000
    assert one.price == pytest.approx(200e3)
    assert one.power == pytest.approx(40e3)
    assert one.energy_cost == pytest.approx(40 * 8766 * a.power_price)


@given(rate=st.floats(1, 1e6), exponent=st.floats(0.8, 2))
def test_a_farm_keeps_up_with_its_rate(rate: float, exponent: float) -> None:
    one = farm("full events", "GPU", rate, 20.0, 120e3, 300e3, exponent)
    assert one.units * one.per_unit * Assumptions().utilisation >= rate * (1 - 1e-9)
    assert (one.units - 1) * one.per_unit * Assumptions().utilisation < rate


def test_the_plan_takes_the_best_layout_and_marks_what_is_not_measured() -> None:
    def part(rate: float, processes: int, share: float, crowded: bool = False) -> dict[str, Any]:
        return {
            "events_per_second": rate,
            "cpu_seconds_per_event": 0.1,
            "crowded": crowded,
            "processes": processes,
            "threads": 1,
            "hits_per_event": 120e3 * share,
            "share": share,
            "device": "cpu",
        }

    parts = {
        "throughput, cpu, a": part(0.5, 1, 1.0),
        "throughput, cpu, b": part(0.8, 2, 1.0),
        "throughput, cpu, c": part(6.0, 2, 0.1),
    }
    farms = {(one.task, one.unit): one for one in plan({"parts": parts})}
    assert farms["full events", "core"].per_unit == pytest.approx(0.5 * 120 / 300)
    assert farms["regions", "core"].per_unit == pytest.approx(3.0 * 120 / 300)
    assert all("not measured" in task for task, unit in farms if unit == "GPU")
    assert math.isfinite(sum(one.price for one in farms.values()))
    assert plan({"parts": {}}) == []
    busy = {"throughput, cpu, a": part(0.01, 1, 1.0, crowded=True)}
    assert plan({"parts": busy})[0].per_unit == pytest.approx(10 * 120 / 300)  # from CPU time
