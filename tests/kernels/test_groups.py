"""Members of groups, against sorting each group by itself."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.kernels.groups import group_by_hit, sort_groups


@given(seed=st.integers(0, 1000), n=st.integers(0, 300), n_groups=st.integers(1, 9))
def test_groups_are_sorted_by_key_and_equal_ones_keep_their_order(
    seed: int, n: int, n_groups: int
) -> None:
    random = np.random.default_rng(seed)
    group, key = random.integers(n_groups, size=n), random.integers(5, size=n).astype(np.float64)
    start, order = group_by_hit(group, n_groups)
    sort_groups(start, order, key)
    expected = sorted(range(n), key=lambda k: (group[k], key[k], k))
    assert order.tolist() == expected
    assert start.tolist() == [int((group < one).sum()) for one in range(n_groups + 1)]
