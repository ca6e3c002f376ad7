"""Efficiency, purity and the rest on events small enough to count by hand."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.evaluation import combine, evaluate, truth_labels
from hitgraph.evaluation.matching import MATCHINGS
from hitgraph.evaluation.metrics import Metrics, truth_weights
from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection
from hitgraph.event.truth import hit_weights

EventMaker = Callable[..., Event]


def test_perfect_tracks_are_perfect(straight_event: EventMaker) -> None:
    event = straight_event([6, 8, 10], noise=4, pt=[0.3, 0.8, 2.0])
    metrics = evaluate(event, truth_labels(event))
    assert metrics.score == pytest.approx(1.0)
    assert (metrics.n_tracks, metrics.n_hits, metrics.n_hits_on_tracks) == (3, 28, 24)
    for matched in metrics.matchings.values():
        assert [one.physics for one in matched.efficiency] == [Ratio(n, n) for n in (3, 2, 1)]
        assert [one.technical for one in matched.efficiency] == [Ratio(n, n) for n in (3, 2, 1)]
        assert matched.purity == matched.purity_selected == Ratio(3, 3)
        assert matched.fakes == matched.duplicates == Ratio(0, 3)


def test_no_tracks_at_all(straight_event: EventMaker) -> None:
    event = straight_event([6, 8], noise=2)
    metrics = evaluate(event, np.full(event.n_hits, -1))
    assert metrics.score == 0.0
    assert metrics.n_tracks == 0
    double = metrics.matchings["double majority"]
    assert double.efficiency[0].physics == Ratio(0, 2)
    assert double.purity == Ratio(0, 0)


def test_split_track(straight_event: EventMaker) -> None:
    """Ten hits in pieces of six and four: the larger piece is the track, the other is fake."""
    event = straight_event([10])
    metrics = evaluate(event, np.array([0] * 6 + [1] * 4))
    double, lhc = metrics.matchings["double majority"], metrics.matchings["lhc"]
    assert double.efficiency[0].technical == Ratio(1, 1)
    assert double.purity == Ratio(1, 2)
    assert double.duplicates == Ratio(0, 2)
    assert lhc.purity == Ratio(2, 2)  # both pieces are clean
    assert lhc.duplicates == Ratio(1, 2)  # and the second one is a duplicate
    assert metrics.matchings["perfect"].efficiency[0].technical == Ratio(0, 1)
    assert metrics.score == pytest.approx(0.6)


def test_merged_tracks_of_equal_length(straight_event: EventMaker) -> None:
    event = straight_event([5, 5])
    metrics = evaluate(event, np.zeros(10, int))
    for matched in metrics.matchings.values():
        assert matched.efficiency[0].physics == Ratio(0, 2)
        assert matched.purity == Ratio(0, 1)
    assert metrics.score == 0.0


def test_noise_track_is_fake(straight_event: EventMaker) -> None:
    event = straight_event([5], noise=5)
    double = evaluate(event, np.array([0] * 5 + [1] * 5)).matchings["double majority"]
    assert double.purity == Ratio(1, 2)
    assert double.fakes == Ratio(1, 2)


def test_short_tracks_count_neither_as_found_nor_as_fake(straight_event: EventMaker) -> None:
    event = straight_event([2, 6], noise=2)
    labels = np.array([0] * 2 + [1] * 6 + [2] * 2)
    default = evaluate(event, labels).matchings["double majority"]
    assert default.purity == Ratio(1, 1)
    assert default.efficiency[0].physics == Ratio(1, 2)
    loose = evaluate(event, labels, min_track_hits=2).matchings["double majority"]
    assert loose.purity == Ratio(2, 3)
    assert loose.efficiency[0].physics == Ratio(2, 2)


def test_selection_of_particles(straight_event: EventMaker) -> None:
    """Neutral, forward and soft particles are not selected; their tracks are no fakes."""
    event = straight_event(
        [6, 6, 6, 6, 4],
        pt=[0.9, 0.9, 0.05, 0.9, 0.9],
        eta=[0, 4.5, 0, 0, 0],
        charge=[0, 1, 1, 1, 1],
    )
    double = evaluate(event, truth_labels(event)).matchings["double majority"]
    assert [one.physics for one in double.efficiency] == [Ratio(2, 2), Ratio(2, 2), Ratio(0, 0)]
    assert double.efficiency[0].technical == Ratio(1, 1)  # the one with four hits drops out
    assert double.purity == Ratio(5, 5)
    assert double.purity_selected == Ratio(2, 5)
    assert double.fakes_selected == Ratio(0, 2)


def test_tracks_are_split_by_the_selection(straight_event: EventMaker) -> None:
    """Four particles and a noise track: two tracks of selected ones, one of another, two fakes."""
    event = straight_event([6, 6, 6, 6], noise=4, pt=[0.9, 1.5, 0.3, 3.0])
    labels = truth_labels(event)
    labels[18:21], labels[21:24] = 50, -1  # half of the last one is no match
    labels[24:] = 60
    selection = Selection(min_pt=0.5)
    metrics = evaluate(event, labels, selection=selection)
    double = metrics.matchings["double majority"]
    assert double.purity == Ratio(3, 5)
    assert double.purity_selected == Ratio(2, 5)
    assert double.purity_others == Ratio(1, 5)
    assert double.fakes == Ratio(2, 5)
    assert double.fakes_selected == Ratio(1, 3)  # the half one is of a selected particle
    assert [one.min_pt for one in double.efficiency] == [0.5, 1.0]
    assert [one.physics for one in double.efficiency] == [Ratio(2, 3), Ratio(1, 2)]
    assert metrics.particle_lengths[5] == 3
    assert metrics.scores == evaluate(event, labels).scores  # of all particles, whatever counts
    assert combine([metrics, metrics]).selection == selection


def test_particles_without_hits_lower_the_physics_efficiency(straight_event: EventMaker) -> None:
    event = straight_event([6, 0])
    double = evaluate(event, truth_labels(event)).matchings["double majority"]
    assert double.efficiency[0].physics == Ratio(1, 2)
    assert double.efficiency[0].technical == Ratio(1, 1)


def test_curves_put_particles_and_tracks_into_their_bins(straight_event: EventMaker) -> None:
    event = straight_event(
        [6, 6, 6], pt=[0.15, 0.6, 47.0], eta=[-1.25, 1.25, 2.75], radius=[0, 0, 30]
    )
    labels = truth_labels(event)
    labels[:6] = -1
    curves = evaluate(event, labels).matchings["double majority"].curves
    pt = curves["technical efficiency vs pt"]
    assert {pt.edges[i]: n for i, n in enumerate(pt.total) if n} == {0.14: 1, 0.56: 1, 45.0: 1}
    assert {pt.edges[i]: n for i, n in enumerate(pt.passed) if n} == {0.56: 1, 45.0: 1}
    eta = curves["physics efficiency vs eta"]  # above 0.5 GeV: the first particle is not there
    assert {eta.edges[i]: n for i, n in enumerate(eta.total) if n} == {1.2: 1, 2.7: 1}
    radius = curves["technical efficiency vs radius"]
    assert {radius.edges[i]: n for i, n in enumerate(radius.total) if n} == {0.0: 1, 28.0: 1}
    purity = curves["purity vs eta"]
    halves = [purity.edges[i] // 0.5 * 0.5 for i, n in enumerate(purity.total) if n]
    assert halves == [1.0, 2.5]
    length = curves["purity vs length"]
    assert {length.edges[i]: n for i, n in enumerate(length.passed) if n} == {5.5: 2}


def test_curves_add_up_to_the_totals(straight_event: EventMaker) -> None:
    rng = np.random.default_rng(3)
    event = straight_event(
        rng.integers(1, 15, 60).tolist(),
        noise=30,
        pt=rng.exponential(1.0, 60),
        eta=rng.uniform(-4, 4, 60),
    )
    labels = np.where(rng.random(event.n_hits) < 0.8, truth_labels(event), 99)
    for matched in evaluate(event, labels).matchings.values():
        for kind in ("physics", "technical"):
            by_pt = matched.curves[f"{kind} efficiency vs pt"]
            by_eta = matched.curves[f"{kind} efficiency vs eta"]
            everyone = getattr(matched.efficiency[0], kind)
            above = getattr(matched.efficiency[1], kind)
            assert Ratio(sum(by_pt.passed), sum(by_pt.total)) == everyone
            assert Ratio(sum(by_eta.passed), sum(by_eta.total)) == above
        purity = matched.curves["purity vs eta"]
        assert Ratio(sum(purity.passed), sum(purity.total)) == matched.purity


def test_lengths_of_tracks_and_particles(straight_event: EventMaker) -> None:
    event = straight_event([2, 4, 130], noise=1)
    metrics = evaluate(event, truth_labels(event))
    assert metrics.track_lengths == metrics.particle_lengths
    assert {i + 1: n for i, n in enumerate(metrics.track_lengths) if n} == {2: 1, 4: 1, 100: 1}


def test_combining_adds_counts_and_averages_scores(straight_event: EventMaker) -> None:
    first, second = straight_event([6] * 3), straight_event([6], noise=3, name="event000000002")
    good = evaluate(first, truth_labels(first))
    bad = evaluate(second, np.full(second.n_hits, -1))
    both = combine([good, bad])
    assert both.events == ("event000000001", "event000000002")
    assert both.matchings["perfect"].efficiency[0].physics == Ratio(3, 4)
    assert both.score == pytest.approx(0.5)
    assert both.score_error == pytest.approx(0.5)  # (1 and 0: deviation sqrt(1/2), over sqrt(2))
    assert math.isnan(good.score_error)
    assert combine([good]) == good


def test_combining_refuses_what_does_not_belong_together(straight_event: EventMaker) -> None:
    event = straight_event([6])
    with pytest.raises(InputError, match="no event"):
        combine([])
    with pytest.raises(InputError, match=r"\[3, 4\]"):
        combine([evaluate(event, truth_labels(event), m) for m in (3, 4)])
    chosen = [Selection(), Selection(min_pt=1.0)]
    with pytest.raises(InputError, match="different selections"):
        combine([evaluate(event, truth_labels(event), selection=one) for one in chosen])


def test_event_without_truth_or_particles_is_refused(straight_event: EventMaker) -> None:
    event = straight_event([6])
    with pytest.raises(InputError, match="event000000001: no truth"):
        evaluate(replace(event, truth=None), np.zeros(6, int))
    with pytest.raises(InputError, match="event000000001: no particle table"):
        evaluate(replace(event, particles=None), np.zeros(6, int))


def test_missing_weights_are_recomputed(straight_event: EventMaker) -> None:
    event = straight_event([6, 12], weight=[np.nan] * 18)
    np.testing.assert_array_equal(truth_weights(event), hit_weights(event))
    labels = truth_labels(event)
    labels[:6] = -1
    expected = hit_weights(event)[6:].sum()
    assert evaluate(event, labels).score == pytest.approx(float(expected))
    given_ones = straight_event([2, 2], weight=[0.1, 0.2, 0.3, 0.4])
    assert truth_weights(given_ones).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(("hits", "noise"), [([], 0), ([], 7), ([1], 0)])
def test_events_with_nothing_to_find(
    straight_event: EventMaker, hits: list[int], noise: int
) -> None:
    event = straight_event(hits, noise=noise)
    metrics = evaluate(event, truth_labels(event))
    assert metrics.n_tracks == 0
    json.dumps(metrics.to_dict(), allow_nan=False)


def test_two_scores_of_an_event_made_by_hand(straight_event: EventMaker) -> None:
    """Weights 1/10, 2/10, 3/10 and 4/10: a primary on the edge, one missed, and two secondaries."""
    event = straight_event([5, 5, 5, 5], noise=3, radius=[2.0, 0, 2.1, 30])
    assert event.truth is not None
    weight = np.append(np.repeat([0.1, 0.2, 0.3, 0.4], 5) / 5, [0, 0, 0]).astype(np.float32)
    event = replace(event, truth=replace(event.truth, weight=weight))
    assert event.particles is not None
    labels = truth_labels(event)
    labels[5:10] = -1
    metrics = evaluate(event, labels)
    assert metrics.score == pytest.approx(0.8)
    assert metrics.score_primaries == pytest.approx(0.1 / 0.3)
    only = replace(event, particles=replace(event.particles, vx=np.full(4, 9, np.float32)))
    assert math.isnan(evaluate(only, labels).score_primaries)
    both = combine([metrics, evaluate(event, truth_labels(event))])
    assert both.score_primaries == pytest.approx((1 + 1 / 3) / 2)
    assert both.score_primaries_error == pytest.approx(1 / 3)  # |difference| / 2
    tree = json.loads(json.dumps(both.to_dict(), allow_nan=False))
    assert tree["trackml_score_primaries"] == {
        "value": pytest.approx(2 / 3),
        "error": pytest.approx(1 / 3),
        "events": [pytest.approx(1 / 3), pytest.approx(1)],
    }


def test_json_holds_the_numbers(straight_event: EventMaker) -> None:
    event = straight_event([6, 7], noise=2)
    metrics = evaluate(event, truth_labels(event))
    tree = json.loads(json.dumps(metrics.to_dict(), allow_nan=False))
    assert tree["trackml_score"] == {
        "value": pytest.approx(1.0),
        "error": None,
        "events": [pytest.approx(1.0)],
    }
    technical = tree["matchings"]["double majority"]["efficiency"][0]["technical"]
    assert (technical["passed"], technical["total"], technical["value"]) == (2, 2, 1.0)
    assert 0 < technical["low"] < 1 == technical["high"]
    assert set(tree["matchings"]) == set(MATCHINGS)


# ---------------------------------------------------------------- properties

scenes = st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 6))


def draw_labels(data: st.DataObject, n_hits: int) -> np.ndarray:
    labels = data.draw(st.lists(st.integers(-1, 5), min_size=n_hits, max_size=n_hits))
    return np.array(labels, np.int64)


def permuted(event: Event, order: np.ndarray) -> Event:
    tables = {}
    for name in ("hits", "truth"):
        table = getattr(event, name)
        tables[name] = replace(table, **{c: v[order] for c, v in vars(table).items()})
    return replace(event, **tables)


def same_numbers(one: Metrics, other: Metrics) -> bool:
    names = ("scores", "scores_primaries")
    rest = [replace(metrics, **dict.fromkeys(names, ())) for metrics in (one, other)]
    return rest[0] == rest[1] and all(
        np.allclose(getattr(one, name), getattr(other, name), equal_nan=True) for name in names
    )


@settings(deadline=None, max_examples=30)
@given(scenes, st.data())
def test_names_of_tracks_and_order_of_hits_do_not_matter(
    straight_event: EventMaker, scene: tuple[list[int], int], data: st.DataObject
) -> None:
    event = straight_event(scene[0], noise=scene[1])
    labels = draw_labels(data, event.n_hits)
    before = evaluate(event, labels)
    names = np.array([*data.draw(st.permutations([0, 3, 17, 10**12, 4, 5])), -7])
    assert same_numbers(evaluate(event, names[labels]), before)
    order = np.array(data.draw(st.permutations(range(event.n_hits))), dtype=int)
    after = evaluate(permuted(event, order), labels[order])
    assert same_numbers(after, before)


@settings(deadline=None, max_examples=30)
@given(scenes, st.data())
def test_what_is_left_out_stays_in_the_denominators(
    straight_event: EventMaker, scene: tuple[list[int], int], data: st.DataObject
) -> None:
    """Leaving tracks out changes no denominator of an efficiency and raises none of them."""
    event = straight_event(scene[0], noise=scene[1])
    labels = draw_labels(data, event.n_hits)
    less = np.where(labels == data.draw(st.integers(0, 5)), -1, labels)
    before, after = evaluate(event, labels), evaluate(event, less)
    for name in MATCHINGS:
        pairs = zip(
            before.matchings[name].efficiency, after.matchings[name].efficiency, strict=True
        )
        for full, part in pairs:
            assert part.physics.total == full.physics.total
            assert part.technical.total == full.technical.total
            assert part.physics.passed <= full.physics.passed
            assert part.technical.passed <= full.technical.passed
    assert np.nan_to_num(after.score) <= np.nan_to_num(before.score) + 1e-12


@settings(deadline=None, max_examples=30)
@given(scenes, st.data())
def test_perfect_is_the_hardest_matching(
    straight_event: EventMaker, scene: tuple[list[int], int], data: st.DataObject
) -> None:
    event = straight_event(scene[0], noise=scene[1])
    metrics = evaluate(event, draw_labels(data, event.n_hits))
    perfect = metrics.matchings["perfect"]
    for other in (metrics.matchings["lhc"], metrics.matchings["double majority"]):
        assert perfect.purity.passed <= other.purity.passed
        for hard, easy in zip(perfect.efficiency, other.efficiency, strict=True):
            assert hard.physics.passed <= easy.physics.passed
    for matched in metrics.matchings.values():
        parts = (matched.purity_selected, matched.purity_others, matched.fakes)
        assert sum(part.passed for part in parts) == matched.purity.total
        right = matched.fakes_selected.complement
        assert right.passed == matched.purity_selected.passed
        assert matched.fakes_selected.passed <= matched.fakes.passed
    assert metrics.matchings["double majority"].duplicates.passed == 0
