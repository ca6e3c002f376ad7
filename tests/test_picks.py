"""Rows picked by number are those of torch's indexing, by either way."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hitgraph import picks
from hitgraph.picks import columns_at, columns_of, rows_at, rows_where


@given(seed=st.integers(0, 1000), n=st.integers(0, 30), by_numpy=st.booleans())
def test_picks_are_those_of_torch(seed: int, n: int, by_numpy: bool) -> None:
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(7, 5, generator=random)
    rows = torch.randint(7, (n,), generator=random)
    chosen = torch.rand(n, generator=random) < 0.5
    places = rows[:3].clamp(max=4).tolist()
    with patch.object(picks, "_by_numpy", return_value=by_numpy):
        assert rows_where(chosen).tolist() == [k for k in range(n) if chosen[k]]
        assert torch.equal(rows_at(values, rows), values[rows])
        assert torch.equal(rows_at(values[:, 0], rows[None]), values[:, 0][rows[None]])
        assert torch.equal(columns_at(values.T, rows), values.T[:, rows])
        assert torch.equal(columns_of(values, places), values[:, places])


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_kinds_of_numbers_stay(kind: torch.dtype) -> None:
    values = torch.tensor([0, 1, 1, 0]).to(kind)
    picked = rows_at(values, torch.tensor([3, 1]))
    assert picked.dtype == kind
    assert picked.tolist() == [0, 1]


def test_gradients_go_through() -> None:
    values = torch.ones(3, requires_grad=True)
    rows_at(values, torch.tensor([2, 2])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0, 0, 2]
