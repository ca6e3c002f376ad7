"""Training with a triplet filter and without a pair filter."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained import N_TRAIN, N_VALIDATION, tiny_recipe, train_quietly

from hitgraph.errors import InputError
from hitgraph.event.source import list_events
from hitgraph.event.truth import true_edges
from hitgraph.graph.triplets import SUPPORT, TripletFilter
from hitgraph.graph.triplets.lesson import TripletLessons
from hitgraph.lessons.material import Example
from hitgraph.lessons.samples import make_sample
from hitgraph.lessons.teacher import Teacher
from hitgraph.pipeline import Pipeline
from hitgraph.state import State

CHANGES: dict[str, Any] = {
    "graph": {"use": "scored", "pair_coverage": 1.0, "tail": 0.0, "target_efficiency": 0.95},
    "filter": None,
    "triplets": {
        "use": "triplets",
        "network": {"hidden": 8},
        "training": {"epochs": 3, "learning_rate": 0.02},
        "target_efficiency": 0.95,
    },
    "gnn__edge_inputs": ["logit", *SUPPORT, "curvature"],
}


@pytest.fixture(scope="module")
def trained(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triplets") / "pipeline"
    train_quietly(tiny_recipe(**CHANGES), tiny_store, folder)
    return folder


def test_the_cut_keeps_the_wanted_share_of_the_true_edges(tiny_store: Path, trained: Path) -> None:
    """Counted again from the events."""
    pipeline = Pipeline.load(trained)
    stage: Any = pipeline.stages["triplets"]
    scores = []
    for source in list_events([tiny_store])[N_TRAIN : N_TRAIN + N_VALIDATION]:
        event = source.read()
        truth = set(map(tuple, true_edges(event).T.tolist()))
        judged = stage.judge(pipeline.stages["graph"](pipeline.start(event)))
        is_true = torch.tensor([tuple(edge) in truth for edge in judged.graph().T.tolist()])
        scores.append(torch.sigmoid(judged.edge["logit"][is_true].double()))
    found, cut = torch.cat(scores), stage.cut
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
    example = Example(sample, pipeline.stages["graph"](State(sample.hits)))
    settings: Any = pipeline.recipe.step("triplets").settings
    torch.manual_seed(0)
    network = TripletFilter(settings.network)
    lessons = TripletLessons(settings, pipeline.recipe.truth, pipeline.recipe.seed, Teacher())
    for part, module in (("triplet", network.triplet), ("edge", network.edge)):
        lesson = lessons.prepare(network, part, [lambda: example], [lambda: example])
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
        train_until(recipe, tiny_store, stopped, "training triplets edge")
    assert (stopped / "training" / "triplets" / "triplet" / "merit.json").is_file()
    train_quietly(recipe, tiny_store, stopped, resume=True)
    one, other = (
        Pipeline.load(folder).stages["triplets"].tensors() for folder in (straight, stopped)
    )
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key
    facts = json.loads((stopped / "training" / "triplets" / "done.json").read_text())
    assert {"triplet_val_loss", "edge_val_loss", "cut", "edges", "efficiency"} <= set(facts)


def train_until(recipe: Any, store: Path, out: Path, line: str) -> None:
    """Train and interrupt when a report begins with `line`."""
    from hitgraph.training.train import train

    def report(text: str) -> None:
        if text.startswith(line):
            raise KeyboardInterrupt

    train(recipe, list_events([store]), out, quiet=True, report=report)


def test_events_without_triplets_are_named(trained: Path, tiny_store: Path) -> None:
    pipeline = Pipeline.load(trained)
    event = list_events([tiny_store])[0].read()
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, pipeline.recipe.truth)
    state = pipeline.stages["graph"](State(sample.hits))
    some, none = Example(sample, state), Example(sample, state.cut(1.0))
    settings: Any = pipeline.recipe.step("triplets").settings
    lessons = TripletLessons(settings, pipeline.recipe.truth, pipeline.recipe.seed, Teacher())
    network = TripletFilter(settings.network)
    for events, kind in (((none, some), "training"), ((some, none), "validation")):
        train, validation = ([partial(Example, *one)] for one in events)
        with pytest.raises(InputError, match=f"the 1 {kind} events have no triplet to judge"):
            lessons.prepare(network, "triplet", train, validation)
