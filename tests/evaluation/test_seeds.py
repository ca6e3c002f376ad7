"""How good seeds are, on the hits of an event whose particles are known."""

from dataclasses import replace

import numpy as np

from hitgraph.evaluation.seeds import seed_quality
from hitgraph.event.event import Event


def test_a_pure_seed_finds_its_particle(tiny_event: Event) -> None:
    """Three particles of six hits each, of which two get a seed of their own."""
    assert tiny_event.truth is not None
    assert tiny_event.particles is not None
    known = tiny_event.particles.particle_id[:3]
    particle_id = np.zeros(tiny_event.n_hits, np.int64)
    particle_id[:18] = np.repeat(known, 6)
    event = replace(tiny_event, truth=replace(tiny_event.truth, particle_id=particle_id))
    seeds = np.array([[0, 1, 2], [0, 3, 5], [6, 7, 8], [12, 13, 11], [15, 16, 18]])
    found = seed_quality(event, seeds)
    assert (found.purity.passed, found.purity.total) == (3, 5)
    assert (found.efficiency.passed, found.efficiency.total) == (2, 3)
    both = found + found
    assert (both.purity.total, both.efficiency.passed) == (10, 4)


def test_hits_of_nobody_make_no_seed(tiny_event: Event) -> None:
    assert tiny_event.truth is not None
    noise = np.flatnonzero(tiny_event.truth.particle_id == 0)
    assert seed_quality(tiny_event, np.array([noise[[0, 0, 0]]])).purity.passed == 0
    nothing = seed_quality(tiny_event, np.zeros((0, 3), np.int64))
    assert (nothing.purity.total, nothing.efficiency.passed) == (0, 0)
