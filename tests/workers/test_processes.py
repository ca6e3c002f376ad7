"""One function over many items: what goes wrong at one of them costs that one."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from hitgraph.errors import HitgraphError, InputError, MissingExtraError
from hitgraph.workers.processes import each, each_apart


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def treat(number: int) -> int:
    """Squares; 3 is a bad event, 4 is too large, 5 is a surprise."""
    if number == 3:
        raise InputError("3.csv: row 1")
    if number == 4:
        raise MemoryError
    if number == 5:
        raise ZeroDivisionError("division by zero")
    return number**2


def treat_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def fill_the_disk(number: int) -> int:
    if number == 1:
        raise HitgraphError("out: the disk is full")
    return number


def lack_something(_number: int) -> int:
    raise MissingExtraError("this", "sim")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_comes_back_with_its_result_or_why_there_is_none(workers: int) -> None:
    found = dict(each(treat, range(7), workers))
    assert {k: v for k, v in found.items() if not isinstance(v, InputError)} == {
        0: 0,
        1: 1,
        2: 4,
        6: 36,
    }
    assert str(found[3]) == "3.csv: row 1"
    assert str(found[4]) == "ran out of memory"
    assert str(found[5]) == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_dies_costs_its_item_only(workers: int) -> None:
    found = dict(each_apart(treat_or_die, range(6), workers))
    assert "its process died (exit status -9: killed, as" in str(found.pop(3))
    assert found == {0: 0, 1: 1, 2: 4, 4: 16, 5: 25}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_about_more_than_an_item_stops_the_run(workers: int) -> None:
    with pytest.raises(HitgraphError, match="the disk is full"):
        list(each(fill_the_disk, range(5), workers))
    with pytest.raises(HitgraphError, match="install them with"):
        list(each(lack_something, range(5), workers))


@pytest.mark.parametrize("patient", [True, False])
def test_a_caller_that_stops_leaves_no_process(patient: bool) -> None:
    with closing(each_apart(treat, range(6), 2, patient)) as made:
        next(made)


def test_nothing_to_do_starts_nothing() -> None:
    assert list(each(treat, [], 4)) == []
    assert list(each_apart(treat, [], 4)) == []
