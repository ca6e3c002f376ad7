"""Magnetic fields: the thin solenoid, tables and their files, names."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ellipe, ellipk

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.field import (
    CENTRE,
    HALF_LENGTH,
    RADIUS,
    REACH_R,
    REACH_Z,
    MagneticField,
    Reach,
    constant,
    field_of,
    from_json,
    named,
    read_field,
    scaled,
    solenoid,
    thin_solenoid,
    to_json,
    write_field,
)

inside_r = st.floats(0, 1050)
anywhere_z = st.floats(-3050, 3050)


def trackml(r: float, z: float) -> np.ndarray:
    """(Br, Bz) of the winding of TrackML's solenoid with 1 at its centre."""
    return np.array(thin_solenoid(r, z, RADIUS, HALF_LENGTH))


# ---------------------------------------------------------------- the thin solenoid


@given(z=st.floats(-6000, 6000))
def test_on_the_axis_it_is_the_formula_of_the_textbook(z: float) -> None:
    def cosine(length: float) -> float:
        return length / np.hypot(length, RADIUS)

    expected = (cosine(HALF_LENGTH + z) + cosine(HALF_LENGTH - z)) / 2 / cosine(HALF_LENGTH)
    br, bz = trackml(0.0, z)
    assert br == pytest.approx(0, abs=1e-14)
    assert bz == pytest.approx(expected, rel=1e-12)


def of_loops(r: float, z: float, n: int = 20_000) -> np.ndarray:
    """The same winding as `n` rings of current, each by its elliptic integrals K and E.

    J. D. Jackson, Classical Electrodynamics, equation 5.37 and what follows from it.
    """
    ring = (np.arange(n) + 0.5) / n * 2 * HALF_LENGTH - HALF_LENGTH
    d, a = z - ring, RADIUS
    outer, inner = (a + r) ** 2 + d**2, (a - r) ** 2 + d**2
    m = 4 * a * r / outer
    bz = (ellipk(m) + (a * a - r * r - d * d) / inner * ellipe(m)) / np.sqrt(outer)
    br = np.zeros_like(bz)
    if r > 0:
        br = d / r * (-ellipk(m) + (a * a + r * r + d * d) / inner * ellipe(m)) / np.sqrt(outer)
    centre = (np.pi / 2 * 2 * a * a / (a * a + ring * ring) ** 1.5).mean()
    return np.array([br.mean(), bz.mean()]) / centre


@settings(max_examples=40, deadline=None)
@given(r=st.floats(1e-3, 1100), z=st.floats(-3100, 3100))
def test_it_is_the_sum_of_many_rings_of_current(r: float, z: float) -> None:
    np.testing.assert_allclose(trackml(r, z), of_loops(r, z), atol=1e-7)


@given(r=inside_r, z=anywhere_z)
def test_the_halves_mirror_each_other(r: float, z: float) -> None:
    (br, bz), (mirrored_br, mirrored_bz) = trackml(r, z), trackml(r, -z)
    assert br == pytest.approx(-mirrored_br, abs=1e-14)
    assert bz == pytest.approx(mirrored_bz, rel=1e-12)


@given(r=st.floats(10, 1050), z=anywhere_z)
def test_no_sources_and_no_currents_inside(r: float, z: float) -> None:
    step = 0.5  # mm

    def change(of: int, dr: float, dz: float) -> float:
        ahead, behind = trackml(r + dr, z + dz), trackml(r - dr, z - dz)
        return float(ahead[of] - behind[of]) / (2 * step)

    radial = trackml(r, z)[0] / r + change(0, step, 0)
    along = change(1, 0, step)
    assert radial + along == pytest.approx(0, abs=1e-8)  # divergence
    assert change(0, 0, step) - change(1, step, 0) == pytest.approx(0, abs=1e-8)  # curl


