"""What a stage learns with: cuts are tuned on targets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hitgraph.event.event import Event
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.tracks.merge import MergeSettings
from hitgraph.tracks.stage import best_of
from hitgraph.training.workshop import StageWorkshop


@pytest.mark.parametrize(
    ("truth", "best", "score"),
    [
        ({}, 0.1, 2 / 3),  # two of three particles
        ({"min_pt": 1.0}, 0.9, 1.0),  # the only one that counts
    ],
)
def test_the_best_cut_is_that_of_the_targets(
    make_event: Callable[..., Event],
    tmp_path: Path,
    truth: dict[str, Any],
    best: float,
    score: float,
) -> None:
    """One cut finds the two soft particles, the other the stiff one."""
    event = make_event(n_particles=3, n_noise=2, seed=4)
    assert event.truth is not None
    assert event.particles is not None
    assert event.detector is not None
    table = event.particles
    scale = np.float32([0.2, 0.3, 2.0]) / np.hypot(table.px, table.py)
    real = event.truth.particle_id > 0
    event = replace(
        event,
        particles=replace(table, px=table.px * scale, py=table.py * scale),
        truth=replace(event.truth, weight=real.astype(np.float32)),
    )
    settings = TruthSettings(**truth)
    sample = make_sample(event, event.detector, True, settings)
    soft, other, stiff = (sample.particle_id == int(one) for one in table.particle_id)
    nothing = torch.full_like(sample.particle_id, -1)
    found = {
        0.1: nothing.masked_fill(soft, 0).masked_fill(other, 1),
        0.9: nothing.masked_fill(stiff, 0),
    }
    stages = {cut: lambda state, it=labels: state.with_labels(it) for cut, labels in found.items()}
    material = Material((), (lambda: Example(sample, State(sample.hits)),))
    workshop = StageWorkshop("tracks", tmp_path, 1, settings, "cpu", False, True, print)
    chosen, facts = best_of(stages, 0.5, material, workshop)  # type: ignore[arg-type]
    assert chosen == best
    assert facts["target_score"] == pytest.approx(score)


@pytest.mark.parametrize(("tune_for", "best"), [("score", 0.1), ("recognition", 0.9)])
def test_fakes_count_where_cuts_are_tuned_for_recognition(
    make_event: Callable[..., Event], tmp_path: Path, tune_for: str, best: float
) -> None:
    """One cut finds three particles and makes a track of each hit of noise, the other finds two."""
    event = make_event(n_particles=3, n_noise=6, seed=4)
    assert event.truth is not None
    assert event.detector is not None
    real = event.truth.particle_id > 0
    event = replace(event, truth=replace(event.truth, weight=real.astype(np.float32)))
    settings = TruthSettings(tune_for=tune_for)  # type: ignore[arg-type]
    sample = make_sample(event, event.detector, True, settings)
    particle_id = sample.particle_id
    everything = torch.unique(particle_id, return_inverse=True)[1] + 10
    noise = torch.nonzero(particle_id == 0).squeeze(1)
    everything[noise] = torch.arange(len(noise))
    everything = torch.unique(everything, return_inverse=True)[1]
    two = torch.unique(particle_id[particle_id > 0])[:2]
    some = torch.full_like(particle_id, -1)
    for k, one in enumerate(two):
        some[particle_id == one] = k
    stages = {
        cut: lambda state, it=labels: state.with_labels(it)
        for cut, labels in ((0.1, everything), (0.9, some))
    }
    material = Material((), (lambda: Example(sample, State(sample.hits)),))
    workshop = StageWorkshop("tracks", tmp_path, 1, settings, "cpu", False, True, print)
    assert best_of(stages, 0.5, material, workshop)[0] == best  # type: ignore[arg-type]


@pytest.mark.parametrize(("tune", "cut"), [(True, 0.02), (False, 0.8)])
def test_a_score_cut_that_is_not_to_be_tuned_stays(
    make_event: Callable[..., Event], tmp_path: Path, tune: bool, cut: float
) -> None:
    """All edges are true and have the score 0.5: with a cut of 0.8 nothing is found."""
    event = make_event(n_particles=3, n_noise=0)
    settings = TruthSettings(min_pt=0.0, min_hits=3)
    assert event.detector is not None
    sample = make_sample(event, event.detector, True, settings)
    n_edges = sample.true_edges.shape[1]
    state = State(sample.hits).with_edges(sample.true_edges, logit=torch.zeros(n_edges))
    material = Material((), (lambda: Example(sample, state),))
    workshop = StageWorkshop("tracks", tmp_path, 1, settings, "cpu", False, True, print)
    stage = MergeSettings(score_cut=0.8, tune=tune).learn(
        Context(event.detector), material, workshop
    )
    assert float(stage.tensors()["score_cut"]) == pytest.approx(cut)
