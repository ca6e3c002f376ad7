"""Detectors from a description: the table of modules, and what is refused."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.field import constant
from hitgraph.event.modules import read_detectors
from hitgraph.event.store import write_detectors
from hitgraph.event.trackml import write_detectors_csv
from hitgraph.settings import parse, to_dict
from hitgraph.simulate.described import build, read_description, shipped_detectors
from hitgraph.simulate.described.coverage import widest_gap
from hitgraph.simulate.described.description import Cylinders, Description, Disks, Planes
from hitgraph.simulate.described.overlaps import require_apart
from hitgraph.simulate.described.places import along_beam, places_of
from hitgraph.tracks.parameters.measured import Modules

SENSOR = {"thickness": 0.3, "x0": 0.02, "pitch_u": 0.05, "pitch_v": 0.05}
TOY: dict[str, Any] = {
    "name": "toy",
    "field": "constant:2",
    "passive": [{"radius": 20.0, "half_length": 300.0, "x0": 0.002}],
    "cylinders": [
        {"volume": 8, "radius": [30.0, 60.0], "phi_modules": [16, 30], "z_modules": 4}
        | {"width": 15.0, "length": 50.0, "overlap": -0.5, "tilt": 200.0}
        | SENSOR
    ],
    "disks": [
        {"volume": 9, "mirror": 7, "z": [200.0, 260.0], "radius": 50.0, "modules": 20}
        | {"inner_width": 12.0, "outer_width": 22.0, "length": 30.0, "stagger": 2.0}
        | SENSOR
    ],
}
Change = Callable[[dict[str, Any]], object]


def described(content: dict[str, Any], folder: Path) -> Description:
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_description(path)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["cylinders"][0].update(tilt=0.0), r"cylinders\[0\]: module .* overlap near"),
        (lambda c: c["cylinders"][0].update(overlap=1.0), r"overlap near .* stagger"),
        (lambda c: c["disks"][0].update(stagger=0.1), r"disks\[0\]: module .* overlap near"),
        (
            lambda c: c["disks"][0].update(z=[70.0]),
            r"cylinders\[0\]: module .* of layer 2 and module .* of disks\[0\] overlap",
        ),
        (
            lambda c: c["cylinders"][0].update(phi_modules=[12, 30]),
            r"cylinders\[0\]\.phi_modules: 12 modules leave gaps of .* at least 14 are needed",
        ),
        (
            lambda c: c["disks"][0].update(inner_width=10.0),
            r"disks\[0\]\.modules: 20 modules leave gaps",
        ),
        (lambda c: c["cylinders"][0].update(thickness=0), r"cylinders\[0\]\.thickness: 0\.0 is"),
        (lambda c: c["cylinders"][0].pop("pitch_u"), r"cylinders\[0\]\.pitch_u: is missing"),
        (lambda c: c["cylinders"][0].update(pitch_u=20.0), r"pitch_u: 20\.0 .* at most the module"),
        (lambda c: c["disks"][0].update(pitch=1.0), r"disks\[0\]\.pitch: unknown key"),
        (lambda c: c["disks"][0].update(volume=8), r"disks\[0\]\.volume: volume 8 is that of"),
        (lambda c: c["disks"][0].update(mirror=8), r"disks\[0\]\.mirror: volume 8 is that of"),
        (lambda c: c["disks"][0].update(z=[-200.0]), r"disks\[0\]\.z: -200\.0 .* have a mirror"),
        (lambda c: c["disks"][0].update(z=[260.0, 200.0]), r"disks\[0\]\.z: 200\.0 is not"),
        (lambda c: c["cylinders"][0].update(radius=[]), r"radius: an empty list"),
        (
            lambda c: c["cylinders"][0].update(width=[15.0, 15.0, 15.0]),
            r"cylinders\[0\]\.width: a list of 3 is not allowed, .* each of the 2 of radius",
        ),
        (lambda c: c["cylinders"][0].update(stereo=40.0), r"cylinders\[0\]\.gap: 0\.0 .* stereo"),
        (lambda c: c["cylinders"][0].update(gap=0.2), r"gap: 0\.2 .* two sides would overlap"),
        (lambda c: c["cylinders"][0].update(x0=1.5), r"cylinders\[0\]\.x0: 1\.5"),
        (lambda c: c["cylinders"][0].update(z_modules=10**6), r"200000"),
        (
            lambda c: c["passive"][0].update(radius=30.0),
            r"passive\[0\]\.radius: 30 mm runs through",
        ),
        (lambda c: c["passive"][0].update(x0=-0.1), r"passive\[0\]\.x0"),
        (
            lambda c: c["cylinders"][0].update(overlap=-30.0),
            r"cylinders\[0\]\.overlap: modules leave gaps of 30 mm along the beam .* at 30 mm",
        ),
        (
            lambda c: c["disks"][0].update(radius=[50.0, 100.0], modules=[20, 60]),
            r"disks\[0\]\.radius: rings leave a gap of 20\.8 mm between them in .* 200 mm",
        ),
        (lambda c: c["cylinders"][0].update(stagger=31.0), r"\]\.stagger: 31\.0 .* radius, 30 mm"),
        (lambda c: c["cylinders"][0].update(thickness=20.0), r"thickness: 20\.0 .* the 15 mm of a"),
        (
            lambda c: c["disks"][0].update(length=120.0),
            r"length: 120\.0 .* across the beam",
        ),
        (lambda c: c["disks"][0].update(offset=-200.0), r"disks\[0\]\.offset: -200\.0 .* 200 mm"),
        (lambda c: c["disks"][0].update(stagger=float("nan")), r"disks\[0\]\.stagger: nan is not"),
        (lambda c: c["cylinders"][0].update(overlap=float("inf")), r"\]\.overlap: inf is not"),
        (lambda c: c["cylinders"][0].update(phi_modules=[15000, 30]), r"stand so densely"),
        (
            lambda c: c["passive"].append(c["passive"][0]),
            r"passive\[1\]\.radius: 20 mm is that of passive\[0\]",
        ),
        (lambda c: c.update(name=" "), r"name: ' ' is not allowed"),
        (lambda c: c["cylinders"][0].update(volume=True), r"cylinders\[0\]\.volume"),
        (lambda c: c.update(field=2), r"field: 2 is not allowed, a name like constant:2 or none"),
        (lambda c: c.update(field="strong"), r"field strong"),
        (lambda c: c.update(disks={}), r"disks: expected a list"),
        (lambda c: [c.pop("disks"), c.pop("cylinders")], r"one of them is needed"),
    ],
)
def test_what_cannot_stand_is_refused_by_file_and_key(
    change: Change, message: str, tmp_path: Path
) -> None:
    content = deepcopy(TOY)
    change(content)
    with pytest.raises(SettingsError, match=message) as error:
        described(content, tmp_path)
    assert str(error.value).startswith(str(tmp_path / "toy.yaml"))


def test_the_page_describes_a_detector_and_says_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
    content = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    printed = " ".join(page.partition("```text\n")[2].partition("```")[0].split())
    monkeypatch.chdir(tmp_path)
    for change in ({}, {"tilt": 0}, {"phi_modules": [12, 30]}, {"overlap": -30}):
        wrong = deepcopy(content)
        wrong["cylinders"][0] |= change
        Path("mine.yaml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
        if not change:
            assert build(read_description("mine.yaml"))[0].n_modules == 344
            continue
        with pytest.raises(SettingsError) as error:
            read_description("mine.yaml")
        assert str(error.value) in printed


def test_a_gap_may_be_allowed(tmp_path: Path) -> None:
    content = deepcopy(TOY)
    content["cylinders"][0] |= {"phi_modules": [12, 30], "allow_gaps": True}
    assert build(described(content, tmp_path))[0].n_modules == 4 * 42 + 4 * 20


def test_a_field_has_to_reach_as_far_as_the_modules(tmp_path: Path) -> None:
    """Those of this detector, whatever others need."""
    path = tmp_path / "field.txt"
    for reach, enough in ((90, True), (60, False)):
        rows = [(r, z) for z in range(-300, 301, 100) for r in range(0, reach + 1, 30)]
        path.write_text("".join(f"{r} {z} 0 2\n" for r, z in rows))
        content = TOY | {"field": str(path)}
        if enough:
            assert described(content, tmp_path).field.name.startswith("table:")
            continue
        with pytest.raises(
            InputError, match=r"toy\.yaml: field: .* to r = 60 and .* reach to r = 65\.9"
        ):
            described(content, tmp_path)


def test_a_name_that_nothing_has_is_told_from_those_that_are_there() -> None:
    with pytest.raises(InputError, match=r"did you mean telescope\?"):
        read_description("telescop")


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("name", shipped_detectors())
def test_shipped_descriptions_say_again_what_they_say(name: str) -> None:
    description = read_description(name)
    assert parse(Description, to_dict(description)) == description


def test_both_sides_are_pairs_of_modules_a_gap_apart() -> None:
    detector, matter = build(read_description("odd-like"))
    for volume in (28, 29, 30):
        here = detector.volume_id == volume
        even, odd = here & (detector.module_id % 2 == 0), here & (detector.module_id % 2 == 1)
        np.testing.assert_array_equal(detector.module_id[even] + 1, detector.module_id[odd])
        np.testing.assert_array_equal(detector.layer_id[even], detector.layer_id[odd])
        axial, stereo = detector.rotation[even], detector.rotation[odd]
        np.testing.assert_allclose(axial[:, :, 2], stereo[:, :, 2], atol=1e-12)
        angle = np.arccos(np.einsum("ni,ni->n", axial[:, :, 0], stereo[:, :, 0]))
        np.testing.assert_allclose(angle, 0.040, atol=1e-9)
        apart = detector.centre[odd] - detector.centre[even]
        gap = 6.6 if volume == 29 else 5.0
        np.testing.assert_allclose(np.linalg.norm(apart, axis=1), gap, rtol=1e-9)
        # the stereo side is the one further out
        assert (np.einsum("ni,ni->n", apart, detector.centre[even]) > 0).all()
        np.testing.assert_allclose(matter.x0[here], 0.0125)
    assert len(matter.tubes) == 2


@pytest.mark.parametrize("name", ["detectors.csv", "detectors.parquet"])
def test_a_table_keeps_the_material(name: str, tmp_path: Path) -> None:
    detector, matter = build(described(TOY, tmp_path))
    write = write_detectors_csv if name.endswith("csv") else write_detectors
    write(detector, tmp_path / name)
    again = read_detectors(tmp_path / name)
    assert again.pipe == ((20.0, 0.002) if name.endswith("parquet") else None)
    assert again.x0 is not None
    np.testing.assert_allclose(again.x0, matter.x0)
    half = again.take(again.volume_id == 9)
    assert half.x0 is not None
    assert len(half.x0) == half.n_modules
    silicon = Modules.of(again, 9.0, torch.device("cpu")).silicon.numpy()
    np.testing.assert_allclose(silicon, 93.7 * matter.x0)


def test_material_that_cannot_be_is_refused(tmp_path: Path) -> None:
    detector, _ = build(described(TOY, tmp_path))
    write_detectors(replace(detector, x0=np.full(detector.n_modules, -1.0)), tmp_path)
    with pytest.raises(InputError, match=r"column x0 is -1.0 where radiation lengths from 0"):
        read_detectors(tmp_path / "detectors.parquet")


def test_a_mirror_is_the_other_side(tmp_path: Path) -> None:
    detector, _ = build(described(TOY, tmp_path))
    near, far = (detector.take(detector.volume_id == volume) for volume in (9, 7))
    np.testing.assert_allclose(far.centre, near.centre * (1, 1, -1))
    np.testing.assert_array_equal(far.module_id, near.module_id)


@st.composite
def cylinders(draw: st.DrawFn) -> Cylinders:
    radius = draw(st.floats(20, 1000))
    n = draw(st.integers(6, 60))
    width = 2 * radius * np.tan(np.pi / n) * draw(st.floats(1.05, 1.3))
    return Cylinders(
        volume=draw(st.integers(1, 30)),
        radius=(radius, radius + draw(st.floats(1, 50))),
        phi_modules=(n, n + 1),
        z_modules=draw(st.integers(1, 6)),
        width=width,
        length=draw(st.floats(10, 100)),
        tilt=draw(st.floats(-300, 300)),
        gap=draw(st.sampled_from((0.0, 2.0))),
        thickness=0.3,
        x0=0.01,
        pitch_u=0.05,
    )


@given(cylinders())
@settings(max_examples=40, deadline=None)
def test_layers_of_any_cylinder(entry: Cylinders) -> None:
    description = Description("any", constant(2.0), cylinders=(entry,))
    detector, _ = build(description)
    n_sides = 2 if entry.gap > 0 else 1
    expected = [n * entry.z_modules * n_sides for n in entry.phi_modules]  # type: ignore
    np.testing.assert_array_equal(np.bincount(detector.layer_id)[1:], expected)
    turn = detector.rotation
    np.testing.assert_allclose(
        turn @ turn.transpose(0, 2, 1), np.eye(3)[None] + 0 * turn, atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(turn), 1)
    middle = detector.centre.reshape(-1, 3)
    if n_sides == 2:
        middle = (middle[0::2] + middle[1::2]) / 2
    layer = detector.layer_id[::n_sides]
    radius = np.asarray(entry.radius)[layer - 1]
    np.testing.assert_allclose(np.hypot(middle[:, 0], middle[:, 1]), radius, rtol=1e-9)
    # turning the detector by one module turns it into itself
    for number in (1, 2):
        places = middle[layer == number]
        angle = 2 * np.pi / entry.phi_modules[number - 1]  # type: ignore
        c, s = np.cos(angle), np.sin(angle)
        turned = places @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        distance = np.linalg.norm(places[:, None] - turned[None], axis=2)
        assert distance.min(axis=0).max() < 1e-6


def crossed(detector: Detector, start: NDArray[Any], direction: NDArray[Any]) -> NDArray[Any]:
    """(n_modules,) whether the straight line meets a module."""
    normal = detector.rotation[:, :, 2]
    along = normal @ direction
    path = np.einsum("ni,ni->n", normal, detector.centre - start) / along
    local = np.einsum(
        "nji,nj->ni", detector.rotation, start + path[:, None] * direction - detector.centre
    )
    within = np.abs(local[:, 1]) / detector.half_v
    middle = (detector.min_half_u + detector.max_half_u) / 2
    wide = middle + (detector.max_half_u - detector.min_half_u) / 2 * local[:, 1] / detector.half_v
    result: NDArray[Any] = (path > 0) & (within <= 1) & (np.abs(local[:, 0]) <= wide)
    return result


@given(st.floats(-np.pi, np.pi), st.floats(-95, 95))
@settings(max_examples=100, deadline=None)
def test_layers_without_gaps_see_everything_from_the_beam(phi: float, z: float) -> None:
    content = parse(Description, TOY)
    table, _ = build(content)
    detector = table.take(table.volume_id == 8)
    direction = np.array([np.cos(phi), np.sin(phi), 0.0])
    away = abs((z + 25.25) % 50.5 - 25.25)  # from the middle of a row of modules
    z = z if away > 1 else z + 2  # not in the gap of half a millimetre between two
    hit = crossed(detector, np.array([0.0, 0.0, z]), direction)
    assert set(detector.layer_id[hit]) == {1, 2}


@given(overlap=st.floats(-20, 15), stagger=st.floats(-20, 20), n=st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_a_gap_is_what_lines_from_the_origin_miss(overlap: float, stagger: float, n: int) -> None:
    entry = Cylinders(
        volume=1,
        radius=100.0,
        phi_modules=4,
        z_modules=n,
        width=200.0,
        length=40.0,
        overlap=overlap,
        stagger=stagger,
        **SENSOR,
    )
    r, z = along_beam(entry, 100.0, n, 40.0)
    low, high = 100 * (z - 20) / r, 100 * (z + 20) / r
    detector = build(Description("any", constant(2.0), cylinders=(entry,)))[0]
    places = np.arange(low.min(), high.max(), 0.05)
    seen = [
        crossed(detector, np.zeros(3), np.array([1.0, 0.0, place / 100])).any() for place in places
    ]
    ends = np.flatnonzero(seen)
    assert widest_gap(low, high) == pytest.approx(0.05 * (np.diff(ends).max() - 1), abs=0.11)


# ---------------------------------------------------------------- overlaps


def share_a_point(corners_a: NDArray[Any], corners_b: NDArray[Any]) -> bool:
    """Whether two convex hulls do: by linear programming, the slow way."""
    n, m = len(corners_a), len(corners_b)
    equal = np.zeros((5, n + m))
    equal[:3, :n], equal[:3, n:] = corners_a.T, -corners_b.T
    equal[3, :n], equal[4, n:] = 1, 1
    return linprog(np.zeros(n + m), A_eq=equal, b_eq=[0, 0, 0, 1, 1]).status == 0


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_two_slabs_overlap_where_they_share_a_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, entries = [], {}
    for k in range(2):
        disks = Disks(
            volume=k + 1,
            z=float(rng.uniform(1, 8)),
            radius=10.0,
            modules=1,
            inner_width=float(rng.uniform(2, 9)),
            outer_width=float(rng.uniform(2, 9)),
            length=float(rng.uniform(2, 12)),
            thickness=float(rng.uniform(0.1, 2)),
            x0=0.0,
            pitch_u=0.1,
        )
        places = places_of(disks)
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        places.rotation[:] = turn * np.sign(np.linalg.det(turn))
        entries[str(k)] = places, disks.thickness
        low, high, v = places.half_sizes[0]
        w = disks.thickness / 2
        local = [
            (s * (high if t > 0 else low), t * v, f * w)
            for s in (-1, 1)
            for t in (-1, 1)
            for f in (-1, 1)
        ]
        boxes.append(places.centre[0] + np.array(local) @ places.rotation[0].T)
    try:
        require_apart(entries, ())
        apart = True
    except SettingsError:
        apart = False
    assert apart != share_a_point(*boxes)


def test_planes_across_every_axis() -> None:
    for axis in range(3):
        entry = Planes(
            volume=1,
            position=(10.0, 20.0),
            axis="xyz"[axis],
            width=4.0,
            length=2.0,
            thickness=0.1,
            x0=0.0,
            pitch_u=0.1,
        )
        places = places_of(entry)
        np.testing.assert_array_equal(places.centre[:, axis], [10, 20])
        np.testing.assert_array_equal(places.rotation[:, axis, 2], 1)
        np.testing.assert_allclose(np.linalg.det(places.rotation), 1)
