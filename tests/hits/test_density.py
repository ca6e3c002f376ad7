"""The density of hits: hand-made cells, regions, overlaid events, and the shift of logits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.hits import Hits
from hitgraph.hits.density import MAX_SHIFT, PHI_BINS, hit_density, logit_shift

N_LAYERS = 5


def hits_in(cells: list[tuple[int, int]]) -> Hits:
    """One hit in the middle of each cell (layer, bin of the azimuth)."""
    layer = torch.tensor([layer for layer, _ in cells], dtype=torch.int64)
    turn = torch.tensor([turn for _, turn in cells], dtype=torch.float32)
    phi = (turn + 0.5) * (2 * torch.pi / PHI_BINS)
    features = torch.stack([torch.full_like(phi, 50.0), phi, torch.zeros_like(phi)], dim=1)
    position = torch.stack([50 * phi.cos(), 50 * phi.sin(), torch.zeros_like(phi)], dim=1)
    return Hits(features, position, layer, torch.zeros_like(layer))


def test_neighbours_are_counted_in_layer_and_azimuth() -> None:
    # three hits see two others each, two see one, one is alone on another layer, one elsewhere
    cells = [(0, 7)] * 3 + [(1, 7)] * 2 + [(2, 7)] + [(0, 8)]
    assert float(hit_density(hits_in(cells), N_LAYERS)) == pytest.approx((3 * 2 + 2 * 1) / 7)


def test_azimuths_below_and_above_zero_are_other_cells_and_pi_is_no_border() -> None:
    below, above = hits_in([(0, -1)]), hits_in([(0, 0)])
    both = hits_in([(0, -1), (0, 0)])
    assert float(hit_density(both, N_LAYERS)) == 0
    across = hits_in([(0, PHI_BINS // 2), (0, -PHI_BINS // 2)])  # the same place, a turn apart
    assert float(hit_density(across, N_LAYERS)) == 1
    assert float(hit_density(below, N_LAYERS)) == float(hit_density(above, N_LAYERS)) == 0


def test_no_hits_have_no_density() -> None:
    assert float(hit_density(hits_in([]), N_LAYERS)) == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n_hits=st.integers(1, 300), times=st.integers(1, 4))
def test_overlaid_events_are_that_much_denser(seed: int, n_hits: int, times: int) -> None:
    rng = np.random.default_rng(seed)
    cells = [tuple(c) for c in rng.integers(0, (N_LAYERS, PHI_BINS), (n_hits, 2)).tolist()]
    once, often = (float(hit_density(hits_in(cells * n), N_LAYERS)) for n in (1, times))
    assert often == pytest.approx(times * (once + 1) - 1)


def test_a_region_is_as_dense_as_the_event() -> None:
    whole = [(layer, turn) for layer in range(N_LAYERS) for turn in range(PHI_BINS)] * 6
    region = [cell for cell in whole if cell[1] < PHI_BINS // 8]
    densities = [float(hit_density(hits_in(cells), N_LAYERS)) for cells in (whole, region)]
    assert densities == [5, 5]


def test_a_logit_loses_the_logarithm_of_the_ratio_of_densities() -> None:
    density = torch.tensor(60.0, dtype=torch.float64)
    assert float(logit_shift(density, 30.0)) == pytest.approx(math.log(2))
    assert float(logit_shift(density, 60.0)) == 0
    assert float(logit_shift(density, 1e9)) == -MAX_SHIFT
    assert float(logit_shift(0 * density, 30.0)) == -MAX_SHIFT
    assert float(logit_shift(density, 0.0)) == MAX_SHIFT
