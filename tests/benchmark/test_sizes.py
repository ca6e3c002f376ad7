"""Events made larger and smaller stay events: whole particles, cells on hits, valid tables."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trained import write_store

from hitgraph.benchmark.sizes import event_of_size, half_turn, overlay, thin
from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.source import read_event

MakeEvent = Callable[..., Event]


def hits_of(event: Event) -> np.ndarray:
    """Positions of the hits, sorted: the same for the same hits in another order."""
    assert event.truth is not None
    rows = np.stack([event.hits.x, event.hits.y, event.hits.z])
    return rows[:, np.lexsort(rows)]


def local_positions(event: Event) -> np.ndarray:
    """(n_hits, 3) place of each hit on its module."""
    detector, hits = event.detector, event.hits
    assert detector is not None
    module = detector.module_index(hits.volume_id, hits.layer_id, hits.module_id)
    offset = np.stack([hits.x, hits.y, hits.z], axis=1) - detector.centre[module]
    return np.einsum("hij,hi->hj", detector.rotation[module], offset)


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.05, 1.0), seed=st.integers(0, 9))
def test_thinning_keeps_or_drops_whole_particles(
    make_event: MakeEvent, share: float, seed: int
) -> None:
    event = make_event(n_particles=30, n_noise=40)
    less = thin(event, share, np.random.default_rng(seed))
    assert event.truth is not None
    assert less.truth is not None
    assert less.particles is not None
    before = dict(zip(*np.unique(event.truth.particle_id, return_counts=True), strict=True))
    ids, counts = np.unique(less.truth.particle_id, return_counts=True)
    for particle, count in zip(ids, counts, strict=True):
        if particle != 0:
            assert count == before[particle]
            assert particle in less.particles.particle_id
    noise = np.count_nonzero(less.truth.particle_id == 0)
    assert noise == (40 if share == 1 else round(share * 40))
    assert abs(less.n_hits - share * event.n_hits) <= 4 + 1  # one particle, and rounding


def test_an_overlay_has_all_hits_and_particles_of_its_events(
    make_event: MakeEvent, tmp_path: Path
) -> None:
    events = [make_event(n_particles=6, n_noise=3, seed=seed) for seed in (1, 2, 3)]
    whole = overlay(events)
    assert whole.particles is not None
    assert whole.truth is not None
    assert len(whole.particles) == 18
    assert np.count_nonzero(whole.truth.particle_id == 0) == 9
    together = np.concatenate([hits_of(event) for event in events], axis=1)
    np.testing.assert_array_equal(hits_of(whole), together[:, np.lexsort(together)])
    assert whole.truth.weight.sum() == pytest.approx(1, abs=1e-5)
    # the readers' checks (numbers rising, cells sorted, known particles) accept it
    store = write_store(tmp_path / "store", [whole])
    again = read_event(store)
    for name in ("hits", "cells", "particles", "truth"):
        for field in fields(getattr(whole, name)):
            old, new = (getattr(getattr(e, name), field.name) for e in (whole, again))
            np.testing.assert_array_equal(old, new, f"{name}.{field.name}")


def test_cells_stay_with_their_hits(make_event: MakeEvent) -> None:
    events = [make_event(n_particles=4, seed=seed) for seed in (1, 2)]
    whole = overlay(events)

    def charge_at(event: Event) -> dict[tuple[float, ...], float]:
        assert event.cells is not None
        row = np.searchsorted(event.hits.hit_id, event.cells.hit_id)
        charge = np.bincount(row, weights=event.cells.value, minlength=event.n_hits)
        places = np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1).tolist()
        return {tuple(place): float(q) for place, q in zip(places, charge, strict=True)}

    assert charge_at(whole) == pytest.approx(charge_at(events[0]) | charge_at(events[1]))


def test_half_a_turn_leaves_every_hit_where_it_was_on_its_module(make_event: MakeEvent) -> None:
    event = make_event(n_particles=20)
    assert event.detector is not None
    turned = half_turn(event, event.detector)
    assert turned is not None
    np.testing.assert_allclose(local_positions(turned), local_positions(event), atol=1e-3)
    assert turned.hits.module_id.tolist() != event.hits.module_id.tolist()
    back = half_turn(turned, event.detector)
    assert back is not None
    np.testing.assert_allclose(back.hits.x, event.hits.x, atol=1e-3)
    np.testing.assert_array_equal(back.hits.module_id, event.hits.module_id)


def test_a_detector_without_that_symmetry_is_not_turned(make_event: MakeEvent) -> None:
    event = make_event()
    detector = event.detector
    assert detector is not None
    short = detector.take(slice(0, -1))
    assert half_turn(replace(event, detector=short), short) is None


@pytest.mark.parametrize("wanted", [10, 60, 200, 240])
def test_events_of_a_size(make_event: MakeEvent, wanted: int) -> None:
    events = [make_event(n_particles=12, n_noise=12, seed=seed) for seed in (1, 2)]  # 60 hits each
    assert events[0].detector is not None
    sized = event_of_size(events, wanted, events[0].detector)
    assert abs(sized.event.n_hits - wanted) <= 5
    assert sized.event.number == wanted
    assert ("turned" in sized.recipe) == (wanted > 120)


def test_too_few_events_for_a_size_are_an_error(make_event: MakeEvent) -> None:
    event = make_event()
    assert event.detector is not None
    with pytest.raises(InputError, match="give more events, or smaller --sizes"):
        event_of_size([event], 10_000, event.detector)
