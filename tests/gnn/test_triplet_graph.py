"""The triplet graph: who is joined, what a doublet's score is, and the seeds that come out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.trained import tiny_recipe, train_quietly, untrained
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.gnn.seeds import innermost_seeds, quadruplet_seeds, triplet_seeds
from hitgraph.gnn.triplet_graph import TripletGraphSettings, TripletGraphStage, Triplets
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.pipeline import Pipeline
from hitgraph.state import State

SMALL = {"use": "attention", "hidden": 8, "steps": 2}
STAGE: dict[str, Any] = {
    "use": "triplet_graph",
    "network": SMALL,
    "training": {"epochs": 3, "learning_rate": 0.02},
    "target_efficiency": 0.95,
}
# The track 0-1-2-3 and the branch 1-4: doublets a (0,1), b (1,2), c (2,3), d (1,4), and e (4,5).
EDGES = torch.tensor([[0, 1, 2, 1, 4], [1, 2, 3, 4, 5]])
TRIPLETS = Triplets(  # a-b, b-c, a-d, d-e
    torch.tensor([[0, 1, 0, 3], [1, 2, 3, 4]]), torch.tensor([3.0, 2.0, -1.0, 1.0])
)


class Fixed(EdgeNetwork):
    """The score of a triplet is how much its doublets differ in their first column."""

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:  # noqa: ARG002
        return edge_attr[:, 0]


@pytest.fixture
def scored(make_event: Callable[..., Event]) -> tuple[TripletGraphStage, State]:
    """A stage with a known network, and an event whose doublets have random logits."""
    event = make_event(n_particles=10, n_noise=5, seed=4)
    pipeline = untrained(tiny_recipe(gnn=STAGE), event)
    state = pipeline.run(event, keep=["graph"]).kept["graph"]
    random = torch.Generator().manual_seed(0)
    state = state.with_edge(logit=torch.randn(state.n_edges, generator=random))
    settings = TripletGraphSettings(doublet_cut=0.4)
    return TripletGraphStage(pipeline.context, settings, Fixed(1, 1), 0.5), state


def test_triplets_are_all_pairs_of_good_doublets_that_share_a_hit(
    scored: tuple[TripletGraphStage, State],
) -> None:
    stage, state = scored
    inner, outer = state.graph().tolist()
    good = (state.scores() >= 0.4).tolist()
    expected = {
        (one, other)
        for one in range(state.n_edges)
        for other in range(state.n_edges)
        if outer[one] == inner[other] and good[one] and good[other]
    }
    found = stage.triplets(state)
    assert len(expected) >= 10
    assert {(a, b) for a, b in found.doublets.T.tolist()} == expected
    first, second = state.edge["logit"][found.doublets]
    torch.testing.assert_close(found.logit, second - first)


def test_a_doublet_is_as_good_as_its_best_triplet_and_without_one_as_it_was(
    scored: tuple[TripletGraphStage, State],
) -> None:
    stage, state = scored
    triplets = stage.triplets(state)
    in_triplets: dict[int, list[float]] = {}
    for doublets, score in zip(triplets.doublets.T.tolist(), triplets.logit.tolist(), strict=True):
        for doublet in doublets:
            in_triplets.setdefault(doublet, []).append(score)
    own = state.edge["logit"].tolist()
    best = [max(in_triplets.get(doublet, [own[doublet]])) for doublet in range(state.n_edges)]
    assert 0 < len(in_triplets) < state.n_edges
    assert stage.logits(state).tolist() == pytest.approx(best)
    kept = stage(state)
    assert 0 < kept.n_edges == sum(score >= 0 for score in best)


def test_without_any_triplet_doublets_keep_their_scores(
    scored: tuple[TripletGraphStage, State],
) -> None:
    stage, state = scored
    poor = state.with_edge(logit=state.edge["logit"] - 10)
    assert stage.triplets(poor).logit.shape == (0,)
    assert torch.equal(stage.logits(poor), poor.edge["logit"])


def test_seeds_of_three_and_of_four_hits() -> None:
    assert triplet_seeds(EDGES, TRIPLETS, 0.5).tolist() == [[0, 1, 2], [1, 2, 3], [1, 4, 5]]
    assert quadruplet_seeds(EDGES, TRIPLETS, 0.5).tolist() == [[0, 1, 2, 3]]
    assert quadruplet_seeds(EDGES, TRIPLETS, 0.0).tolist() == [[0, 1, 2, 3], [0, 1, 4, 5]]
    assert triplet_seeds(EDGES, TRIPLETS, 0.99).shape == (0, 3)
    assert quadruplet_seeds(EDGES, TRIPLETS, 0.99).shape == (0, 4)


def test_it_learns_which_triplets_are_of_one_particle(tiny_store: Path, tmp_path: Path) -> None:
    training = train_quietly(tiny_recipe(gnn=STAGE), tiny_store, tmp_path)
    assert training.stages["gnn"]["val_auc"] > 0.8
    pipeline = Pipeline.load(tmp_path)
    unseen = list_events([tiny_store])[-1].read()
    result = pipeline.run(unseen, keep=["filter"])
    np.testing.assert_array_equal(result.labels, training.pipeline.run(unseen).labels)
    stage = pipeline.stages["gnn"]
    assert isinstance(stage, TripletGraphStage)
    assert stage.cut == pytest.approx(training.stages["gnn"]["cut"])
    state = result.kept["filter"]
    seeds = triplet_seeds(state.graph(), stage.triplets(state), 0.5).numpy()
    assert unseen.truth is not None
    particles = np.asarray(unseen.truth.particle_id)[seeds]
    pure = (particles == particles[:, :1]).all(axis=1) & (particles[:, 0] != 0)
    assert pure.mean() > 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doublet_cut": 1.0}, r"doublet_cut: 1.0 is not in \[0, 1\)"),
        ({"edge_inputs": []}, "edge_inputs: is empty"),
        ({"network": {"use": "equivariant"}}, "network.use: equivariant is not allowed here: its"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        tiny_recipe(gnn=STAGE | changes)


def test_seeds_of_edges_begin_where_no_edge_leads_to() -> None:
    """0-1-2-3 is a track, 4-5-6 another whose first two hits are on one layer, 7-8 is too short."""
    edges = torch.tensor([[0, 1, 2, 0, 4, 4, 5, 6, 7], [1, 2, 3, 2, 5, 6, 6, 3, 8]])
    logits = torch.tensor([3.0, 4.0, 5.0, 2.0, 9.0, 1.0, 6.0, 1.5, 8.0])
    layer = torch.tensor([0, 1, 2, 3, 0, 0, 1, 0, 1])
    found = innermost_seeds(edges, logits, layer, 0.5)
    # 0-1-2 is better than 0-2-3, and 4-6 worse than 5-6: the best seed first, one a first hit
    assert found.tolist() == [[0, 1, 2], [5, 6, 3], [4, 6, 3]]
    assert innermost_seeds(edges, logits, layer, 0.9).tolist() == [[0, 1, 2]]
    assert innermost_seeds(edges, logits, layer, 0.999).shape == (0, 3)
    assert innermost_seeds(edges[:, :0], logits[:0], layer).shape == (0, 3)
