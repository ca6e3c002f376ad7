"""Ranges one after the other, whole and in parts."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.kernels.ranges import expand, expand_in_parts

ranges = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=30)


@settings(max_examples=100, deadline=None)
@given(given=ranges, size=st.integers(1, 60))
def test_every_number_of_every_range_once(given: list[tuple[int, int]], size: int) -> None:
    begin = torch.tensor([first for first, _ in given], dtype=torch.int64)
    end = torch.tensor([first + n for first, n in given], dtype=torch.int64)
    expected = [(row, k) for row, (first, n) in enumerate(given) for k in range(first, first + n)]
    whole = expand(begin, end)
    assert list(zip(*(each.tolist() for each in whole), strict=True)) == expected
    parts = list(expand_in_parts(begin, end, size))
    assert len(parts) >= 1
    for one, joint in zip(whole, map(torch.cat, zip(*parts, strict=True)), strict=True):
        assert torch.equal(one, joint)
    longest = max((n for _, n in given), default=0)
    assert max(len(row) for row, _ in parts) <= size + longest
