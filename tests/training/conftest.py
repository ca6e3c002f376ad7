"""Events for lessons."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.training.lessons import Material, make_material

from hitgraph.event.event import Event


@pytest.fixture
def material(make_event: Callable[..., Event], tmp_path: Path) -> Material:
    return make_material([make_event(n_particles=8, n_noise=6, seed=s) for s in (1, 2)], tmp_path)
