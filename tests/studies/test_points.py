"""Measurements are kept one by one, and a study goes on where it stopped."""

from pathlib import Path
from typing import Any

import pytest

from hitgraph.errors import InputError, SettingsError
from hitgraph.studies.points import Point, measure


class Measurement:
    """Gives its number and remembers how often it was asked; or fails."""

    def __init__(self, number: int, error: BaseException | None = None) -> None:
        self.number, self.error, self.asked = number, error, 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {"number": self.number}


def test_an_interrupted_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first, second = Measurement(1), Measurement(2, KeyboardInterrupt())
    points = [Point("a b/1", first), Point("second", second)]
    with pytest.raises(KeyboardInterrupt):
        measure(points, tmp_path, {"x": (1, 2)}, resume=False)
    second.error = None
    done = measure(points, tmp_path, {"x": (1, 2)}, resume=True)
    assert done.done == {"a b/1": {"number": 1}, "second": {"number": 2}}
    assert (first.asked, second.asked) == (1, 2)
    with pytest.raises(SettingsError, match=r"holds 2 measurements already: --resume .*--force"):
        measure(points, tmp_path, {"x": (1, 2)})
    assert first.asked == 1
    measure(points, tmp_path, {"x": (1, 2)}, force=True)
    assert first.asked == 2  # begun anew


def test_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    points = [Point("one", Measurement(1))]
    measure(points, tmp_path, {"shifts": [0.1]}, resume=False)
    with pytest.raises(SettingsError, match=r"shifts.*0\.1.*0\.2.*--force"):
        measure(points, tmp_path, {"shifts": [0.2]}, resume=True)


def test_a_start_that_measured_nothing_does_not_bind_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing could be measured"):
        measure([Point("one", Measurement(1, InputError("bad")))], tmp_path, {"x": 1})
    for resume in (False, True):
        done = measure([Point("one", Measurement(1))], tmp_path, {"x": 2}, resume).done
        assert done == {"one": {"number": 1}}


@pytest.mark.parametrize(
    ("error", "why"), [(InputError("no truth"), "no truth"), (MemoryError(), "ran out of memory")]
)
def test_a_bad_event_is_left_out_and_named(tmp_path: Path, error: Exception, why: str) -> None:
    bad = Point("bad", Measurement(1, error))
    found = measure([bad, Point("good", Measurement(2))], tmp_path, {}, resume=False)
    assert list(found.done) == ["good"]
    assert found.failed == {"bad": why}
    with pytest.raises(InputError, match=f"bad: {why}"):
        measure([bad], tmp_path, {}, force=True)


def test_two_measurements_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="twice"):
        measure([Point("one", Measurement(1))] * 2, tmp_path, {}, resume=False)
