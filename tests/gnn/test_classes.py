"""Classes of edges and hits: the network, its lesson, and the vote of a cluster."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.argon import CLASSES, DIFFUSE, HIP, MICHEL, MIP, view_number
from hitgraph.gnn.classes.lesson import ClassLesson, class_weights, true_classes
from hitgraph.gnn.classes.network import (
    N_EDGE_CLASSES,
    ClassNetwork,
    ClassNetworkSettings,
    edge_logit,
)
from hitgraph.gnn.classes.stage import ODD, ClassSettings
from hitgraph.hits import Hits
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.state import State
from hitgraph.tracks.class_vote import ClassVote

NETWORK = ClassNetworkSettings(hidden=8, mlp_hidden=8, steps=2)


@pytest.fixture
def graph() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    edges = torch.tensor([[0, 1, 2, 0, 3], [1, 2, 3, 4, 5]])
    return torch.randn(6, 2), edges, torch.randn(5, 3)


def hits_of(n: int) -> Hits:
    zero = torch.zeros(n, dtype=torch.int64)
    return Hits(torch.zeros(n, 3), torch.zeros(n, 3), zero, zero)


def sample_of(particle_id: list[int]) -> Sample:
    n = len(particle_id)
    return Sample(
        hits=hits_of(n),
        particle_id=torch.tensor(particle_id),
        step=torch.zeros(n, dtype=torch.int32),
        target=torch.ones(n, dtype=torch.bool),
        weight=torch.ones(n),
        true_edges=torch.zeros(2, 0, dtype=torch.int64),
        born=torch.zeros(n),
        primary=torch.ones(n, dtype=torch.bool),
        perigee=torch.zeros(n, 5),
        name="event000000007",
    )


def test_the_order_of_hits_and_edges_does_not_matter(
    graph: tuple[Tensor, Tensor, Tensor],
) -> None:
    x, edges, attributes = graph
    network = ClassNetwork(NETWORK, 2, 3)
    with torch.no_grad():
        of_edges, of_hits = network(x, edges, attributes)
        hit_order, edge_order = torch.randperm(6), torch.randperm(5)
        place = torch.argsort(hit_order)
        again = network(x[hit_order], place[edges][:, edge_order], attributes[edge_order])
    assert torch.allclose(again[0], of_edges[edge_order], atol=1e-5)
    assert torch.allclose(again[1], of_hits[hit_order], atol=1e-5)


def test_an_event_without_edges_or_hits_has_logits_all_the_same() -> None:
    network = ClassNetwork(NETWORK, 2, 3)
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    for n in (0, 4):
        of_edges, of_hits = network(torch.zeros(n, 2), nothing, torch.zeros(0, 3))
        assert of_edges.shape == (0, N_EDGE_CLASSES)
        assert of_hits.shape == (n, len(CLASSES))


def test_the_logit_of_an_edge_is_that_of_any_class_against_none() -> None:
    logits = torch.randn(7, N_EDGE_CLASSES)
    expected = 1 - logits.softmax(dim=1)[:, 0]
    assert torch.allclose(edge_logit(logits).sigmoid(), expected, atol=1e-6)


def test_true_classes_of_a_hand_made_event() -> None:
    muon, other, proton = (
        int(view_number(1, number, kind, 2)) for number, kind in ((0, MIP), (1, MIP), (2, HIP))
    )
    sample = sample_of([muon, muon, other, proton, proton, 0, 0])
    edges = torch.tensor([[0, 1, 3, 4, 5], [1, 2, 4, 5, 6]])
    y = true_classes(sample, edges)
    assert y[:5].tolist() == [1 + MIP, 0, 1 + HIP, 0, 0]  # two muons, and two of noise, are none
    assert y[5:].tolist() == [MIP, MIP, MIP, HIP, HIP, DIFFUSE, DIFFUSE]


def test_events_of_a_tracker_are_refused() -> None:
    with pytest.raises(InputError, match="event000000007: particle_id 64 says no class"):
        true_classes(sample_of([64, 0]), torch.zeros(2, 0, dtype=torch.int64))


def test_rare_classes_count_more_and_the_mean_is_one() -> None:
    y = torch.tensor([0] * 9 + [1 + MICHEL] + [MIP] * 4)
    tensors = {"y": y, "edge_index": torch.zeros(2, 10)}
    of_edges, of_hits = class_weights([lambda: tensors])
    assert float(of_edges[y[:10]].mean()) == pytest.approx(1, rel=0.05)
    assert float(of_edges[1 + MICHEL] / of_edges[0]) == pytest.approx(3)
    assert float(of_hits[MIP]) == pytest.approx(1)


def test_turning_an_event_over_changes_signs_only(graph: tuple[Tensor, Tensor, Tensor]) -> None:
    x, edges, attributes = graph
    y = torch.zeros(11, dtype=torch.uint8)
    tensors = {"x": x, "edge_index": edges.int(), "edge_attr": attributes, "y": y}
    odd = torch.tensor([ODD.get(name, (False, False)) for name in ("du", "dv", "length")])
    ones = torch.ones(N_EDGE_CLASSES), torch.ones(len(CLASSES))
    lesson = ClassLesson(1, [lambda: tensors] * 40, [lambda: tensors], *ones, odd)
    seen = set()
    for batch in lesson.batches(ClassNetwork(NETWORK, 2, 3), epoch=0):
        assert batch.edge_attr is not None
        assert torch.equal(batch.edge_attr.abs(), attributes.abs())
        assert torch.equal(batch.edge_attr[:, 2], attributes[:, 2])
        seen.add(tuple((batch.edge_attr[0] / attributes[0]).round().int().tolist()[:2]))
    assert seen == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_the_loss_is_that_of_guessing_where_all_logits_are_zero(
    graph: tuple[Tensor, Tensor, Tensor],
) -> None:
    x, edges, attributes = graph
    network = ClassNetwork(NETWORK, 2, 3)
    for last in (network.edge_classes[-1], network.hit_classes[-1]):
        torch.nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        torch.nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    y = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0], dtype=torch.uint8)
    tensors = {"x": x, "edge_index": edges.int(), "edge_attr": attributes, "y": y}
    ones = torch.ones(N_EDGE_CLASSES), torch.ones(len(CLASSES))
    lesson = ClassLesson(1, [], [lambda: tensors], *ones, torch.zeros(3, 2, dtype=torch.bool))
    with torch.no_grad():
        figures = lesson.measure(network, lesson.validation_batch(0))
    assert figures["val_loss"] == pytest.approx(np.log(N_EDGE_CLASSES) + np.log(len(CLASSES)))


def test_a_cluster_votes_and_hits_of_none_keep_their_class() -> None:
    shares = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    state = State(hits_of(4)).with_hit(classes=shares).with_labels(torch.tensor([0, 0, -1, 1]))
    voted = ClassVote()(state).hit["classes"]
    expected = [[0.65, 0.35], [0.65, 0.35], [0.2, 0.8], [0.3, 0.7]]
    assert torch.allclose(voted, torch.tensor(expected))
    nothing = State(hits_of(0)).with_hit(classes=shares[:0])
    assert len(ClassVote()(nothing.with_labels(torch.zeros(0).long())).hit["classes"]) == 0


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingsError, match="target_efficiency: 0 is not in"):
        ClassSettings(target_efficiency=0)
    with pytest.raises(SettingsError, match="hit_inputs: is empty"):
        ClassSettings(hit_inputs=())
    with pytest.raises(SettingsError, match="steps: 0 is not allowed"):
        ClassNetworkSettings(steps=0)
    with pytest.raises(SettingsError, match="checkpointing"):
        ClassSettings(training=TrainingSettings(checkpointing=True))
