"""Text for messages."""

import pytest

from hitgraph.text import listed


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "nothing"),
        (["b", "a"], "b, a"),
        (["c", "b", "a"], "c, b, a"),
        (["d", "c", "b", "a"], "d, c, b and 1 more"),
        (["x" * 100], "x" * 80),
    ],
)
def test_many_names_are_not_listed_whole(names: list[str], text: str) -> None:
    assert listed(names, most=3) == text