@given(r=st.floats(0, 900), z=st.floats(-1000, 1000))
def test_a_very_long_one_is_uniform(r: float, z: float) -> None:
    br, bz = thin_solenoid(r, z, 1000.0, 1e6)
    assert br == pytest.approx(0, abs=1e-5)
    assert bz == pytest.approx(1, abs=1e-5)


def test_from_far_away_it_is_a_dipole() -> None:
    """On the axis B = mu0 m / (2 pi z^3), in the middle plane minus half of that."""
    far = 1e6
    on_axis = trackml(0.0, far)[1]
    dipole = np.hypot(HALF_LENGTH, RADIUS) * RADIUS**2 / far**3
    assert on_axis == pytest.approx(dipole, rel=1e-4)
    assert trackml(far, 0.0)[1] == pytest.approx(-on_axis / 2, rel=1e-4)


# ---------------------------------------------------------------- tables in memory


def test_the_field_of_trackml_on_the_axis() -> None:
    """Found independently with 400 rings, the outer ones at the ends: 6.5 mm longer than ours."""
    z = np.array([0, 500, 1000, 1500, 2000, 2500, 2900])
    expected = [1.983, 1.966, 1.907, 1.781, 1.543, 1.167, 0.829]
    np.testing.assert_allclose(solenoid().at(0, z)[1], expected, atol=6e-3)
    assert solenoid().centre == pytest.approx(CENTRE, rel=1e-12)


@given(r=inside_r, z=anywhere_z, factor=st.floats(-3, 3))
def test_between_its_points_the_table_is_the_exact_field(r: float, z: float, factor: float) -> None:
    one = solenoid(factor)
    # the second derivative is largest near the end of the winding: below 1 in a million per mm^2
    np.testing.assert_allclose(one.at(r, z), factor * CENTRE * trackml(r, z), atol=1.5e-3)


def test_at_its_points_the_table_is_exact_and_outside_the_rim_counts() -> None:
    one = solenoid()
    r, z = np.meshgrid(one.r, one.z)
    br, bz = one.at(r, z)
    np.testing.assert_allclose(br, one.br, atol=1e-12)
    np.testing.assert_allclose(bz, one.bz, atol=1e-12)
    np.testing.assert_array_equal(one.at(1e6, 1e6), one.at(REACH_R, REACH_Z))
    np.testing.assert_array_equal(one.at(1e6, -1e6), one.at(REACH_R, -REACH_Z))


@given(tesla=st.floats(-10, 10), r=inside_r, z=anywhere_z)
def test_constant_is_the_same_everywhere(tesla: float, r: float, z: float) -> None:
    one = constant(tesla)
    br, bz = one.at(r, z)
    assert br == 0
    assert bz == pytest.approx(tesla, rel=1e-12)
    assert one.is_constant
    assert one.centre == pytest.approx(tesla, rel=1e-12)


# ---------------------------------------------------------------- names


@given(value=st.floats(-5, 5), kind=st.sampled_from([solenoid, constant]))
def test_a_name_gives_the_field_back(value: float, kind) -> None:
    one = kind(value)
    again = field_of(one.name)
    assert again == one
    np.testing.assert_allclose(again.bz, one.bz, rtol=1e-14)


def test_equal_where_the_fields_are() -> None:
    assert solenoid(1.0) == solenoid() == field_of("solenoid") == field_of("solenoid:1")
    assert solenoid(-1) != solenoid()
    assert constant(2) == field_of("constant:2.0") != solenoid()
    assert len({solenoid(), solenoid(1.0), constant(2), constant(2.0)}) == 2


