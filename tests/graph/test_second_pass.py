"""The second pass: long tracks set aside, a graph of the rest, tracks of both passes together."""

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.graph.second_pass import SecondPass, SecondPassSettings, rows_left, set_aside
from hitgraph.graph.windows import WindowSettings
from hitgraph.hits import Hits
from hitgraph.lessons.samples import Sample, select_sample
from hitgraph.settings import parse, to_dict
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tracks.both_passes import BothPasses, BothPassesSettings

LABELS = torch.tensor([0, 0, 1, -1, 2, 2, 2, 1, 0, -1])


def hits(n: int) -> Hits:
    rows = torch.arange(n)
    features = rows[:, None].expand(n, 4).float()
    return Hits(features, torch.ones(n, 3), rows % 3, rows)


class EveryPair:
    """A graph builder that joins each hit to all after it."""

    def __call__(self, state: State) -> State:
        edges = torch.combinations(torch.arange(len(state.hits))).T
        return state.with_edges(edges, first=state.hits.module[edges[0]])

    def tensors(self) -> dict[str, Tensor]:
        return {"table": torch.ones(2)}


def test_tracks_of_enough_hits_are_set_aside_and_numbered_anew() -> None:
    assert set_aside(LABELS, 3).tolist() == [0, 0, -1, -1, 1, 1, 1, -1, 0, -1]
    assert set_aside(LABELS, 4).tolist() == [-1] * 10
    assert set_aside(LABELS, 1).tolist() == LABELS.tolist()
    assert set_aside(LABELS[:0], 3).tolist() == []
    assert set_aside(torch.full((3,), -1), 1).tolist() == [-1, -1, -1]


@given(st.lists(st.integers(-1, 5), max_size=30), st.integers(1, 6))
def test_what_is_set_aside_are_whole_tracks(numbers: list[int], min_hits: int) -> None:
    labels = torch.tensor(numbers, dtype=torch.int64)
    aside = set_aside(labels, min_hits)
    long = {one for one in numbers if one >= 0 and numbers.count(one) >= min_hits}
    assert [one in long for one in numbers] == (aside >= 0).tolist()
    assert set(aside[aside >= 0].tolist()) == set(range(len(long)))
    together = set(zip(labels[aside >= 0].tolist(), aside[aside >= 0].tolist(), strict=True))
    assert len(together) == len(long)


def test_the_builder_sees_the_hits_left_and_its_edges_name_the_hits_of_the_event() -> None:
    state = SecondPass(EveryPair(), 3)(State(hits(10)).with_labels(LABELS))
    assert rows_left(state.hit["first_pass"]).tolist() == [2, 3, 7, 9]
    assert state.graph().T.tolist() == [[2, 3], [2, 7], [2, 9], [3, 7], [3, 9], [7, 9]]
    assert state.edge["first"].tolist() == [2, 2, 2, 3, 3, 7]
    assert len(state.hits) == 10


def test_both_passes_together() -> None:
    first = State(hits(10)).with_labels(LABELS)
    second = SecondPass(EveryPair(), 3)(first)
    found = torch.tensor([-1, -1, 0, 1, -1, -1, -1, 0, -1, 1])
    both = BothPasses()(second.with_labels(found)).labels
    assert both is not None
    assert both.tolist() == [0, 0, 2, 3, 1, 1, 1, 2, 0, 3]


def test_both_passes_of_nothing() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    state = State(hits(0)).with_hit(first_pass=empty).with_labels(empty)
    labels = BothPasses()(state).labels
    assert labels is not None
    assert labels.tolist() == []


def test_truth_of_some_hits() -> None:
    column = torch.arange(5)
    sample = Sample(
        hits=hits(5),
        particle_id=column + 10,
        step=column.int(),
        target=column > 0,
        weight=column.float(),
        true_edges=torch.tensor([[0, 1, 3], [1, 3, 4]]),
        born=column.float(),
        primary=column < 3,
        name="event000000001",
    )
    some = select_sample(sample, torch.tensor([1, 3, 4]))
    assert some.particle_id.tolist() == [11, 13, 14]
    assert some.true_edges.T.tolist() == [[0, 1], [1, 2]]
    assert some.hits.module.tolist() == [1, 3, 4]
    assert some.name == sample.name


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"builder": {"use": "merge"}}, "builder.use: merge is no graph builder"),
        ({"builder": {"use": "network"}}, "builder.use: network is no graph builder"),
        ({"builder": {"use": "nothing"}}, "builder.use: 'nothing' is not allowed; one of"),
        ({"min_hits": 0}, "min_hits: 0 is not allowed, at least 1"),
    ],
)
def test_what_is_no_second_pass_is_refused(mapping: Mapping[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(SecondPassSettings, mapping)


def test_the_builder_stands_in_the_recipe() -> None:
    mapping = {"builder": {"use": "windows", "tail": 0.01}, "min_hits": 4}
    settings = parse(SecondPassSettings, mapping)
    assert settings == SecondPassSettings(WindowSettings(tail=0.01), 4)
    assert parse(SecondPassSettings, to_dict(settings)) == settings


def test_tensors_of_both_passes_are_refused(tiny_event: Event) -> None:
    with pytest.raises(InputError, match="score_cut: unknown tensor"):
        BothPassesSettings().load(Context(tiny_event.detector), {"score_cut": torch.ones(1)})
