"""From the tables of an event to the tensors that networks see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hitgraph.errors import InputError
from hitgraph.event.clusters import cluster_features
from hitgraph.event.event import Event
from hitgraph.hits import FEATURES, POSITION_FEATURES, hits_from_event


def test_each_hit_has_its_cylindrical_position_and_its_place_in_the_detector(
    tiny_event: Event,
) -> None:
    detector, table = tiny_event.detector, tiny_event.hits
    assert detector is not None
    hits = hits_from_event(tiny_event, detector)
    assert len(hits) == tiny_event.n_hits
    assert (hits.features.dtype, hits.position.dtype) == (torch.float32, torch.float32)
    assert (hits.layer.dtype, hits.module.dtype) == (torch.int64, torch.int64)

    r, phi, z = (hits.features[:, FEATURES.index(name)].numpy() for name in ("r", "phi", "z"))
    np.testing.assert_allclose(r * np.cos(phi), table.x, atol=1e-4)
    np.testing.assert_allclose(r * np.sin(phi), table.y, atol=1e-4)
    np.testing.assert_array_equal(z, table.z)
    assert (np.abs(phi) <= np.float32(np.pi)).all()
    np.testing.assert_array_equal(hits.position, np.stack([table.x, table.y, table.z], axis=1))

    module = hits.module.numpy()
    np.testing.assert_array_equal(detector.module_id[module], table.module_id)
    np.testing.assert_array_equal(detector.layer_id[module], table.layer_id)
    np.testing.assert_array_equal(detector.layer_keys[hits.layer.numpy(), 1], table.layer_id)


def test_cluster_features_stand_behind_the_position(tiny_event: Event) -> None:
    detector = tiny_event.detector
    assert detector is not None
    hits = hits_from_event(tiny_event, detector)
    assert hits.has_clusters
    assert hits.features.shape == (len(hits), len(FEATURES))
    expected = cluster_features(tiny_event, detector)
    np.testing.assert_array_equal(hits.features[:, len(POSITION_FEATURES) :], expected)

    bare = hits_from_event(replace(tiny_event, cells=None), detector, clusters=False)
    assert not bare.has_clusters
    assert torch.equal(bare.features, hits.features[:, : len(POSITION_FEATURES)])


def test_clusters_need_cells(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    with pytest.raises(InputError, match=f"{tiny_event.name}: no cell table"):
        hits_from_event(replace(tiny_event, cells=None), tiny_event.detector)


def test_a_hit_on_an_unknown_module_is_named(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    module_id = tiny_event.hits.module_id.copy()
    module_id[6] = 999
    event = replace(tiny_event, hits=replace(tiny_event.hits, module_id=module_id))
    with pytest.raises(InputError, match=rf"{event.name} hits, hit 7: module .* 999\) is not"):
        hits_from_event(event, tiny_event.detector)


def test_some_of_the_hits(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    hits = hits_from_event(tiny_event, tiny_event.detector)
    rows = torch.tensor([4, 0, 7])
    some = hits.select(rows)
    for name in ("features", "position", "layer", "module"):
        assert torch.equal(getattr(some, name), getattr(hits, name)[rows]), name
    mask = torch.zeros(len(hits), dtype=torch.bool)
    mask[[0, 4]] = True
    assert torch.equal(hits.select(mask).module, hits.module[[0, 4]])
    other = hits.with_features(hits.features * 2)
    assert torch.equal(other.features, hits.features * 2)
    assert other.position is hits.position
