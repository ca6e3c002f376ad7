"""Reading frozen dataclasses from YAML."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import yaml

from hitgraph.errors import SettingsError
from hitgraph.settings import choice, parse, to_dict


@dataclass(frozen=True)
class Circle:
    radius: float = 1.0

    def __post_init__(self) -> None:
        if self.radius <= 0:
            raise SettingsError(f"radius: {self.radius} is not allowed, above 0")


@dataclass(frozen=True)
class Square:
    side: float
    corners: Circle = Circle()


class Shapes(dict[str, type]):
    """Settings classes by name, as the tables of hitgraph.stage."""

    def name_of(self, settings: object) -> str:
        return next(name for name, cls in self.items() if type(settings) is cls)


SHAPES = Shapes(circle=Circle, square=Square)


@dataclass(frozen=True)
class Drawing:
    name: str
    size: Circle
    shape: Circle | Square = field(metadata=choice(SHAPES))
    copies: int = 1
    filled: bool = False
    scale: float | None = None
    colour: Literal["red", "blue"] = "red"
    tags: tuple[str, ...] = ()


def mapping(**changes: Any) -> dict[str, Any]:
    given = {"name": "a", "size": {"radius": 2}, "shape": {"use": "square", "side": 3.0}}
    return {**given, **changes}


def test_settings_are_what_the_mapping_says_and_defaults_elsewhere() -> None:
    assert parse(Drawing, mapping(tags=["x", "y"], scale=2)) == Drawing(
        "a", Circle(2.0), Square(3.0, Circle(1.0)), tags=("x", "y"), scale=2.0
    )


def test_back_to_a_mapping_and_through_yaml_to_equal_settings() -> None:
    drawing = Drawing("a", Circle(2.0), Square(3.0, Circle(0.1)), 2, True, 1e-7, "blue", ("x", "y"))
    text = yaml.safe_dump(to_dict(drawing))
    assert parse(Drawing, yaml.safe_load(text)) == drawing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"colours": "red"},
            r"colours: unknown key \(did you mean colour\?\); allowed here: name, size, sh",
        ),
        ({"size": {"r": 1}}, "size.r: unknown key; allowed here: radius"),
        ({3: 4}, "3: unknown key"),
        ({"shape": {"use": "square"}}, "shape.side: is missing"),
        ({"size": 2}, "size: expected keys and values, found 2"),
        ({"copies": 1.5}, "copies: 1.5 is not allowed .*valid integer"),
        ({"copies": "2"}, "copies: '2' is not allowed .*valid integer"),
        ({"copies": True}, "copies: True is not allowed .*valid integer"),
        ({"copies": None}, "copies: None is not allowed .*valid integer"),
        ({"filled": 1}, "filled: 1 is not allowed .*valid boolean"),
        ({"name": 5}, "name: 5 is not allowed .*valid string"),
        ({"scale": "big"}, "scale: 'big' is not allowed .*valid number"),
        ({"scale": float("nan")}, "scale: nan is not allowed .*finite"),
        ({"scale": float("inf")}, "scale: inf is not allowed .*finite"),
        ({"scale": -1e39}, "scale: -1e\\+39 is not allowed, 0 or between 1e-30 and 1e\\+30"),
        ({"scale": 1e-40}, "scale: 1e-40 is not allowed, 0 or between 1e-30 and 1e\\+30"),
        ({"copies": 2**63}, "copies: 9223372036854775808 is not allowed, .* to 4294967295"),
        ({"copies": -(2**32)}, "copies: -4294967296 is not allowed, whole numbers reach from -4"),
        ({"scale": "1:30"}, r"scale: '1:30' is not allowed .*valid number"),
        ({"colour": "green"}, "colour: 'green' is not allowed .*'red' or 'blue'"),
        ({"tags": "x"}, "tags: 'x' is not allowed .*array"),
        ({"tags": ["x", 1]}, "tags: .* is not allowed .*valid string"),
        ({"shape": {"side": 3.0}}, "shape.use: None is not allowed; one of circle, square"),
        ({"shape": {"use": "star"}}, "shape.use: 'star' is not allowed; one of circle, square"),
        ({"shape": {"use": ["circle"]}}, r"shape.use: \['circle'\] is not allowed; one of"),
        ({"shape": "circle"}, "shape.use: 'circle' is not allowed; one of circle, square"),
        ({"shape": {"use": "circle", "side": 1.0}}, "shape.side: unknown key; .*: radius"),
        ({"shape": {"use": "circle", "radius": -1.0}}, "shape.radius: -1.0 is not allowed, above"),
        (
            {"shape": {"use": "square", "side": 1.0, "corners": {"radius": 0}}},
            "shape.corners.radius: 0.0 is not allowed",
        ),
    ],
)
def test_a_wrong_entry_is_named_with_its_value_and_what_is_allowed(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        parse(Drawing, {**mapping(), **changes})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^name: is missing"):
        parse(Drawing, {key: value for key, value in mapping().items() if key != "name"})
    with pytest.raises(SettingsError, match=r"^recipe: expected keys and values, found None"):
        parse(Drawing, None)


def test_a_misspelt_key_is_put_right() -> None:
    with pytest.raises(SettingsError, match=r"size.radios: .* \(did you mean radius\?\)"):
        parse(Drawing, mapping(size={"radios": 1.0}))


@pytest.mark.parametrize("value", ["x" * 10**6, list(range(10**5)), 10**4200])
def test_a_huge_value_is_not_printed_whole(value: object) -> None:
    with pytest.raises(SettingsError, match=r"^size.radius: ") as caught:
        parse(Drawing, mapping(size={"radius": value}))
    assert len(str(caught.value)) < 1000
