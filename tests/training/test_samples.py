"""What training reads: labels, neutral edges, weights."""

import errno
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from hitgraph.errors import HitgraphError, InputError
from hitgraph.event.event import Event
from hitgraph.hits import FEATURES
from hitgraph.lessons.samples import (
    Sample,
    edge_truth,
    load_sample,
    load_state,
    make_sample,
    save_sample,
    save_state,
    trackml_weights,
)
from hitgraph.lessons.settings import TruthSettings
from hitgraph.state import State
from hitgraph.tensor_files import read_tensors, write_tensors

SOFT, HARD, DISPLACED = 0, 1, 2  # rows of the particles of `event`


@pytest.fixture
def event(make_event: Callable[..., Event]) -> Event:
    """Particles of 0.2, 1 and 2 GeV, the last born 50 mm from the beam line; two noise hits."""
    event = make_event(n_particles=3, n_noise=2, seed=4)
    table = event.particles
    assert table is not None
    scale = np.float32([0.2, 1.0, 2.0]) / np.hypot(table.px, table.py)
    far = np.float32([0, 0, 50])
    particles = replace(table, px=table.px * scale, py=table.py * scale, vx=table.vx + far)
    return replace(event, particles=particles)


def sample_of(event: Event, **truth: object) -> Sample:
    assert event.detector is not None
    return make_sample(event, event.detector, True, TruthSettings(**truth))  # type: ignore[arg-type]


def hits_of(event: Event, particle: int) -> list[int]:
    """Rows of a particle's four hits, innermost first."""
    assert event.truth is not None
    assert event.particles is not None
    rows = np.flatnonzero(event.truth.particle_id == event.particles.particle_id[particle])
    radius = np.hypot(event.hits.x, event.hits.y)[rows]
    return rows[np.argsort(radius)].tolist()


def noise_of(event: Event) -> list[int]:
    assert event.truth is not None
    return np.flatnonzero(event.truth.particle_id == 0).tolist()


def label(sample: Sample, *edges: tuple[int, int], **truth: object) -> list[tuple[float, float]]:
    """(y, weight) of each edge."""
    y, weight = edge_truth(sample, torch.tensor(edges).T, TruthSettings(**truth))  # type: ignore[arg-type]
    assert (y.dtype, weight.dtype) == (torch.float32, torch.float32)
    return list(zip(y.tolist(), weight.tolist(), strict=True))


TRUE, FAKE, NEUTRAL = (1.0, 1.0), (0.0, 1.0), (1.0, 0.0)


@pytest.mark.parametrize(
    ("skip_edges", "skip"), [("true", TRUE), ("neutral", NEUTRAL), ("fake", FAKE)]
)
def test_labels_of_every_kind_of_edge(
    event: Event, skip_edges: str, skip: tuple[float, float]
) -> None:
    sample = sample_of(event)
    a, b, noise = hits_of(event, SOFT), hits_of(event, HARD), noise_of(event)
    edges = [(a[0], a[1]), (a[2], a[3]), (a[0], a[2]), (b[0], b[3]), (a[0], b[1])]
    edges += [(a[0], noise[0]), (noise[0], noise[1])]
    expected = [TRUE, TRUE, skip, skip, FAKE, FAKE, FAKE]
    assert label(sample, *edges, skip_edges=skip_edges) == expected
    turned = [(j, i) for i, j in edges]
    assert label(sample, *turned, skip_edges=skip_edges) == expected


@pytest.mark.parametrize("skip_edges", ["true", "neutral", "fake"])
def test_true_edges_of_other_particles_are_neutral(event: Event, skip_edges: str) -> None:
    """Below the cut in pT nothing is taught; the pairs that are no track stay fakes."""
    sample = sample_of(event, min_pt=0.5)
    a, b = hits_of(event, SOFT), hits_of(event, HARD)
    labels = label(sample, (a[0], a[1]), (b[0], b[1]), (a[0], b[1]), skip_edges=skip_edges)
    assert labels == [NEUTRAL, TRUE, FAKE]
    ((_, weight),) = label(sample, (a[0], a[2]), skip_edges=skip_edges)
    assert weight == 0.0


@pytest.mark.parametrize(
    ("truth", "targets"),
    [
        ({}, [SOFT, HARD, DISPLACED]),
        ({"min_pt": 0.5}, [HARD, DISPLACED]),
        ({"primary_only": True}, [SOFT, HARD]),
        ({"min_pt": 0.5, "primary_only": True}, [HARD]),
        ({"min_hits": 4}, [SOFT, HARD, DISPLACED]),
        ({"min_hits": 5}, []),
    ],
)
def test_target_particles_are_selected(
    event: Event, truth: dict[str, object], targets: list[int]
) -> None:
    sample = sample_of(event, **truth)
    wanted = sorted(row for particle in targets for row in hits_of(event, particle))
    assert torch.nonzero(sample.target).squeeze(1).tolist() == wanted
    chains = [hits_of(event, particle) for particle in targets]
    expected = {pair for chain in chains for pair in pairwise(chain)}
    assert set(map(tuple, sample.true_edges.T.tolist())) == expected


