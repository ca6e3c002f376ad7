"""Stages that do not keep to the contract are named when they learn, with what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from tests.tracks.graphs import make_hits
from torch import Tensor, nn

from hitgraph.errors import ContractError
from hitgraph.event.event import Event
from hitgraph.gnn.contract import check_logits, check_network
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.hits import Hits
from hitgraph.pipeline import promised
from hitgraph.recipe import Step
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tensors import number
from hitgraph.tracks.components import ComponentsSettings
from hitgraph.tracks.stage import TrackSettings, TrackStage
from hitgraph.training.contract import check_state, contract_of, tensors_of

BEFORE = State(make_hits(4))  # the farther out, the higher the row
EDGES = torch.tensor([[0, 0, 1], [1, 2, 3]])
STEP = Step("last", ComponentsSettings())


def test_a_graph_tracks_and_columns_that_fit_pass() -> None:
    graph = BEFORE.with_edges(EDGES, logit=torch.zeros(3)).with_hit(place=torch.zeros(4, 2))
    check_state(BEFORE, graph)
    check_state(graph, graph.with_labels(torch.tensor([1, 1, -1, 0]), z0=torch.zeros(2)))
    check_state(BEFORE, BEFORE.with_edges(torch.zeros((2, 0), dtype=torch.int64)))
    check_state(BEFORE, BEFORE.with_labels(torch.full((4,), -1)))
    nobody = State(make_hits(0))
    check_state(nobody, nobody.with_labels(torch.zeros(0, dtype=torch.int64)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.with_edges(EDGES.int()), r"edges are torch.int32 .* int64 .* shape \(2, n\)"),
        (lambda s: s.with_edges(EDGES.T), r"edges are torch.int64 of shape \(3, 2\)"),
        (lambda s: s.with_edges(EDGES.numpy()), "edges is a ndarray: expected an int64 tensor"),
        (lambda s: s.with_edges(EDGES + 1), "edges name hits 1 to 4: expected 0 to 3"),
        (lambda s: s.with_edges(EDGES.flip(0)), "3 of 3 edges run inwards"),
        (lambda s: s.with_edges(EDGES[:, [0, 1, 0]]), "1 of 3 edges are there twice"),
        (lambda s: s.with_edges(EDGES[:1].repeat(2, 1)), "3 of 3 edges join a hit with itself"),
        (lambda s: s.with_edges(EDGES, dphi=torch.zeros(2)), r"edge.dphi .* each of the 3 edges"),
        (lambda s: s.with_edges(EDGES, dphi=torch.full((3,), torch.nan)), "edge.dphi has values"),
        (lambda s: s.with_hit(place=torch.zeros(3)), r"hit.place .* each of the 4 hits"),
        (lambda s: s.with_labels(torch.tensor([0, 0, 2, -1])), "labels have 2 .* from 0 to 2"),
        (lambda s: s.with_labels(torch.tensor([0, 0, 1, -2])), "labels have 3 .* from -2 to 1"),
        (lambda s: s.with_labels(torch.zeros(3, dtype=torch.int64)), r"expected .* shape \(4,\)"),
    ],
)
def test_what_does_not_fit_is_named(change: Callable[[State], State], message: str) -> None:
    where = r"stage last \(hitgraph.tracks.components:ComponentsSettings\): "
    with pytest.raises(ContractError, match=where + ".*" + message), contract_of(STEP):
        check_state(BEFORE, change(BEFORE))


class Learnt:
    """A stage with one number."""

    value: Any = number(0.5)

    def __call__(self, state: State) -> State:
        return state

    def tensors(self) -> dict[str, Tensor]:
        return {"cut": self.value}


def test_what_learn_returns_has_to_be_a_stage_of_tensors() -> None:
    assert tensors_of(Learnt()) == {"cut": number(0.5)}
    with pytest.raises(ContractError, match="learn returned NoneType: return the stage"):
        tensors_of(None)
    wrong = Learnt()
    wrong.value = 0.5
    with pytest.raises(ContractError, match=r"tensors: cut is a float: .*hitgraph.tensors.number"):
        tensors_of(wrong)


def test_a_stage_is_held_to_what_it_gives() -> None:
    with pytest.raises(ContractError, match=r"stage last \(.*\): gives labels, but has not"):
        promised(STEP, Learnt())(BEFORE)
    with pytest.raises(ContractError, match="__call__ returned NoneType, not a State"):
        promised(STEP, lambda _: None)(BEFORE)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Halves(TrackSettings):
    """Labels that are no integers."""

    score_cut: float = 0.5
    min_hits: int = 1
    paper: ClassVar[str] = ""

    def build(self, hits: Hits, *_: Any) -> Tensor:
        return torch.full((len(hits),), 0.5)


def test_a_track_builder_gives_whole_labels(tiny_event: Event) -> None:
    assert tiny_event.detector is not None
    state = BEFORE.with_edges(EDGES, logit=torch.zeros(3))
    with pytest.raises(ContractError, match=r"build: labels .* int64 tensor of shape \(4,\)"):
        TrackStage(Context(tiny_event.detector), Halves())(state)


def test_a_network_gives_one_logit_an_edge() -> None:
    settings, y = InteractionSettings(), torch.zeros(3)
    check_network(settings, settings.build(1, 1))
    check_logits(settings, torch.zeros(3), y)
    with pytest.raises(ContractError, match=r"InteractionSettings\): build returned Linear"):
        check_network(settings, nn.Linear(1, 1))
    with pytest.raises(ContractError, match=r"logits of shape \(3, 1\), expected \(3,\)"):
        check_logits(settings, torch.zeros(3, 1), y)