@given(first=st.floats(-2, 2), second=st.floats(-2, 2))
def test_scaling_multiplies(first: float, second: float) -> None:
    for one in (solenoid(first), constant(first), table(constant(first))):
        twice = scaled(one, second)
        np.testing.assert_allclose(twice.bz, second * one.bz, atol=1e-12)
        np.testing.assert_allclose(twice.br, second * one.br, atol=1e-12)
        assert twice.name.partition(":")[0] == one.name.partition(":")[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2", "write constant:2"),
        ("-1.5", "write constant:-1.5"),
        ("constant:50", "constant:50: 50 T is not allowed, -10 to 10 T"),
        ("constant:nan", "nan T is not allowed"),
        ("constant:two", "'two' is no number; allowed: solenoid"),
        ("solenoid:6", "solenoid:6: 11.898 T is not allowed"),
        ("solenoid:", "'' is no number"),
        ("no/such/file", "there is no such file; allowed: solenoid"),
    ],
)
def test_what_is_no_field_is_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        field_of(text)


def test_what_an_event_names() -> None:
    mine = table(solenoid(0.7))
    assert named(None, mine, "e") is mine
    assert named(mine.name, mine, "e") is mine
    assert named(2.0, mine, "e") == constant(2)  # as older samples have it
    assert named("solenoid:-1", None, "e") == solenoid(-1)
    assert named("table:0123456789abcdef", mine, "e") is None  # the numbers are not at hand
    for wrong in ("field.txt", True, ["solenoid"], "constant:99", float("nan")):
        with pytest.raises(InputError, match=r"^event7: "):
            named(wrong, None, "event7")


# ---------------------------------------------------------------- files


def table(of: MagneticField) -> MagneticField:
    """The same numbers as a table that somebody measured."""
    content = {key: getattr(of, key).tolist() for key in ("r", "z", "br", "bz")}
    return from_json(content | {"name": "table:"}, "a test")


def coarse(step_z: float = 620.0, step_r: float = 220.0) -> list[str]:
    """Lines of a small good file: 6 radii, 11 places along z."""
    r, z = np.arange(0, REACH_R + 1, step_r), np.arange(-REACH_Z, REACH_Z + 1, step_z)
    return [f"{a:g} {b:g} 0 {2 - abs(b) / 3100:.4f}" for b in z for a in r]


def test_a_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "field.txt"
    write_field(solenoid(), path)
    again = read_field(path)
    for key in ("r", "z", "br", "bz"):
        np.testing.assert_allclose(getattr(again, key), getattr(solenoid(), key), atol=1e-9)
    assert again.name.startswith("table:")
    assert again == field_of(str(path)) == table(solenoid())
    assert again != table(solenoid(1.001))


def test_comments_and_empty_lines_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "field.txt"
    path.write_text("\n".join(["# r z Br Bz", "", *coarse(), "  # the end"]))
    assert read_field(path).centre == pytest.approx(2)


def put(k: int, line: str) -> list[str]:
    lines = coarse()
    lines[k] = line
    return lines


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "holds no line r z Br Bz"),
        (["# nothing"], "holds no line r z Br Bz"),
        (put(3, "r z Br Bz"), "line 4 is 'r z Br Bz' where four numbers r z Br Bz (mm, Tesla)"),
        (put(3, "1 2 3"), "line 4 is '1 2 3' where four numbers"),
        (put(7, "220 -2480 nan 1"), "line 8 is '220 -2480 nan 1' where four numbers"),
        (put(7, "220 -2480 0 inf"), "line 8 is '220 -2480 0 inf' where four numbers"),
        (coarse()[:8] + coarse()[9:], "line 9 has r, z = 660, -2480 where 440, -2480 is expected"),
        (coarse()[:-1], "line 66 is missing where 1100, 3100 is expected"),
        ([*coarse(), "0 0 0 2"], "line 67 has r, z = 0, 0 where the end is expected"),
        ([*coarse()[6:], *coarse()[:6]], "line 1 has r, z = 0, -2480 where 0, -3100 is expected"),
        (sorted(coarse(), key=lambda line: float(line.split()[0])), "r runs fastest, then z"),
        (put(7, "220 -2480 0 20000"), "line 8 has a field of 20000 T, at most 10 is expected"),
        ([line for line in coarse() if float(line.split()[0]) > 0], "radii from 0"),
        (["0 0 0 2"], "at least two of each are expected"),
        (
            [
                line.replace("220 ", "230 ", 1) if line.startswith("220 ") else line
                for line in coarse()
            ],
            "equal steps are expected",
        ),
    ],
)
def test_a_bad_file_is_refused_by_name_and_line(
    lines: list[str], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "field.txt"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=re.escape(says)) as found:
        read_field(path)
    assert str(path) in str(found.value)


