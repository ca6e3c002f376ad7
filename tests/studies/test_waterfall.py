"""The waterfall on events whose losses are known by heart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitgraph.evaluation.matching import match_tracks
from hitgraph.evaluation.metrics import evaluate, truth_labels
from hitgraph.event.event import Event
from hitgraph.event.selection import ALL_PARTICLES
from hitgraph.event.truth import true_edges
from hitgraph.pipeline import Pipeline
from hitgraph.studies.losses_output import combine, result
from hitgraph.studies.particle_groups import ALL, BINS, SELECTION, particle_groups
from hitgraph.studies.walk import Step, walk
from hitgraph.studies.waterfall import CAUSES, loss_causes, perfect_join, prepare, waterfall

EventMaker = Callable[..., Event]
# Two particles of 6 hits (rows 0 to 5 and 6 to 11) and two noise hits (12, 13).
NONE = -1


@pytest.fixture
def two(straight_event: EventMaker) -> Event:
    return straight_event([6, 6], noise=2, pt=[0.3, 2.0])


def everything(event: Event) -> np.ndarray:
    return true_edges(event)


def labels_of(*tracks: list[int]) -> np.ndarray:
    labels = np.full(14, NONE)
    for number, hits in enumerate(tracks):
        labels[hits] = number
    return labels


def causes_of(event: Event, labels: np.ndarray) -> dict[str, float]:
    scene = prepare(event)
    lost = loss_causes(scene, match_tracks(scene.particle_id, labels))
    return {name: float(value.sum()) for name, value in lost.items() if value.sum() > 0}


FIRST, SECOND = list(range(6)), list(range(6, 12))


@pytest.mark.parametrize(
    ("tracks", "causes"),
    [
        ([FIRST, SECOND], {}),
        ([FIRST[:3], FIRST[3:], SECOND], {"fragments": 6}),
        ([FIRST + SECOND], {"merged": 12}),
        ([FIRST, SECOND[:4]], {"hits on no track": 2}),
        ([FIRST, SECOND[:4], SECOND[4:]], {"hits elsewhere": 2}),
        ([FIRST], {"not found": 6}),
        ([FIRST, SECOND[:3]], {"not found": 6}),  # exactly half is no match
        ([[*FIRST, 6, 7, 12], SECOND[2:]], {"hits elsewhere": 2}),
        ([[*FIRST, 6, 7, 8], [9, 10, 12, 13]], {"merged": 6}),
    ],
)
def test_lost_score_by_cause(two: Event, tracks: list[list[int]], causes: dict) -> None:
    labels = labels_of(*tracks)
    found = causes_of(two, labels)
    assert found == pytest.approx({name: hits / 12 for name, hits in causes.items()})
    assert sum(found.values()) == pytest.approx(1 - evaluate(two, labels).score)


@pytest.mark.parametrize("seed", range(20))
def test_the_causes_make_up_what_is_lost_whatever_the_tracks(
    straight_event: EventMaker, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    event = straight_event(rng.integers(1, 9, 12).tolist(), noise=10)
    labels = truth_labels(event)
    wrong = rng.random(event.n_hits) < 0.4
    labels[wrong] = rng.integers(-1, 12, np.count_nonzero(wrong))
    lost = causes_of(event, labels)
    assert set(lost) <= set(CAUSES)
    assert sum(lost.values()) == pytest.approx(1 - evaluate(event, labels).score, abs=1e-6)


def test_ceilings_of_a_graph_that_lost_one_edge(two: Event) -> None:
    """Without the edge between hits 1 and 2 the first particle falls into 2 and 4 hits."""
    edges = everything(two)
    broken = edges[:, ~((edges[0] == 1) & (edges[1] == 2))]
    fake = np.array([[12, 0], [13, 7]])
    steps = [
        Step("graph", edges=np.concatenate([edges, fake], axis=1)),
        Step("filter", edges=broken),
        Step("tracks", labels=labels_of(FIRST[:2], FIRST[2:], SECOND)),
    ]
    found = waterfall(two, steps)
    stages = found["groups"][SELECTION][ALL]["stages"]
    assert [stage["name"] for stage in found["stages"]] == ["truth", "graph", "filter", "tracks"]
    assert [stage["edges"] for stage in found["stages"]] == [10, 12, 9, None]
    assert found["stages"][1]["same_particle"] == 10
    assert [stage["kept"] for stage in stages] == [10, 10, 9, None]
    assert [stage["weight"] for stage in stages] == pytest.approx([1, 1, 10 / 12, 10 / 12])
    assert [stage["found"]["0.1"] for stage in stages] == [2, 2, 2, 2]
    assert stages[2]["unjoined"] == stages[2]["weight"]

    joined = waterfall(
        two,
        [
            *(replace(step, joins=True) for step in steps),
            Step("join", labels=labels_of(FIRST, SECOND)),
        ],
    )
    stages = joined["groups"][SELECTION][ALL]["stages"]
    assert [stage["weight"] for stage in stages] == pytest.approx([1] * 5)
    assert [stage["unjoined"] for stage in stages] == pytest.approx([1, 1, 10 / 12, 10 / 12, 1])


def test_bins_share_out_all_particles_edges_and_weight(straight_event: EventMaker) -> None:
    event = straight_event([3, 5, 9, 12], noise=4, pt=[0.15, 0.4, 0.9, 7.0], eta=[0, 1, -2, 3.9])
    found = waterfall(event, [Step("tracks", labels=truth_labels(event))])
    whole = found["groups"][SELECTION][ALL]
    assert whole["weight"] == pytest.approx(1)
    for variable in BINS:
        bins = found["groups"][variable].values()
        for key in ("particles", "true_edges", "weight"):
            assert sum(one[key] for one in bins) == pytest.approx(whole[key])
    assert found["groups"][SELECTION]["pT > 0.5 GeV"]["particles"] == 2
    assert found["groups"][SELECTION]["at least 4 hits"]["particles"] == 3


def test_noise_and_shared_modules_are_counted_by_particle(two: Event) -> None:
    """All hits of a layer are on one module here: two of a particle never, noise on the first."""
    rows = np.repeat([0, 1, -1], [6, 6, 2])
    groups = particle_groups(two, prepare(two).particles, rows, ALL_PARTICLES)
    assert groups["noise hits on its modules"]["2"].all()
    assert groups["modules with several of its hits"]["0"].all()


def test_fake_tracks_by_kind(two: Event) -> None:
    labels = labels_of(FIRST, SECOND[:3], [9, 12, 13])
    found = waterfall(two, [Step("tracks", labels=labels)])
    assert found["fakes"] == {"tracks": 3, "fragment": 1, "mixture": 0, "noise": 1}


def test_a_perfect_join_joins_the_parts_of_a_particle_and_nothing_else(two: Event) -> None:
    particle_id = prepare(two).particle_id
    labels = labels_of(FIRST[:2], FIRST[2:4], [4, 5, 6, 7], SECOND[2:])
    joined = perfect_join(match_tracks(particle_id, labels))
    assert len(set(joined[:4])) == 1
    assert len({joined[0], joined[4], joined[8]}) == 3  # 4, 5, 6, 7 have no majority
    assert (joined[12:] == -1).all()


def test_the_walk_ends_with_the_tracks_of_the_pipeline(
    tiny_pipeline: Path, tiny_event: Event
) -> None:
    pipeline = Pipeline.load(tiny_pipeline)
    steps = list(walk(pipeline, tiny_event))
    result_of_run = pipeline.run(tiny_event)
    np.testing.assert_array_equal(steps[-1].labels, result_of_run.labels)
    edges = {step.name: step.edges.shape[1] for step in steps if step.edges is not None}
    stages = {stage.name: stage.edges for stage in result_of_run.stages}
    assert all(stages[name] == n for name, n in edges.items())


def test_means_over_events(two: Event) -> None:
    good = waterfall(two, [Step("tracks", labels=truth_labels(two))])
    bad = waterfall(two, [Step("tracks", labels=labels_of(FIRST))])
    mean = combine([good, bad])
    assert mean["score"] == pytest.approx(0.75)
    assert mean["score_error"] == pytest.approx(0.25)
    assert combine([good])["score_error"] is None
    shown = result({"one": [good, bad], "two": [bad]})
    assert all(len(row) == len(table.columns) for table in shown.tables for row in table.rows)
    assert set(shown.figures) == {"losses", "losses-bins-one", "losses-bins-two"}
