"""Hits made in torch are those that the host makes, for any clusters."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.event.clusters import CLUSTERS, DETECTOR, event_of, reference

from hitgraph.errors import InputError
from hitgraph.event.clusters import cluster_features
from hitgraph.event.event import Event
from hitgraph.hits import Hits, hits_from_event
from hitgraph.hits.plain import cluster_shape


def modules(event: Event) -> torch.Tensor:
    return torch.from_numpy(event.hits.module_id.astype(np.int64) - 1)


def assert_same_hits(one: Hits, other: Hits) -> None:
    for name in ("position", "layer", "module"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.features.dtype == other.features.dtype == torch.float32
    torch.testing.assert_close(one.features, other.features, rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(CLUSTERS)
def test_shapes_agree_with_the_kernel_and_the_plain_reference(  # type: ignore[no-untyped-def]
    clusters,
) -> None:
    assume(not clusters or any(cells for _, cells in clusters))  # no cell at all is refused
    event = event_of(clusters)
    shape = cluster_shape(event, DETECTOR, modules(event))
    assert shape.dtype == torch.float32
    torch.testing.assert_close(
        shape, torch.from_numpy(cluster_features(event, DETECTOR)), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(shape, reference(event, DETECTOR), rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_many_cells(n_hits: int, most: int, seed: int) -> None:
    random = np.random.default_rng(seed)

    def cells() -> list[tuple[int, int, float]]:
        found = random.integers(0, [300, 1000], (random.integers(0, most + 1), 2))
        return [(int(u), int(v), float(random.exponential())) for u, v in found]

    event = event_of([(int(random.integers(4)), cells()) for _ in range(n_hits)])
    shape = cluster_shape(event, DETECTOR, modules(event))
    np.testing.assert_allclose(shape, cluster_features(event, DETECTOR), rtol=1e-6, atol=1e-6)


def test_no_hit_no_cell_and_one_cell() -> None:
    for clusters in ([], [(0, []), (2, [(7, 9, 0.5)])], [(2, [(7, 9, 0.5)])]):
        event = event_of(clusters)
        shape = cluster_shape(event, DETECTOR, modules(event))
        assert shape.shape == (len(clusters), 9)
        np.testing.assert_allclose(shape, cluster_features(event, DETECTOR), rtol=1e-6)


@pytest.mark.parametrize("clusters", [True, False])
def test_hits_of_an_event(make_event: Callable[..., Event], clusters: bool, device: str) -> None:
    event = make_event(n_particles=30, n_noise=20, seed=3)
    detector = event.detector
    assert detector is not None
    made = hits_from_event(event, detector, clusters, torch.device(device), backend="plain")
    assert made.features.device.type == device
    assert_same_hits(made.to("cpu"), hits_from_event(event, detector, clusters))


def test_columns_that_cannot_be_written_are_copied(tiny_event: Event) -> None:
    """As they come from a file, without a warning from torch."""
    x = tiny_event.hits.x.copy()
    x.setflags(write=False)
    event = replace(tiny_event, hits=replace(tiny_event.hits, x=x))
    assert event.detector is not None
    hits = hits_from_event(event, event.detector, backend="plain")
    np.testing.assert_array_equal(hits.position[:, 0], x)


def test_bad_events_are_named_as_on_the_host(tiny_event: Event) -> None:
    detector, cells = tiny_event.detector, tiny_event.cells
    assert detector is not None
    assert cells is not None
    module_id = tiny_event.hits.module_id.copy()
    module_id[6] = 999
    stray = cells.hit_id.copy()
    stray[-1] = 10**6
    bad = [
        replace(tiny_event, cells=None),
        replace(tiny_event, cells=replace(cells, hit_id=cells.hit_id[::-1].copy())),
        replace(tiny_event, cells=replace(cells, hit_id=stray)),
        replace(tiny_event, hits=replace(tiny_event.hits, module_id=module_id)),
    ]
    for event in bad:
        with pytest.raises(InputError) as there:
            hits_from_event(event, detector, backend="plain")
        with pytest.raises(InputError) as here:
            hits_from_event(event, detector)
        assert str(there.value) == str(here.value)
