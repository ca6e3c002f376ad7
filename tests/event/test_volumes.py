"""Events of some volumes of the detector alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.truth import summarise_particles
from hitgraph.event.volumes import in_volumes


@pytest.fixture
def event(make_event: Callable[..., Event]) -> Event:
    """Its two outer layers are volumes 13 and 17."""
    made = make_event(n_particles=30, n_noise=20)
    volume = np.select([made.hits.layer_id < 6, made.hits.layer_id < 8], [8, 13], 17)
    return replace(made, hits=replace(made.hits, volume_id=volume.astype(np.int32)))


def test_hits_of_other_volumes_are_gone_with_their_cells_and_truth(event: Event) -> None:
    left = in_volumes(event, [8, 17])
    keep = np.isin(event.hits.volume_id, [8, 17])
    assert 0 < left.n_hits < event.n_hits
    np.testing.assert_array_equal(left.hits.hit_id, event.hits.hit_id[keep])
    assert left.truth is not None
    assert event.truth is not None
    np.testing.assert_array_equal(left.truth.particle_id, event.truth.particle_id[keep])
    assert left.cells is not None
    assert set(left.cells.hit_id.tolist()) == set(left.hits.hit_id.tolist())
    assert left.detector is event.detector
    assert set(summarise_particles(left).n_hits.tolist()) == {3}


def test_all_volumes_are_the_event_and_weights_sum_to_one(event: Event) -> None:
    left = in_volumes(event, [8, 13, 17])
    assert left.n_hits == event.n_hits
    assert left.truth is not None
    assert left.truth.weight.sum() == pytest.approx(1, abs=1e-5)


def test_events_without_truth_do(event: Event) -> None:
    bare = replace(event, truth=None, particles=None)
    assert in_volumes(bare, [8]).n_hits == int((event.hits.volume_id == 8).sum())


def test_a_volume_without_hits_is_refused(event: Event) -> None:
    with pytest.raises(InputError, match="is in volume 9; there are hits in 8, 13, 17"):
        in_volumes(event, [9])
