"""Scans and curves: what events add up to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import InputError, SettingsError
from hitgraph.evaluation.metrics import evaluate, truth_labels
from hitgraph.event.event import Event
from hitgraph.event.field import solenoid
from hitgraph.event.store import write_dataset_info
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.studies.particles import VARIABLES, efficiency_curves
from hitgraph.studies.quality import quality_of, together
from hitgraph.studies.samples import sample_settings, setting_of
from hitgraph.studies.scan import collect
from hitgraph.studies.scan_output import Axis, scan_result
from hitgraph.studies.size import columns, growth

EventMaker = Callable[..., Event]


def test_quality_of_several_events_is_that_of_all_their_particles(
    straight_event: EventMaker,
) -> None:
    good = straight_event([6, 6], noise=2)
    bad = straight_event([6, 6, 6], noise=0)
    labels = truth_labels(bad)
    labels[:6] = -1
    quality = together([quality_of(good, truth_labels(good)), quality_of(bad, labels)])
    assert (quality.technical["0.5"].passed, quality.technical["0.5"].total) == (4, 5)
    assert (quality.purity.passed, quality.purity.total) == (4, 4)
    assert quality.score == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)
    assert quality.score_primaries == pytest.approx(quality.score)  # all particles are
    assert quality.noise == pytest.approx(2 / 32)
    assert quality.n_hits == (14, 18)
    assert sum(quality.by_pt.passed) == 4


def test_points_are_sorted_into_series_and_values(straight_event: EventMaker) -> None:
    event = straight_event([6, 6], noise=2)
    counts = quality_of(event, truth_labels(event))
    points = {
        f"{name}{variant}{value}": {"pipeline": name, "variant": variant, "value": value, **counts}
        for name in ("a", "b")
        for variant in ("x", "y")
        for value in (1.0, 0.0)
    }
    scan = collect(points)
    assert list(scan) == ["a, x", "a, y", "b, x", "b, y"]
    assert list(scan["a, x"]) == [0.0, 1.0]
    shown = scan_result("noise", scan, Axis("value"), relative=True)
    assert len(shown.tables) == 4
    assert all(len(row) == len(table.columns) for table in shown.tables for row in table.rows)
    assert set(shown.figures) == {"noise", *(f"noise-pt-{k}" for k in range(1, 5))}
    assert [one["value"] for one in shown.data["series"]["b, y"]] == [0.0, 1.0]


def test_curves_against_pt_count_as_the_evaluation_does(straight_event: EventMaker) -> None:
    event = straight_event([8, 8, 8, 8], pt=[0.2, 0.7, 3.0, 30.0], eta=[0.1, 1, -1, 0.3])
    labels = truth_labels(event)
    labels[8:16] = -1
    curves = efficiency_curves(event, labels)
    assert set(curves) == set(VARIABLES)
    expected = evaluate(event, labels).matchings["double majority"].curves
    assert curves["pt"] == expected["technical efficiency vs pt"]
    assert curves["eta"] == expected["technical efficiency vs eta"]
    assert sum(curves["jet_pt"].total) == 1  # only the last makes a jet above 10 GeV
    assert sum(curves["nearest"].total) == 3
    assert sum(curves["nearest"].passed) == 2


def test_a_sample_tells_its_setting_or_is_refused(tmp_path: Path) -> None:
    write_dataset_info(tmp_path, {"settings": {"pileup": 50}})
    assert setting_of(tmp_path, "pileup") == 50.0
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(InputError, match=r"pileup.*hitgraph simulate.*--simulate"):
        setting_of(tmp_path, "pileup")


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"pileup": 50, "field": "solenoid"}, 1),
        ({"pileup": 50, "field": "solenoid:-0.5"}, -0.5),
        ({"pileup": 50, "field": "constant:1.983"}, 1),
        ({"pileup": 50, "field": 3.966}, 2),
        ({"pileup": 50}, 2 / 1.983),  # from before the setting: 2 T
    ],
)
def test_a_sample_tells_its_field_as_a_factor(
    settings: dict[str, object], factor: float, tmp_path: Path
) -> None:
    write_dataset_info(tmp_path, {"settings": settings})
    assert setting_of(tmp_path, "field") == pytest.approx(factor)


def test_the_factor_of_a_table_that_is_not_at_hand_is_not_told(tmp_path: Path) -> None:
    write_dataset_info(tmp_path, {"settings": {"field": "table:0123456789abcdef"}})
    with pytest.raises(InputError, match="does not tell the setting field"):
        setting_of(tmp_path, "field")


def test_samples_differ_in_what_is_studied_only() -> None:
    weak, strong = sample_settings("field", [0.95, 1.05], seed=4, pileup=20.0, preset="plain")
    assert (weak.field, strong.field) == (solenoid(0.95), solenoid(1.05))
    assert replace(weak, field=strong.field) == strong
    assert (weak.seed, weak.pileup, weak.preset) == (4, 20, "plain")
    assert sample_settings("pileup", [50])[0] == SimulationSettings(pileup=50)
    with pytest.raises(SettingsError, match=r"solenoid:100: 198\.3 T"):
        sample_settings("field", [2, 100])


def test_growth_is_the_power_of_the_number_of_hits() -> None:
    points = [
        {
            "n_hits": n,
            "edges": {"graph": 3 * n**2, "gnn": 5 * n},
            "seconds": 0.1 * np.sqrt(n),
            "cpu_seconds": 0.1 * n,
            "peak_bytes": None,
            "gpu_peak_bytes": None,
        }
        for n in (100, 1000, 10000)
    ]
    powers = {name: fit["power"] for name, fit in growth(points).items()}
    expected = {"edges, graph": 2, "edges, gnn": 1, "seconds": 0.5, "CPU seconds": 1}
    assert powers == pytest.approx(expected)
    assert list(columns(points)) == list(expected)