def test_weights_have_mean_one_over_the_hits_of_targets(event: Event) -> None:
    assert event.truth is not None
    raw = np.linspace(0.1, 0.9, event.n_hits, dtype=np.float32)
    event = replace(event, truth=replace(event.truth, weight=raw))
    sample = sample_of(event, min_pt=0.5)
    assert float(sample.weight[sample.target].mean()) == pytest.approx(1.0)
    ratio = sample.weight.numpy() / raw
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_edge_weights_are_equation_4(event: Event) -> None:
    """Half the sum of both hit weights for a true edge, one for a fake (arXiv 2103.06995)."""
    sample = replace(sample_of(event), weight=torch.arange(event.n_hits).float())
    edges = torch.tensor([[0, 2, 5], [1, 4, 3]])
    assert trackml_weights(sample, edges, torch.tensor([1.0, 1.0, 0.0])).tolist() == [0.5, 3.0, 1.0]


def test_without_truth_there_is_nothing_to_learn(event: Event) -> None:
    with pytest.raises(InputError, match=f"{event.name}: no truth table"):
        sample_of(replace(event, truth=None))
    with pytest.raises(InputError, match=f"{event.name}: no particle table"):
        sample_of(replace(event, particles=None))


def test_an_event_of_noise_gives_a_sample_without_edges(make_event: Callable[..., Event]) -> None:
    sample = sample_of(make_event(n_particles=0, n_noise=5))
    assert sample.true_edges.shape == (2, 0)
    assert not bool(sample.target.any())
    assert bool(torch.isfinite(sample.weight).all())


def test_a_sample_comes_back_from_its_file(event: Event, tmp_path: Path) -> None:
    sample = sample_of(event, min_pt=0.5)
    save_sample(sample, tmp_path / "new" / "sample.safetensors")
    again = load_sample(tmp_path / "new" / "sample.safetensors")
    for one, other in ((sample, again), (sample.hits, again.hits)):
        for field in fields(one):
            left, right = getattr(one, field.name), getattr(other, field.name)
            if isinstance(left, torch.Tensor):
                assert left.dtype == right.dtype
                assert torch.equal(left, right), field.name


def test_a_sample_of_another_version_is_refused(event: Event, tmp_path: Path) -> None:
    path = tmp_path / "sample.safetensors"
    save_sample(sample_of(event), path)
    tensors = read_tensors(path)
    for changed in ({**tensors, "more": torch.ones(1)}, {"features": tensors["features"]}):
        write_tensors(changed, path)
        with pytest.raises(InputError, match=r"is no sample of this version .*remove it and go on"):
            load_sample(path)


def test_a_full_disk_leaves_no_half_sample(
    event: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(HitgraphError, match=r"sample.safetensors: the disk is full"):
        save_sample(sample_of(event), tmp_path / "sample.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_jitter_moves_clusters_but_no_hit(event: Event) -> None:
    assert event.detector is not None
    random = torch.Generator().manual_seed(1)
    plain = sample_of(event).hits.features
    jittered = make_sample(event, event.detector, True, TruthSettings(), random).hits.features
    moved = {FEATURES[k] for k in torch.nonzero((jittered != plain).any(0)).squeeze(1).tolist()}
    assert "charge" in moved
    assert not moved & {"r", "phi", "z", "lz", "cell_count"}


def test_a_state_comes_back_from_its_file(event: Event, tmp_path: Path) -> None:
    hits = sample_of(event).hits
    state = State(hits).with_hit(beta=torch.rand(len(hits)), place=torch.rand(len(hits), 3))
    state = state.with_edges(torch.tensor([[0, 1, 2], [3, 4, 5]]), logit=torch.tensor([-1.0, 0, 2]))
    state = state.with_labels(torch.arange(len(hits)) // 4, z0=torch.rand(3))
    save_state(state, tmp_path / "state")
    again = load_state(hits, tmp_path / "state")
    assert again.names == state.names
    assert torch.equal(again.graph(), state.graph())
    assert torch.equal(again.labels, state.labels)  # type: ignore[arg-type]
    for kind in ("edge", "hit", "track"):
        for name, column in getattr(state, kind).items():
            assert torch.equal(getattr(again, kind)[name], column), name
    assert again.cut(0.5).graph().tolist() == [[1, 2], [4, 5]]
    assert again.cut(0.5).edge["logit"].tolist() == [0.0, 2.0]
