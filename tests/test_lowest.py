"""The lowest versions that pyproject.toml allows are those that `make lowest` tries."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOOR = re.compile(r"([\w.-]+)[^=<>!~]*>=([\d.]+)")


def floors() -> dict[str, str]:
    """Name to lowest version of all that a user may install; torch stands apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = list(project["dependencies"])
    for name in extras.keys() - {"docs", "dev"}:
        lines += extras[name]
    found = [FLOOR.match(line) for line in lines]
    assert all(found), lines
    return {match[1].lower(): match[2] for match in found if match and match[1] != "torch"}


def test_each_floor_is_tried() -> None:
    text = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==([\d.]+)$", text.lower(), re.MULTILINE))
    assert pins.keys() == floors().keys()
    for name, floor in floors().items():
        assert re.fullmatch(rf"{re.escape(floor)}(\.0)*", pins[name]), name
