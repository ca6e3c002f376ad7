"""The history of what versions cost: of two nights that are made up."""

from nightly import night_of, table_of


def run(when: str, seconds: float) -> dict[str, object]:
    stages = {
        name: {"cpu": [factor * seconds, 3 * factor * seconds, 2 * factor * seconds]}
        for name, factor in (("graph", 1.0), ("all", 2.0))
    }
    part = {
        "events": [{"event": "event000000001", "stages": stages}],
        "yardstick": [0.1, 0.3],
        "quality": {"trackml_score": {"value": 0.9}},
    }
    return {"when": when, "pipeline": "compact", "parts": {"start-up": {}, "cpu, 1 thread": part}}


def test_a_night_has_the_median_of_the_repeats() -> None:
    night = night_of(run("2030-01-01T02:00:00+00:00", 1.0), "abc")
    assert night["cpu"] == {"graph": 2.0, "all": 4.0}
    assert night["score"] == 0.9
    assert night["yardstick"] == 0.2


def test_each_night_stands_beside_the_one_before() -> None:
    nights = [
        night_of(run("2030-01-01T02:00:00+00:00", 1.0), "abc"),
        night_of(run("2030-01-02T02:00:00+00:00", 0.5), "def"),
    ]
    table = table_of(nights)
    assert table.header == ("night", "commit", "score", "graph", "all")
    assert table.rows == (
        ("2030-01-01", "abc", "0.9000", "2.000", "4.000"),
        ("2030-01-02", "def", "0.9000", "1.000 (0.50)", "2.000 (0.50)"),
    )


def test_a_stage_that_is_new_has_no_ratio() -> None:
    first = night_of(run("2030-01-01T02:00:00+00:00", 1.0), "abc")
    second = dict(first, cpu={"sure": 1.0, "all": 5.0})
    assert table_of([first, second]).rows[1][3:] == ("1.000", "5.000 (1.25)")
