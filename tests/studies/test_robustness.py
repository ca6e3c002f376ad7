"""The study `robustness`: rows, what they are compared with, and what refiners do."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hitgraph.evaluation.bins import VZ
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED
from hitgraph.event.source import list_events
from hitgraph.event.truth import summarise_particles
from hitgraph.pipeline import Pipeline
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.studies.conditions import CHANGES, NOMINAL, SAMPLES, TITLES, UNMODIFIED, changes
from hitgraph.studies.quality import quality_of
from hitgraph.studies.robustness import plan, refined_tracks, vertex_curve
from hitgraph.studies.robustness_output import QUALITY, difference, reference_of

EventMaker = Callable[..., Event]


def test_a_stage_is_told_what_it_gains_and_what_it_loses(straight_event: EventMaker) -> None:
    event = straight_event([8, 8, 8, 8], pt=[2.0, 2.0, 2.0, 0.7])
    particles, perfect = summarise_particles(event), truth_labels(event)
    before = perfect.copy()
    before[0:5] = 50  # the first is in two parts of more and fewer than half
    before[5:8] = 51
    before[8:12], before[12:16] = 52, 53  # the second in two halves, neither of which matches
    after = perfect.copy()
    after[16:24] = after[24:32] = 60  # the others are glued together
    counted = refined_tracks(event, particles, before, after)
    # of the three above 1 GeV the first is there before, the second is gained, the third lost
    assert counted == {"particles": 3, "before": 2, "after": 2, "gained": 1, "lost": 1}


def test_prompt_particles_are_sorted_by_where_they_collide(straight_event: EventMaker) -> None:
    event = straight_event([6, 6, 6, 6, 6], radius=[0.0, 0.0, 0.0, 0.0, 30.0])
    assert event.particles is not None
    vz = np.array([10.0, -195.0, 200.0, -1000.0, 0.0], np.float32)
    event = replace(event, particles=replace(event.particles, vz=vz))
    labels = truth_labels(event)
    labels[6:12] = -1
    curve = vertex_curve(event, summarise_particles(event), labels)
    places = VZ.edges[:-1]
    assert {low: n for low, n in zip(places, curve.total, strict=True) if n} == {
        10: 1,
        190: 1,
        200: 1,
        990: 1,  # and beyond
    }
    assert curve.passed[places.index(190)] == 0


def test_differences_of_the_same_events_have_the_scatter_of_the_differences(
    straight_event: EventMaker,
) -> None:
    measured = {}
    for row in ("before", "after"):
        measured[row] = []
        for k, n_lost in enumerate((0, 1, 3)):
            event = straight_event([6] * 10)
            labels = truth_labels(event)
            labels[: 6 * (n_lost + (row == "after"))] = -1  # one particle more is lost in each
            measured[row].append({"sample": str(k), **quality_of(event, labels)})
    score = QUALITY["score"]
    paired = difference(score, measured["after"], measured["before"])
    assert paired.value == pytest.approx(-0.1)
    assert paired.error == pytest.approx(0, abs=1e-9)
    other = [{**one, "sample": "x" + str(k)} for k, one in enumerate(measured["before"])]
    apart = difference(score, measured["after"], other)
    scatter = np.std([0, 0.1, 0.3], ddof=1) / math.sqrt(3)
    assert apart.value == pytest.approx(-0.1)
    assert apart.error == pytest.approx(math.sqrt(2) * scatter)


def test_rows_are_compared_with_the_events_they_come_from() -> None:
    keys = (UNMODIFIED, NOMINAL, "digital", "polarity", "muons-1-10")
    rows: dict[str, list[Any]] = {key: [] for key in keys}
    assert [reference_of(row, rows) for row in rows] == [
        *(None, None, UNMODIFIED, NOMINAL),
        None,  # single particles are no collisions
    ]
    del rows[NOMINAL]  # where it is what the changes are made of
    assert reference_of("polarity", rows) == UNMODIFIED


def test_samples_differ_from_the_nominal_one_in_what_they_are_named_for() -> None:
    base = SimulationSettings(pileup=5.0, seed=3)
    made = {name: sample.settings(base) for name, sample in SAMPLES.items()}
    assert made[NOMINAL] == base
    assert made["beam-z-100mm"] == replace(base, beam_centre=(0.0, 0.0, 100.0))
    assert made["polarity"].field.centre == pytest.approx(-base.field.centre)
    assert made["field-1.02"].field.centre == pytest.approx(1.02 * base.field.centre)
    assert made["electrons-1-10"].gun is not None
    assert made["electrons-1-10"].gun.pdg == 11
    assert {*SAMPLES, *CHANGES, UNMODIFIED} == set(TITLES)
    assert len({str(one.to_dict()) for one in made.values()}) == len(made)


def test_the_table_of_changes_of_tiny_events(tiny_store: Path, tiny_pipeline: Path) -> None:
    sources = list_events([tiny_store])[:3]
    pipeline = Pipeline.load(tiny_pipeline)
    names = ("coarse", "noise", "inefficiency", "overlay")
    study = plan(sources, {}, {"tiny": pipeline}, {}, SELECTED, names)
    measured = {point.key: point.measure() for point in study.points}
    found = [(one["row"], one["event"], one["n_hits"]) for one in measured.values()]
    hits = [n for row, _, n in found if row == UNMODIFIED]
    overlays = [(event, n) for row, event, n in found if row == "overlay"]
    assert overlays == [(sources[0].name, hits[0] + hits[1])]  # the third has no partner
    noise = [one["n_noise"] / one["n_hits"] for one in measured.values() if one["row"] == "noise"]
    assert noise == pytest.approx([0.4] * 3, abs=0.01)
    shown = study.summarise(measured)
    values, differences, *_ = shown.tables
    assert [row[:2] for row in values.rows] == [
        *((TITLES[name], "3") for name in (UNMODIFIED, "coarse", "noise", "inefficiency")),
        (TITLES["overlay"], "1"),
    ]
    assert [row[0] for row in differences.rows] == [TITLES[name] for name in names]
    assert all(len(row) == len(table.columns) for table in shown.tables for row in table.rows)
    unmodified = shown.data["pipelines"]["tiny"][UNMODIFIED]
    assert unmodified["refiners"] == {}  # this pipeline has none
    assert set(unmodified["decays"]) == {"K0s", "Lambda"}


def test_one_detector_is_made_of_all_events_but_chance_is_each_events_own(
    tiny_store: Path, tiny_pipeline: Path
) -> None:
    source, other = list_events([tiny_store])[:2]
    pipeline, event = Pipeline.load(tiny_pipeline), source.read()
    renamed = replace(event, name=other.name)
    for name, same in (("dead-modules", True), ("misaligned-200", True), ("inefficiency", False)):
        (_, change) = changes((name,), source, None, seed=1)
        (_, first), (_, second) = (change.apply(pipeline, one) for one in (event, renamed))
        assert np.array_equal(first.hits.x, second.hits.x) == same