@given(r=st.floats(1, 2000), low=st.floats(-4000, -1), high=st.floats(1, 4000))
def test_a_table_has_to_reach_as_far_as_the_modules(r: float, low: float, high: float) -> None:
    """Whatever the detector is: a small table will do for a small one."""
    corner = np.zeros((2, 2))
    known = {"r": [0.0, 500.0], "z": [-1000.0, 2000.0], "br": corner, "bz": corner + 2}
    field, modules = from_json(known | {"name": "table:"}, "a test"), Reach(r, low, high)
    constant(2).require_covers(modules, "any")
    if r <= 500 and low >= -1000 and high <= 2000:
        field.require_covers(modules, "a.txt")
        return
    said = (
        f"to r = 500 and from z = -1000 to 2000 mm, the modules of the detector reach to {modules}"
    )
    with pytest.raises(InputError, match=rf"^a\.txt: .*{re.escape(said)}"):
        field.require_covers(modules, "a.txt")


def test_kilogauss_and_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "field.txt"
    path.write_text("\n".join(f"{line.rsplit(' ', 1)[0]} 19.8" for line in coarse()))
    with pytest.raises(InputError, match=r"line 1 has a field of 19\.8 T.*not kilogauss"):
        read_field(path)
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(InputError, match="cannot be read as a table of a field"):
        read_field(path)


def test_a_detector_s_file_keeps_it() -> None:
    for one in (solenoid(), solenoid(-0.5), constant(3.8), table(solenoid(0.9))):
        again = from_json(to_json(one), "here")
        assert again == one
        np.testing.assert_allclose(again.at(500, 1000), one.at(500, 1000), rtol=1e-12)
    assert to_json(solenoid(0.9)) == {"name": "solenoid:0.9"}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "solenoid",
        {},
        {"name": "constant:two"},
        {"name": "unheard of"},
        {"name": "table:1", "r": [0, 1], "z": [0, 1], "br": [[0, 0]], "bz": [[0, 0]]},
        {"name": "table:1", "r": [0, 0], "z": [0, 1], "br": [[0, 0]] * 2, "bz": [[0, 0]] * 2},
        {"name": "table:1", "r": [0, 1], "z": [0, 1], "br": [[0, 0]] * 2, "bz": [[0, "x"]] * 2},
    ],
)
def test_what_no_version_wrote_is_refused(content: object) -> None:
    with pytest.raises(InputError, match=r"^detectors\.parquet: "):
        from_json(content, "detectors.parquet")


# ---------------------------------------------------------------- as ACTS takes it


@pytest.mark.parametrize("one", [solenoid(), solenoid(-0.5), constant(2), table(solenoid(0.7))])
def test_acts_finds_the_same_field_everywhere(one: MagneticField) -> None:
    acts = pytest.importorskip("acts", reason="pyacts is not installed (extra sim)")
    from hitgraph.simulate.acts_field import acts_field

    provider = acts_field(one)
    cache = provider.makeCache(acts.MagneticFieldContext())
    rng = np.random.default_rng(1)
    r, phi, z = rng.uniform([0, -np.pi, -3050], [1050, np.pi, 3050], (500, 3)).T
    br, bz = one.at(r, z)
    expected = np.stack([br * np.cos(phi), br * np.sin(phi), bz], axis=1)
    places = zip(r * np.cos(phi), r * np.sin(phi), z, strict=True)
    found = np.array([list(provider.getField(acts.Vector3(*at), cache)) for at in places])
    np.testing.assert_allclose(found / acts.UnitConstants.T, expected, atol=1e-6)
