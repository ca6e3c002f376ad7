"""Lines as columns of hits: a helix whose numbers are known, and what is refused."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import SettingsError
from hitgraph.gnn.lines import LinesSettings, column_names, line_columns
from hitgraph.gnn.transformer.lines import Search, arc
from hitgraph.stage import STAGES

SEARCH = Search(max_bend=1 / 500)
TURNS = (1, 4)


@settings(max_examples=30, deadline=None)
@given(bend=st.floats(-9e-4, 9e-4), slope=st.floats(-3, 3), z0=st.floats(-150, 150))
def test_all_hits_of_a_helix_have_its_numbers(bend: float, slope: float, z0: float) -> None:
    """Six hits out to 800 mm, across the azimuth pi."""
    r = torch.tensor([32.0, 72.0, 172.0, 260.0, 500.0, 800.0]).double()
    length = arc(r, torch.full_like(r, bend))
    phi = (math.pi + torch.asin(bend * r)) % (2 * math.pi)
    phi = torch.where(phi > math.pi, phi - 2 * math.pi, phi)
    found = line_columns(torch.stack([r, phi, z0 + slope * length], dim=1), 6, SEARCH, TURNS)
    assert tuple(found) == column_names(TURNS)
    wanted = {
        "line_bend": 1000 * bend,
        "line_eta": math.asinh(slope),
        "line_z": z0,
        "line_cos_1": -1.0,
        "line_sin_1": 0.0,
        "line_cos_4": 1.0,
        "line_sin_4": 0.0,
    }
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], torch.full_like(r, value), rtol=1e-4, atol=1e-3)
    assert (found["line_votes"] > math.log(1 + 3.9)).all()


def test_the_arc_is_that_of_the_circle() -> None:
    """A quarter of a circle through the beam line, of radius 500 mm, and a straight line."""
    r = torch.tensor([500 * math.sqrt(2), 321.0]).double()
    found = arc(r, torch.tensor([1 / 1000, 0.0]).double())
    torch.testing.assert_close(found, torch.tensor([250 * math.pi, 321.0]).double())


@pytest.mark.parametrize("n_hits", [0, 1])
def test_few_hits_have_no_votes(n_hits: int) -> None:
    found = line_columns(torch.full((n_hits, 3), 40.0), 2, SEARCH, TURNS)
    assert all(len(column) == n_hits for column in found.values())
    assert not found["line_votes"].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 0.0}, r"window: 0.0 is not in \(0, 1\]"),
        ({"min_pt": 0.0}, "min_pt: 0.0 is not allowed, above 0"),
        ({"turns": ()}, "turns: is empty"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    assert STAGES["lines"] is LinesSettings
    with pytest.raises(SettingsError, match=message):
        LinesSettings(**changes)
