"""Text for messages."""

import pytest

from hitgraph.text import listed


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "nothing"),
        (["b", "a"], "a, b"),
        (["c", "b", "a"], "a, b, c"),
        (["d", "c", "b", "a"], "a, b, c and 1 more"),
        (["x" * 100], "x" * 80),
    ],
)
def test_many_names_are_not_listed_whole(names: list[str], text: str) -> None:
    assert listed(names, most=3) == text
