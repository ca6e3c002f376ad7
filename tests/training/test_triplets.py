"""Training with a triplet filter and without a pair filter."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained import N_TRAIN, N_VALIDATION, tiny_recipe, train_quietly

from hitgraph.errors import InputError
from hitgraph.event.source import list_events
from hitgraph.event.truth import true_edges
from hitgraph.graph.hits import hits_from_event
from hitgraph.graph.triplets import SUPPORT, TripletFilter
from hitgraph.pipeline import Pipeline
from hitgraph.training.samples import ScoredEdges, make_sample, save_edges, save_sample
from hitgraph.training.triplets import TripletLessons

CHANGES: dict[str, Any] = {
    "graph": {"builder": "scored", "pair_coverage": 1.0, "tail": 0.0, "target_efficiency": 0.95},
    "filter": None,
    "triplets": {
        "network": {"hidden": 8},
        "training": {"epochs": 3, "learning_rate": 0.02},
        "target_efficiency": 0.95,
    },
    "gnn__edge_inputs": ["filter_logit", *SUPPORT, "curvature"],
}


@pytest.fixture(scope="module")
def trained(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triplets") / "pipeline"
    train_quietly(tiny_recipe(**CHANGES), tiny_store, folder)
    return folder


def test_the_cut_keeps_the_wanted_share_of_the_true_edges(tiny_store: Path, trained: Path) -> None:
    """Counted again from the events."""
    pipeline = Pipeline.load(trained)
    assert pipeline.filter is None
    scores = []
    for source in list_events([tiny_store])[N_TRAIN : N_TRAIN + N_VALIDATION]:
        event = source.read()
        truth = set(map(tuple, true_edges(event).T.tolist()))
        hits = hits_from_event(event, pipeline.detector)
        edges, logits = pipeline.build_graph(hits)
        assert logits is not None
        judged, _ = pipeline.triplet_logits(hits, edges, logits)
        is_true = torch.tensor([tuple(edge) in truth for edge in edges.T.tolist()])
        scores.append(torch.sigmoid(judged[is_true].double()))
    found, cut = torch.cat(scores), pipeline.working_points.triplet_cut
    assert int((found >= cut * (1 - 1e-6)).sum()) >= 0.95 * len(found)
    assert int((found > cut * (1 + 1e-6)).sum()) < 0.95 * len(found)


def test_a_run_names_its_stages_and_cuts_the_edges(tiny_store: Path, trained: Path) -> None:
    event = list_events([tiny_store])[-1].read()
    stages = {stage.name: stage for stage in Pipeline.load(trained).run(event).stages}
    assert list(stages) == ["features", "graph", "triplets", "gnn", "tracks"]
    assert stages["graph"].edges is not None
    assert stages["triplets"].edges is not None
    assert stages["triplets"].edges < stages["graph"].edges


def test_learning_steps_lower_the_loss(trained: Path, tiny_store: Path) -> None:
    """Of both networks, on the triplets and the edges of a tiny event."""
    pipeline = Pipeline.load(trained)
    event = list_events([tiny_store])[0].read()
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, pipeline.recipe.truth)
    files = trained / "sample", trained / "edges"
    save_sample(sample, files[0])
    save_edges(ScoredEdges(*pipeline.build_graph(sample.hits)), files[1])
    stage = pipeline.recipe.triplets
    assert stage is not None
    torch.manual_seed(0)
    network = TripletFilter(stage.network)
    lessons = TripletLessons(pipeline.recipe, stage)
    for part, module in (("triplet", network.triplet), ("edge", network.edge)):
        lesson = lessons.prepare(network, part, [files], [files])
        module.standardise.learn(lesson.rows)
        (batch,) = lesson.batches(module, 0)
        optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
        before = lesson.loss(module, batch).item()
        for _ in range(30):
            optimiser.zero_grad()
            lesson.loss(module, batch).backward()
            optimiser.step()
        assert lesson.loss(module, batch).item() < 0.9 * before


def test_a_finished_part_is_not_trained_again(tiny_store: Path, tmp_path: Path) -> None:
    """Stopped between the two networks: goes on to the same weights as without a stop."""
    recipe = tiny_recipe(**CHANGES)
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    train_quietly(recipe, tiny_store, straight)
    with pytest.raises(KeyboardInterrupt):
        train_until(recipe, tiny_store, stopped, "training triplets/edge")
    assert (stopped / "training" / "triplets" / "triplet" / "merit.json").is_file()
    train_quietly(recipe, tiny_store, stopped, resume=True)
    one, other = Pipeline.load(straight), Pipeline.load(stopped)
    assert one.working_points == other.working_points
    assert one.triplets is not None
    assert other.triplets is not None
    for key, value in one.triplets.state_dict().items():
        assert torch.equal(value, other.triplets.state_dict()[key]), key
    facts = json.loads((stopped / "training" / "triplets" / "done.json").read_text())
    assert {"triplet_val_loss", "edge_val_loss", "cut", "edges", "efficiency"} <= set(facts)


def train_until(recipe: Any, store: Path, out: Path, line: str) -> None:
    """Train and interrupt when a report begins with `line`."""
    from hitgraph.training.train import train

    def report(text: str) -> None:
        if text.startswith(line):
            raise KeyboardInterrupt

    train(recipe, list_events([store]), out, quiet=True, report=report)


def test_events_without_triplets_are_named(trained: Path, tiny_store: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.load(trained)
    event = list_events([tiny_store])[0].read()
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, pipeline.recipe.truth)
    save_sample(sample, tmp_path / "sample")
    edges = ScoredEdges(*pipeline.build_graph(sample.hits))
    save_edges(edges, tmp_path / "edges")
    save_edges(edges.above(1.0), tmp_path / "none")
    some, none = ((tmp_path / "sample", tmp_path / name) for name in ("edges", "none"))
    stage = pipeline.recipe.triplets
    assert stage is not None
    lessons = TripletLessons(pipeline.recipe, stage)
    network = TripletFilter(stage.network)
    for events, kind in (((none, some), "training"), ((some, none), "validation")):
        with pytest.raises(InputError, match=f"the 1 {kind} events have no triplet to judge"):
            lessons.prepare(network, "triplet", events[:1], events[1:])
