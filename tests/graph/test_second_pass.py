"""The second pass: long tracks set aside, a graph of the rest, tracks of both passes together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.graph.second_pass import (
    SURE,
    SecondPass,
    SecondPassSettings,
    along_tracks,
    edges_along,
    what_is_left,
)
from hitgraph.graph.windows import WindowSettings
from hitgraph.hits import Hits
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import Sample, make_sample, select_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.lessons.workshop import Workshop
from hitgraph.settings import parse, to_dict
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State, long_tracks
from hitgraph.tracks.both_passes import (
    BothPasses,
    BothPassesSettings,
    once_a_module,
    together,
)
from hitgraph.training.workshop import StageWorkshop

LABELS = torch.tensor([0, 0, 1, -1, 2, 2, 2, 1, 0, -1])


def hits(n: int) -> Hits:
    """Each farther from the origin than those before it."""
    rows = torch.arange(n)
    features = rows[:, None].expand(n, 4).float()
    return Hits(features, rows[:, None].expand(n, 3) + 1.0, rows % 3, rows)


class EveryPair:
    """A graph builder that joins each hit to all after it."""

    def __call__(self, state: State) -> State:
        edges = torch.combinations(torch.arange(len(state.hits))).T
        return state.with_edges(edges, logit=state.hits.module[edges[0]].float())

    def tensors(self) -> dict[str, Tensor]:
        return {"table": torch.ones(2)}


def test_tracks_of_enough_hits_are_set_aside_and_numbered_anew() -> None:
    assert long_tracks(LABELS, 3).tolist() == [0, 0, -1, -1, 1, 1, 1, -1, 0, -1]
    assert long_tracks(LABELS, 4).tolist() == [-1] * 10
    assert long_tracks(LABELS, 1).tolist() == LABELS.tolist()
    assert long_tracks(LABELS[:0], 3).tolist() == []
    assert long_tracks(torch.full((3,), -1), 1).tolist() == [-1, -1, -1]


@given(st.lists(st.integers(-1, 5), max_size=30), st.integers(1, 6))
def test_what_is_set_aside_are_whole_tracks(numbers: list[int], min_hits: int) -> None:
    labels = torch.tensor(numbers, dtype=torch.int64)
    aside = long_tracks(labels, min_hits)
    long = {one for one in numbers if one >= 0 and numbers.count(one) >= min_hits}
    assert [one in long for one in numbers] == (aside >= 0).tolist()
    assert set(aside[aside >= 0].tolist()) == set(range(len(long)))
    together = set(zip(labels[aside >= 0].tolist(), aside[aside >= 0].tolist(), strict=True))
    assert len(together) == len(long)


def second_pass(min_hits: int, ends: bool) -> SecondPass:
    return SecondPass(EveryPair(), SecondPassSettings(min_hits=min_hits, ends=ends))


def test_the_builder_sees_the_hits_left_and_its_edges_name_the_hits_of_the_event() -> None:
    state = second_pass(3, False)(State(hits(10)).with_labels(LABELS))
    assert state.graph().T.tolist() == [[2, 3], [2, 7], [2, 9], [3, 7], [3, 9], [7, 9]]
    assert state.edge["logit"].tolist() == [2, 2, 2, 3, 3, 7]
    assert len(state.hits) == 10


@dataclass(frozen=True)
class CountingSettings(StageSettings):
    """A graph builder that learns how many hits it was shown."""

    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> EveryPair:
        raise NotImplementedError

    def learn(
        self,
        context: Context,  # noqa: ARG002
        material: Material,
        workshop: Workshop,
    ) -> EveryPair:
        workshop.report(f"{len(material.train[0]().state.hits)} hits")
        return EveryPair()


@pytest.mark.parametrize(("learn_from", "said"), [("left", "7 hits"), ("all", "10 hits")])
def test_the_builder_learns_from_the_hits_left_or_from_all(
    tiny_event: Event, learn_from: Literal["left", "all"], said: str, tmp_path: Path
) -> None:
    detector = tiny_event.detector
    assert detector is not None
    sample = make_sample(tiny_event, detector, False, TruthSettings())
    some = select_sample(sample, torch.arange(10))
    labels = torch.tensor([-1] * 7 + [0] * 3)
    example = Example(some, State(some.hits).with_labels(labels))
    lines: list[str] = []
    shop = StageWorkshop("graph2", tmp_path, 1, TruthSettings(), "cpu", False, True, lines.append)
    settings = SecondPassSettings(CountingSettings(), min_hits=3, ends=False, learn_from=learn_from)
    settings.learn(Context(detector), Material([lambda: example], []), shop)
    assert lines == [said]


def test_hits_along_tracks() -> None:
    labels = torch.tensor([0, 1, 0, 1, 0, -1, 0])
    order, start, end = along_tracks(labels, hits(7).position.flip(0))
    assert order.tolist() == [6, 4, 2, 0, 3, 1]
    assert start.tolist() == [0, 4]
    assert end.tolist() == [3, 5]
    nothing = along_tracks(torch.full((7,), -1), hits(7).position)
    assert [one.tolist() for one in nothing] == [[], [], []]


def test_edges_along_tracks_lead_from_layer_to_layer() -> None:
    """The hits 0 and 2 of track 0 lie on one layer, as 4 and 5 do."""
    labels = torch.tensor([0, 1, 0, 1, 0, 0, 0, -1])
    layer = torch.tensor([3, 3, 3, 5, 4, 4, 6, 6])
    some = replace(hits(8), layer=layer)
    assert edges_along(labels, some).T.tolist() == [[0, 4], [4, 6], [1, 3]]
    assert edges_along(torch.full((8,), -1), some).shape == (2, 0)


def test_tracks_are_continued_outwards_and_not_joined() -> None:
    """Track 0 has the hits 0 1 2 3, track 1 the hits 4 5 6 7; 8 and 9 are on none."""
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, -1, -1])
    state = State(hits(10)).with_labels(labels)
    left = what_is_left(state, SecondPassSettings(min_hits=3))
    assert left.rows.tolist() == [0, 3, 4, 7, 8, 9]
    assert left.within.T.tolist() == [[0, 1], [4, 5], [2, 3], [6, 7]]
    allowed = [[3, 8], [7, 8], [8, 9], [8, 0], [9, 4]]
    refused = [[0, 8], [8, 3], [3, 4], [0, 3], [4, 7]]
    assert left.is_onwards(torch.searchsorted(left.rows, torch.tensor(allowed)).T).all()
    assert not left.is_onwards(torch.searchsorted(left.rows, torch.tensor(refused)).T).any()
    built = second_pass(3, True)(state)
    assert built.graph().T.tolist() == [
        [3, 8],
        [3, 9],
        [7, 8],
        [7, 9],
        [8, 9],
        *left.within.T.tolist(),
    ]
    assert built.edge["logit"].tolist() == [3, 3, 7, 7, 8, SURE, SURE, SURE, SURE]


def test_both_passes_together() -> None:
    first = State(hits(10)).with_labels(LABELS)
    second = second_pass(3, False)(first)
    found = torch.tensor([-1, -1, 0, 1, -1, -1, -1, 0, -1, 1])
    both = BothPasses(1)(second.with_labels(found))
    assert both.labels is not None
    assert both.labels.tolist() == [0, 0, 2, 3, 1, 1, 1, 2, 0, 3]
    long = BothPasses(3)(second.with_labels(found)).labels
    assert long is not None
    assert long.tolist() == [0, 0, -1, -1, 1, 1, 1, -1, 0, -1]
    assert "hit.first_pass" not in both.names


def test_a_track_of_the_second_pass_continues_the_one_of_which_it_has_most_ends() -> None:
    first = torch.tensor([0, 0, 0, 1, 1, 1, -1, -1, -1, -1, -1])
    second = torch.tensor([-1, 0, 0, 0, 1, 1, 0, 1, 2, 2, -1])
    assert together(first, second).tolist() == [0, 0, 0, 1, 1, 1, 0, 1, 2, 2, -1]
    tie = torch.tensor([-1, -1, 0, 0, -1, -1, 0, -1, -1, -1, -1])
    assert together(first, tie).tolist() == [0, 0, 0, 1, 1, 1, 0, -1, -1, -1, -1]


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=25))
def test_first_tracks_stay_and_numbers_have_no_gaps(pairs: list[tuple[int, int]]) -> None:
    first = long_tracks(torch.tensor([a for a, _ in pairs], dtype=torch.int64), 1)
    second = long_tracks(torch.tensor([b for _, b in pairs], dtype=torch.int64), 1)
    both = together(first, second)
    assert torch.equal(both[first >= 0], first[first >= 0])
    assert torch.equal(both < 0, (first < 0) & (second < 0))
    assert set(both[both >= 0].tolist()) == set(range(int(both.max()) + 1 if len(both) else 0))
    for track in range(4):
        assert len(both[(second == track) & (first < 0)].unique()) <= 1


def test_no_track_gets_a_second_hit_of_a_module() -> None:
    """Hit 3 continues track 0, whose hit 1 is of its module; hit 4 is of another one."""
    first = torch.tensor([0, 0, 0, -1, -1, -1])
    second = torch.tensor([-1, -1, 0, 0, 0, 1])
    module = torch.tensor([5, 6, 7, 6, 8, 6])
    labels = together(first, second)
    assert labels.tolist() == [0, 0, 0, 0, 0, 1]
    assert once_a_module(labels, first, module).tolist() == [0, 0, 0, -1, 0, 1]
    assert once_a_module(first, first, module).tolist() == first.tolist()


def test_both_passes_of_nothing() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    state = State(hits(0)).with_hit(first_pass=empty).with_labels(empty)
    labels = BothPasses(3)(state).labels
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
        perigee=column[:, None].expand(5, 5).float(),
        name="event000000001",
    )
    some = select_sample(sample, torch.tensor([1, 3, 4]))
    assert some.particle_id.tolist() == [11, 13, 14]
    assert some.true_edges.T.tolist() == [[0, 1], [1, 2]]
    assert some.hits.module.tolist() == [1, 3, 4]
    assert some.perigee[:, 4].tolist() == [1, 3, 4]
    assert some.name == sample.name


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"builder": {"use": "merge"}}, "builder.use: merge is no graph builder"),
        ({"builder": {"use": "network"}}, "builder.use: network is no graph builder"),
        ({"builder": {"use": "nothing"}}, "builder.use: 'nothing' is not allowed; one of"),
        ({"min_hits": 0}, "min_hits: 0 is not allowed"),
        ({"builder": {"use": "scored"}, "min_hits": 2}, "min_hits: 2 is not allowed"),
    ],
)
def test_what_is_no_second_pass_is_refused(mapping: Mapping[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(SecondPassSettings, mapping)


def test_the_builder_stands_in_the_recipe() -> None:
    mapping = {"builder": {"use": "windows", "tail": 0.01}, "min_hits": 4, "ends": False}
    settings = parse(SecondPassSettings, mapping)
    assert settings == SecondPassSettings(WindowSettings(tail=0.01), 4, False)
    assert parse(SecondPassSettings, to_dict(settings)) == settings


def test_tensors_of_both_passes_are_refused(tiny_event: Event) -> None:
    with pytest.raises(InputError, match="score_cut: unknown tensor"):
        BothPassesSettings().load(Context(tiny_event.detector), {"score_cut": torch.ones(1)})
