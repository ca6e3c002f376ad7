"""YAML files: what is a number, what is refused, and how large they may grow."""

import math
from pathlib import Path

import pytest

from hitgraph.errors import InputError
from hitgraph.yaml_files import DEEPEST, LARGEST, MOST_VALUES, read_yaml


def read(folder: Path, text: str) -> dict[str, object]:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("1_000", 1000),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("true", True),
        ("null", None),
        # what YAML 1.1 takes for minutes, a date, an octal number
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("2024-02-30", "2024-02-30"),
        ("2024-02-03 10:00:00", "2024-02-03 10:00:00"),
        ("010", "010"),
        ("e3", "e3"),
    ],
)
def test_plain_words_are_numbers_only_where_they_look_it(
    tmp_path: Path, text: str, value: object
) -> None:
    found = read(tmp_path, f"a: {text}\n")["a"]
    assert found == value
    assert type(found) is type(value)


def test_aliases_and_merged_keys_are_understood(tmp_path: Path) -> None:
    content = read(tmp_path, "a: &one {x: 1, y: 2}\nb: {<<: *one, y: 3}\nc: [*one, *one]\n")
    assert content["b"] == {"x": 1, "y": 3}
    assert content["c"] == [{"x": 1, "y": 2}] * 2


def nested(depth: int) -> str:
    return "a: " + "[" * depth + "]" * depth


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 40))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}]\n" for k in range(1, 40))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected keys and values, found nothing"),
        ("# a comment\n", "expected keys and values, found nothing"),
        ("- a\n- b\n", "expected keys and values, found list"),
        ("a: [1, 2\n", "is not YAML"),
        ("a: 1\n--- \nb: 2\n", "is not YAML"),
        ("!!python/object/apply:os.system ['true']\n", "is not YAML"),
        ("a: !!timestamp never\n", "is not YAML"),
        ("a: " + "9" * 5000, "is not YAML"),
        ("a: 1\nb:\n  c: 2\n  c: 3\n", r"line 4: the key 'c' is already in line 3"),
        ("? [1, 2]\n: 3\n", "line 1: a list or mapping cannot be a key"),
        ("a: &x [*x]\n", "line 1: an alias stands inside what it names"),
        ("a: &x {b: {c: *x}}\n", "an alias stands inside what it names"),
        (BOMB, f"stands for more than {MOST_VALUES} values, aliases included"),
        (CHAIN, f"more than {DEEPEST} deep"),
        (nested(DEEPEST), f"more than {DEEPEST} deep"),
        (nested(20_000), f"more than {DEEPEST} deep"),
        (f"a: {'x' * LARGEST}", f"is larger than the {LARGEST} bytes"),
    ],
)
def test_what_is_no_recipe_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)^.*recipe.yaml: .*{message}") as caught:
        read(tmp_path, text)
    assert len(str(caught.value)) < 1000


def test_as_deep_and_as_many_as_allowed_is_read(tmp_path: Path) -> None:
    read(tmp_path, nested(DEEPEST - 2))
    wide = read(tmp_path, "a: [" + "1," * (MOST_VALUES - 5) + "]")["a"]
    assert isinstance(wide, list)
    assert len(wide) == MOST_VALUES - 5


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recipe.yaml: no such file"):
        read_yaml(tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(InputError, match=r"recipe.yaml: cannot be read"):
        read_yaml(tmp_path / "recipe.yaml")
    with pytest.raises(InputError, match=r"cannot be read"):
        read_yaml(tmp_path)  # a folder
