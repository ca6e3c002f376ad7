"""What docs/architecture.md promises of the code as a whole, read off its source."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

import hitgraph
from hitgraph.event import known_detectors
from hitgraph.event.known_detectors import GENERIC
from hitgraph.stage import _NETWORKS, _STAGES

SOURCE = Path(hitgraph.__file__).parent
ROOT = Path(__file__).parents[1]
FORMULA = 7  # operations from which on an expression counts as one
# What takes particles through described detectors.
STEPPER = ("generator", "matter", "stepper", "surfaces", "voxels")
# Settings of a recipe that say what the sample is like; numbers that only look alike.
TOLD = {("tracks/vertices/beam.py", 0.015), ("tracks/vertices/stage.py", 0.015)}
ALIKE = {
    ("simulate/described/description.py", 500.0),  # mrad
    ("gnn/lines.py", 0.015),  # a share of the hits
    ("tracks/pieces/stage.py", 150.0),  # mm between clusters on a wire plane
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package by its path."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_no_list_of_stages_or_networks_is_kept_by_hand() -> None:
    """But in the tables: three of their names beside each other are such a list."""
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            parts: list[ast.expr] = []
            if isinstance(node, ast.List | ast.Tuple | ast.Set):
                parts = node.elts
            elif isinstance(node, ast.Dict):
                parts = [key for key in node.keys if key is not None]
            words = {part.value for part in parts if isinstance(part, ast.Constant)}
            if max(len(words & table.keys()) for table in (_STAGES, _NETWORKS)) >= 3:
                found.append(f"{name}:{node.lineno}")
    # operations.py lists operations, some of which have the name of their stage
    tables = {"stage.py", "operations.py"}
    assert {place.partition(":")[0] for place in found} - tables == set()
    assert len([place for place in found if place.startswith("stage.py:")]) == 2


def test_what_nobody_uses_is_gone() -> None:
    """Every function and class of a module is named somewhere besides where it is defined."""
    words: Counter[str] = Counter()
    for folder in ("src", "tests", "examples", "benchmarks", "tools", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".toml", ".yaml", ".sh"):
                words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    unused = [
        f"{name}: {node.name}"
        for name, tree in trees()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and words[node.name] < 2
    ]
    assert unused == []


def test_a_formula_stands_in_one_file_a_language() -> None:
    """No long expression of numba, Triton or torch is written twice, whatever its variables are."""
    places = defaultdict(set)
    for name, tree in trees():
        modules = {
            node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom | ast.Import)
        }
        kernels = "numba" if modules & {"hitgraph.kernels.jit", "numba"} else "triton"
        language = kernels if modules & {kernels, "hitgraph.kernels.jit"} else "torch"
        if language not in modules | {"numba"}:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp):
                shape, n_operations = normal(node)
                if n_operations >= FORMULA:
                    places[language, shape].add(name)
    assert [sorted(found) for found in places.values() if len(found) > 1] == []


def normal(expression: ast.expr) -> tuple[str, int]:
    """An expression with its variables numbered as they come, and how many operations it has."""
    numbers: dict[str, str] = {}

    def text(node: ast.AST) -> str:
        if isinstance(node, ast.BinOp):
            return f"({text(node.left)}{type(node.op).__name__}{text(node.right)})"
        if isinstance(node, ast.Constant):
            return repr(node.value)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            return f"{called}({','.join(map(text, node.args))})"
        return numbers.setdefault(ast.unparse(node), f"v{len(numbers)}")

    shape = text(expression)
    return shape, sum(isinstance(node, ast.BinOp) for node in ast.walk(expression))


def test_the_journey_of_one_edge_names_what_to_read() -> None:
    """The files of docs/architecture.md are there, are few, and include every stage of compact."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    journey = page.partition("## The journey of one edge")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w/]+\.py)`", journey.partition("|---|---|")[2])
    assert [name for name in named if not (SOURCE / name).is_file()] == []
    assert 0 < len(named) == len(set(named)) <= 24
    recipe = (ROOT / "recipes" / "compact.yaml").read_text(encoding="utf-8")
    used = re.findall(r"use: (\w+)", recipe)
    assert len(used) > 5
    for name in used:
        path = {**_STAGES, **_NETWORKS}[name].partition(":")[0].split(".")[1:]
        files = {f"{'/'.join(path)}.py", f"{'/'.join(path)}/__init__.py"}
        assert files & set(named), name


def test_what_finds_and_judges_tracks_knows_no_volume_of_trackml() -> None:
    """Only event/known_detectors.py does: a detector is its table of modules and a field."""
    volumes = set(GENERIC)
    found = []
    for name, tree in trees():
        room = name.partition("/")[0]
        words = (SOURCE / name).read_text(encoding="utf-8")
        # what simulates TrackML's events, and what runs ACTS in its detector
        if room in ("simulate", "acts", "baseline") or "volume" not in words:
            continue
        for node in ast.walk(tree):
            parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else []
            parts = [key for key in node.keys if key] if isinstance(node, ast.Dict) else parts
            numbers = {part.value for part in parts if isinstance(part, ast.Constant)}
            if len(numbers) == len(parts) >= 3 and numbers <= volumes:
                found.append(name)
    assert set(found) == {"event/known_detectors.py"}


def constants(rooms: Collection[str]) -> Iterator[tuple[str, float]]:
    """Every number in the source of these folders and files, with the file that it stands in."""
    for name, tree in trees():
        if any(name == room or name.startswith(f"{room}/") for room in rooms):
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                    yield name, node.value


def peculiar(value: object) -> set[float]:
    """The numbers of a constant that are hardly anybody else's: long ones, no small whole ones."""
    if isinstance(value, known_detectors.Volume):
        return peculiar((value.half_v, *value.pitch))
    if isinstance(value, tuple):
        return {one for part in value for one in peculiar(part)}
    if not isinstance(value, int | float) or value == 12**-0.5:
        return set()
    keep = abs(value) >= 50 if float(value).is_integer() else len(repr(value)) > 4
    return {abs(value)} if keep else set()


def test_what_finds_tracks_knows_no_length_or_field_of_trackml() -> None:
    """All that is TrackML's stands in event/known_detectors.py; all else is learnt or told.

    As constants, as defaults of settings and in kernels, and what describes other detectors too.
    """
    known = [value for name, value in vars(known_detectors).items() if name.isupper()]
    # besides, the ends of its modules, its beam spot, and what the challenge calls primary
    numbers = {1020.0, 1026.0, 1029.0, 2955.5, 3001.0, 55.2, 0.015, 165.0}
    numbers |= peculiar((*known, *GENERIC.values()))
    assert len(numbers) > 20
    rooms = ["event", "hits", "pairs", "nn", "graph", "gnn", "tracks", "lessons", "domain.py"]
    rooms += ["regional.py", "fitting.py", "simulate/described"]
    rooms += [f"simulate/{name}.py" for name in STEPPER]
    found = {(name, value) for name, value in constants(rooms) if value in numbers}
    elsewhere = {one for one in found if one[0] != "event/known_detectors.py"}
    assert elsewhere == TOLD | ALIKE
    users = {
        name
        for name, tree in trees()
        if name.partition("/")[0] in ("event", "hits", "pairs", "graph", "gnn", "tracks")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "solenoid"
    }
    # by its name, in its detector, and in a fit there
    assert users == {"event/field.py", "event/event.py", "tracks/parameters/stage.py"}
