"""The validation table, and how a sample says what it is."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitgraph.cli import main
from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.rows import select_hits
from hitgraph.event.source import read_event
from hitgraph.event.store import (
    preset_of,
    read_dataset_info,
    write_dataset_info,
    write_detectors,
    write_event,
)
from hitgraph.event.truth import particle_rows
from hitgraph.simulate.segments import median_with_error, segments
from hitgraph.simulate.validate import ENOUGH_EVENTS, Row, Sample, compare, read_sample

REAL = "trackml_sample/event000000001"


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Event:
    return read_event(shared_data / REAL)


def test_rows_of_the_real_event_are_those_of_the_docs(real: Event) -> None:
    """Numbers found independently, when the simulation was designed."""
    sample = Sample()
    sample.add(real)
    values = {name: value for name, (value, _) in sample.values().items()}
    known = {
        "hits/particle, mean": 10.0,
        "hits/particle, median": 11,
        "hits/particle, 10 % point": 3,
        "secondaries > 0.15 GeV, %": 25,
        "protons, %": 11.7,
        "antiprotons, %": 2.37,
        "hits in volume 8, %": 24.2,
        "hits in volume 17, %": 8.4,
        "cells/hit, volume 8": 7.00,
        "cells/hit, volume 18": 3.14,
        "hit to crossing 8, mm": 0.0118,
        "hit to crossing 17, mm": 2.66,
    }
    for name, value in known.items():
        assert values[name] == pytest.approx(value, rel=0.01), name


def test_field_and_losses_of_the_real_event_are_those_of_the_docs(real: Event) -> None:
    """Found independently, when the simulation was designed and tuned."""
    sample = Sample()
    sample.add(real)
    values = sample.values()
    fields = {name: one for name, one in values.items() if name.startswith("field ")}
    known = [2.001, 1.975, 1.923, 1.819, 1.681, 1.305, 0.379, -0.294]
    for (name, (value, error)), expected in zip(fields.items(), known, strict=True):
        assert value == pytest.approx(expected, abs=2.5 * error), name
    losses = {
        "pions 0.2-0.3": 1.05,
        "pions 0.3-0.5": 0.91,
        "pions 0.5-1": 0.85,
        "pions 1-3": 0.81,
        "protons 0.2-0.3": 1.26,
        "protons 0.3-0.5": 0.82,
    }
    for name, expected in losses.items():
        assert values[f"lost by {name} GeV, MeV"][0] == pytest.approx(expected, rel=0.02), name


def test_segments_of_helices_have_their_field_and_lose_nothing(
    make_event: Callable[..., Event],
) -> None:
    event = make_event(n_particles=300, n_noise=40, seed=4)  # in 2 T
    assert event.particles is not None
    found = segments(event)
    assert len(found.particle) == 3 * 300  # four layers
    assert set(event.particles.q[found.particle].tolist()) == {-1, 1}
    assert np.median(found.field) == pytest.approx(2.0, rel=0.005)
    assert (np.abs(found.field - 2) < 0.1).mean() > 0.95  # hits lie beside their momenta
    assert np.abs(found.lost).max() < 1e-3
    p = event.particles
    size = np.sqrt(p.px**2 + p.py**2 + p.pz**2)
    np.testing.assert_allclose(found.momentum, size[found.particle], rtol=1e-5)


def test_the_error_of_a_median_counts_particles_not_segments() -> None:
    rng = np.random.default_rng(5)
    medians, errors = [], []
    for _ in range(300):
        own = rng.normal(size=400)
        values = np.repeat(own, 5) + rng.normal(0, 1e-3, 2000)  # a particle's are all but equal
        median, error = median_with_error(values, np.repeat(np.arange(400), 5))
        medians.append(median)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(medians), rel=0.2)
    alone = median_with_error(rng.normal(size=4000), np.arange(4000))[1]
    assert alone == pytest.approx(np.sqrt(np.pi / 2 / 4000), rel=0.2)


def test_two_per_cent_of_a_field_is_a_difference() -> None:
    assert not Row("field at |z| 0-200 mm, T", 2.0, 0.01, 1.95, 0.0).agrees
    assert Row("field at |z| 0-200 mm, T", 2.0, 0.01, 1.97, 0.0).agrees
    assert Row("field at |z| 2000-2500 mm, T", 0.5, 0.1, 0.41, 0.0).agrees


def test_error_is_that_of_many_samples(real: Event) -> None:
    """The spread of the mean over resampled particles is the error given for one sample."""
    assert real.particles is not None
    hits = real.particles.nhits[real.particles.nhits > 0]
    rng = np.random.default_rng(1)
    spread = np.std([rng.choice(hits, len(hits)).mean() for _ in range(2000)])
    sample = Sample()
    sample.add(real)
    error = sample.values()["hits/particle, mean"][1]
    assert error == pytest.approx(spread, rel=0.06)


def test_an_event_agrees_with_itself_and_twice_the_data_has_smaller_errors(real: Event) -> None:
    once, twice = Sample(), Sample()
    once.add(real)
    twice.add(real)
    twice.add(real)
    rows = compare(once, twice)
    assert len(rows) > 30
    for row in rows:
        assert row.agrees
        assert row.simulated == pytest.approx(row.real)
        if not row.name.startswith(("hits/particle, 1", "hits/particle, med", "field", "lost")):
            assert row.simulated_error == pytest.approx(row.real_error / np.sqrt(2))


def test_what_varies_from_event_to_event_is_in_the_errors(real: Event) -> None:
    """Events that are half barrel only, half without: particles are not independent there."""
    assert real.particles is not None
    pt = np.hypot(real.particles.px, real.particles.py)
    central = np.abs(real.particles.pz) < pt
    inside = central[particle_rows(real)]
    simulated, one = Sample(), Sample()
    for _ in range(ENOUGH_EVENTS // 2):
        assert simulated.between_events() == {}
        simulated.add(select_hits(real, inside))
        simulated.add(select_hits(real, ~inside))
    one.add(real)
    name = "hits in volume 7, %"
    extra = simulated.between_events()[name]
    shares = [100 * np.mean(real.hits.volume_id[keep] == 7) for keep in (inside, ~inside)] * (
        ENOUGH_EVENTS // 2
    )
    particles = one.values()[name][1]
    assert 0.8 * np.std(shares) < extra < 1.1 * np.std(shares)
    row = next(row for row in compare(one, simulated) if row.name == name)
    assert row.real_error == pytest.approx(np.hypot(particles, extra))
    assert row.simulated_error == pytest.approx(
        np.hypot(simulated.values()[name][1], extra / np.sqrt(ENOUGH_EVENTS))
    )


def test_chance_is_that_of_a_normal_distribution() -> None:
    draws = np.random.default_rng(3).normal(10.0, [[0.5], [2.0]], (2, 20_000))
    for row, drawn in zip((Row("", 10, 0.5, 10, 0), Row("", 10, 2, 10, 0)), draws, strict=True):
        off = np.mean(np.abs(drawn - row.real) > row.allowed)
        assert row.chance == pytest.approx(off, abs=0.01)


@pytest.mark.parametrize(
    ("row", "agrees"),
    [
        (Row("", 10.0, 0.1, 10.9, 0.0), True),  # 10 %
        (Row("", 10.0, 0.1, 11.1, 0.0), False),
        (Row("", 10.0, 3.0, 7.1, 0.0), True),  # the error is larger
        (Row("", -10.0, 0.1, -10.9, 0.0), True),
        (Row("", 0.0, 0.1, 0.05, 0.1), True),
        (Row("", 0.0, 0.1, 0.5, 0.1), False),
    ],
)
def test_agreement_is_one_deviation_or_ten_per_cent(row: Row, agrees: bool) -> None:
    assert row.agrees is agrees


def test_what_the_table_needs_is_named(real: Event) -> None:
    with pytest.raises(InputError, match="has no detectors table"):
        Sample().add(replace(real, detector=None))
    with pytest.raises(InputError, match="no truth"):
        Sample().add(replace(real, truth=None))


def test_how_an_event_was_made_travels_with_it(real: Event, tmp_path: Path) -> None:
    write_event(real, tmp_path, {"preset": "plain", "seed": 3})
    assert read_dataset_info(tmp_path) == {"preset": "plain", "seed": 3}
    write_event(real, tmp_path)
    assert read_dataset_info(tmp_path) == {}


def test_command_sets_two_samples_side_by_side(
    real: Event, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    write_event(real, store, {"preset": "plain"})
    assert real.detector is not None
    write_detectors(real.detector, store)
    arguments = [str(store), "--validate", str(shared_data / REAL), "--json"]
    assert main(["simulate", *arguments, str(tmp_path / "table.json")]) == 0
    said = capsys.readouterr().out
    assert "preset plain, 1 event" in " ".join(said.split())
    table = json.loads((tmp_path / "table.json").read_text())["validation"]
    assert all(row["agrees"] for row in table["rows"])
    assert {"name", "real", "real_error", "simulated", "simulated_error"} <= set(table["rows"][0])
    assert "off" not in [line.split()[-1] for line in said.splitlines() if line.split()]


def test_nothing_to_compare_with_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store").mkdir()
    assert main(["simulate", str(tmp_path / "store"), "--validate", str(tmp_path)]) == 2
    assert "no event in there" in capsys.readouterr().err
    assert main(["simulate", str(tmp_path / "store")]) == 2
    assert "--events N" in capsys.readouterr().err


def test_bad_event_is_listed_and_the_others_count(real: Event, tmp_path: Path) -> None:
    write_event(real, tmp_path)
    assert real.detector is not None
    write_detectors(real.detector, tmp_path)
    (tmp_path / "event000000002.hits.parquet").write_bytes(b"not parquet")
    _, title, failed = read_sample([tmp_path])
    assert "1 event)" in title
    assert list(failed) == [str(tmp_path / "event000000002")]


def test_presets_of_several_folders(tmp_path: Path) -> None:
    for name in ("b", "a", "a2", "none"):
        (tmp_path / name).mkdir()
        preset = {"b": "trackml-like", "none": None}.get(name, "plain")
        write_dataset_info(tmp_path / name, {"preset": preset} if preset else {})
    events = [tmp_path / name / "event000000001" for name in ("b", "a", "a2", "none")]
    assert preset_of(events) == "plain and trackml-like"
    assert preset_of(events[1:3]) == "plain"
    assert preset_of(events[3:]) is None
