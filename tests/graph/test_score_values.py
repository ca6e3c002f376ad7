"""What the scored windows look at, on helices whose parameters are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.graph.scored.learning import hit_columns
from hitgraph.graph.scored.values import SCORE_VARIABLES, score_values
from hitgraph.hits import FEATURES, Hits

DEPTH, PITCH_U, PITCH_V = 0.3, 0.05, 0.08  # mm
CHARGE_PER_MM = 20.0

helices = given(
    curvature=st.floats(-1 / 700, 1 / 700),  # 1/mm
    phi0=st.floats(-np.pi, np.pi),
    cot=st.floats(-5, 5),
    z0=st.floats(-200, 200),
    inner=st.floats(30, 100),
    gap=st.floats(20, 100),
    seed=st.integers(0, 1000),
)


def two_hits(
    radii: NDArray[np.float64], curvature: float, phi0: float, cot: float, z0: float, seed: int
) -> tuple[Hits, Detector]:
    """Where a helix from (0, 0, z0) crosses two modules that lie askew, and its clusters there.

    At the radius r it has turned half way by asin(curvature r / 2); a particle that crosses L
    channels lights L + 1 of them on average.
    """
    half = np.arcsin(curvature * radii / 2)
    arc = np.where(half == 0, radii, 2 * half / np.where(half == 0, 1, curvature))
    phi = phi0 + half
    position = np.stack([radii * np.cos(phi), radii * np.sin(phi), z0 + cot * arc], axis=1)
    flight = np.stack([np.cos(phi + half), np.sin(phi + half), np.full(2, cot)], axis=1)
    random = np.random.default_rng(seed)
    rotation = []
    for direction in flight:
        normal = direction / np.linalg.norm(direction) + random.uniform(-0.5, 0.5, 3)
        turned, _ = np.linalg.qr(np.stack([normal, *random.normal(size=(2, 3))], axis=1))
        rotation.append(turned[:, [1, 2, 0]])
    local = np.einsum("nij,ni->nj", np.array(rotation), flight)
    path = DEPTH * np.linalg.norm(flight, axis=1) / np.abs(local[:, 2])
    size = DEPTH * np.abs(local[:, :2] / local[:, 2:]) + [PITCH_U, PITCH_V]
    features = np.zeros((2, len(FEATURES)), np.float32)
    columns = {"r": radii, "phi": phi, "z": position[:, 2], "charge": CHARGE_PER_MM * path}
    columns |= {"cell_count": np.ones(2), "lx": size[:, 0], "ly": size[:, 1]}
    for name, column in columns.items():
        features[:, FEATURES.index(name)] = column
    detector = Detector(
        volume_id=np.array([8, 8], np.int32),
        layer_id=np.array([2, 4], np.int32),
        module_id=np.arange(2, dtype=np.int32),
        centre=position,
        rotation=np.array(rotation),
        half_thickness=np.full(2, DEPTH / 2),
        min_half_u=np.full(2, 10.0),
        max_half_u=np.full(2, 10.0),
        half_v=np.full(2, 10.0),
        pitch_u=np.full(2, PITCH_U),
        pitch_v=np.full(2, PITCH_V),
    )
    assert detector.sensitive_thickness.tolist() == [DEPTH, DEPTH]
    module = torch.tensor([0, 1])
    place = torch.from_numpy(position.astype(np.float32))
    return Hits(torch.from_numpy(features), place, module.clone(), module), detector


def values_of(hits: Hits, detector: Detector, barrel: list[bool]) -> dict[str, float]:
    columns = hit_columns(hits, detector, np.array(barrel))
    first, second = np.array([0]), np.array([1])
    values = score_values(columns, first, second, len(SCORE_VARIABLES))[:, 0]
    return dict(zip(SCORE_VARIABLES, values.tolist(), strict=True))


@helices
@settings(max_examples=60, deadline=None)
def test_of_two_hits_of_a_helix_they_are_its_parameters(
    curvature: float, phi0: float, cot: float, z0: float, inner: float, gap: float, seed: int
) -> None:
    radii = np.array([inner, inner + gap])
    hits, detector = two_hits(radii, curvature, phi0, cot, z0, seed)
    value = values_of(hits, detector, [True, False])
    assert value["inner_along"] == pytest.approx(float(hits.position[0, 2]))
    assert value["outer_along"] == pytest.approx(radii[1], rel=1e-6)
    assert value["curvature"] == pytest.approx(curvature, abs=3e-7)
    assert value["vertex"] == pytest.approx(z0 / (100 + abs(z0)), abs=3e-5)
    theta = np.arctan2(radii, hits.position[:, 2].numpy())
    eta = -np.log(np.tan(theta / 2))
    assert value["deta"] == pytest.approx(eta[1] - eta[0], abs=1e-5)


@helices
@settings(max_examples=60, deadline=None)
def test_clusters_of_its_particle_are_as_expected(
    curvature: float, phi0: float, cot: float, z0: float, inner: float, gap: float, seed: int
) -> None:
    hits, detector = two_hits(np.array([inner, inner + gap]), curvature, phi0, cot, z0, seed)
    value = values_of(hits, detector, [True, True])
    for end in ("inner", "outer"):
        assert value[f"{end}_u"] == pytest.approx(0, abs=1e-4)
        assert value[f"{end}_v"] == pytest.approx(0, abs=1e-4)
        assert value[f"{end}_charge"] == pytest.approx(CHARGE_PER_MM * DEPTH, rel=1e-5)


@pytest.mark.parametrize("z0", [-80.0, 0.0, 150.0])
@pytest.mark.parametrize("cot", [-2.0, 0.0, 0.7])
def test_the_impact_of_a_straight_track_is_z0_times_the_sine_of_theta(
    z0: float, cot: float
) -> None:
    hits, detector = two_hits(np.array([40.0, 90.0]), 0.0, 0.3, cot, z0, 0)
    impact = values_of(hits, detector, [True, True])["impact"]
    assert impact == pytest.approx(z0 / np.sqrt(1 + cot * cot), abs=1e-4)
