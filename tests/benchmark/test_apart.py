"""Work in a process of its own: results, errors and death come back as one thing each."""

import os

import pytest
from tests.benchmark import works

from hitgraph.benchmark.apart import Child, run_apart, threads_environment
from hitgraph.errors import HitgraphError


def test_the_result_comes_back_and_the_environment_is_the_childs_alone() -> None:
    before = dict(os.environ)
    told: list[str] = []
    result = run_apart(works.add, (2, 3), threads_environment(7), told.append)
    assert result == {"sum": 5, "threads": "7"}
    assert told == ["adding"]
    assert dict(os.environ) == before


def test_an_error_of_the_user_keeps_its_message() -> None:
    with pytest.raises(HitgraphError, match=r"^the event: is not here$"):
        run_apart(works.refuse, "the event", {})


def test_a_bug_shows_where_it_is() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)works\.py.*ZeroDivisionError: a bug"):
        run_apart(works.break_down, None, {})


def test_a_killed_process_is_told() -> None:
    with pytest.raises(HitgraphError, match="ended with status 9"):
        run_apart(works.die, None, {})


def test_both_sides_can_talk() -> None:
    with Child(works.talk, None, {}) as child:
        child.wait_for("ready")
        child.line.send("go")
        assert child.result() == "heard go"


def test_leaving_early_ends_the_process() -> None:
    with Child(works.talk, None, {}) as child:
        child.wait_for("ready")
    assert child.process.exitcode is not None
