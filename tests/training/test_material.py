"""Which of the training events a stage learns from."""

from typing import Any

import pytest

from hitgraph.lessons.material import Material


@pytest.mark.parametrize(("n", "most", "wanted"), [
    (10, 3, [0, 4, 9]), (10, 20, list(range(10))), (5, 1, [0]), (4, 4, [0, 1, 2, 3]),
])  # fmt: skip
def test_some_events_come_from_all_over_the_samples(n: int, most: int, wanted: list[int]) -> None:
    train: Any = [lambda k=k: k for k in range(n)]
    assert [read() for read in Material(train, []).some(most)] == wanted
