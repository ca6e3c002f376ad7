"""Jets and neighbours, against a slow reference and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.event.truth import ParticleSummary
from hitgraph.studies.jets import RADIUS, anti_kt, collisions, surroundings


def reference(momenta: np.ndarray, radius: float) -> list[frozenset[int]]:
    """Anti-kt as its definition reads."""
    jets: dict[frozenset[int], np.ndarray] = {
        frozenset([k]): momentum for k, momentum in enumerate(momenta)
    }
    done = []
    while jets:
        best: tuple[float, frozenset[int], frozenset[int] | None] | None = None
        place = {
            key: (np.hypot(*p[:2]), np.arcsinh(p[2] / np.hypot(*p[:2])), np.arctan2(p[1], p[0]))
            for key, p in jets.items()
        }
        for one, (pt, eta, phi) in place.items():
            candidates = [(pt**-2, None)]
            for other, (pt2, eta2, phi2) in place.items():
                if other != one:
                    turn = np.abs(np.angle(np.exp(1j * (phi - phi2))))
                    apart = ((eta - eta2) ** 2 + turn**2) / radius**2
                    candidates.append((min(pt**-2, pt2**-2) * apart, other))
            distance, other = min(candidates, key=lambda pair: pair[0])
            if best is None or distance < best[0]:
                best = (distance, one, other)
        assert best is not None
        _, one, other = best
        if other is None:
            done.append(one)
            del jets[one]
        else:
            jets[one | other] = jets.pop(one) + jets.pop(other)
    return done


@given(st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_anti_kt_is_what_its_definition_says(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pt, eta, phi = rng.exponential(3, n) + 0.1, rng.normal(0, 0.6, n), rng.normal(3, 0.6, n)
    jet, jet_pt, jet_eta, jet_phi = anti_kt(pt, eta, phi, RADIUS)
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
    members = [frozenset(np.flatnonzero(jet == k).tolist()) for k in range(len(jet_pt))]
    assert set(members) == set(reference(momenta, RADIUS))
    for k, one in enumerate(members):
        total = momenta[list(one)].sum(axis=0)
        assert jet_pt[k] == pytest.approx(np.hypot(*total[:2]))
        assert jet_eta[k] == pytest.approx(np.arcsinh(total[2] / jet_pt[k]))
        assert np.exp(1j * jet_phi[k]) == pytest.approx(np.exp(1j * np.arctan2(*total[1::-1])))


def summary(pt: list[float], phi: list[float], collision: list[int]) -> ParticleSummary:
    n = len(pt)
    return ParticleSummary(
        event="event000000001",
        particle_id=(np.array(collision) << 24) + np.arange(1, n + 1),
        pt=np.array(pt),
        eta=np.zeros(n),
        phi=np.array(phi),
        charge=np.ones(n, np.int32),
        pdg=np.zeros(n, np.int32),
        vertex_radius=np.zeros(n),
        vz=np.zeros(n),
        n_hits=np.full(n, 9),
        primary=np.ones(n, bool),
        weight=np.ones(n),
        hard_process=None,
    )


def test_a_jet_is_of_one_collision_and_neighbours_of_any() -> None:
    around = surroundings(
        summary(
            [20.0, 5.0, 4.0, 3.0], [np.pi - 0.05, -np.pi + 0.05, np.pi - 0.06, 0.0], [1, 1, 2, 1]
        )
    )
    # The first two make a jet across phi = pi; the third is of a soft jet of another collision.
    assert around.jet_pt[:2] == pytest.approx([25.0, 25.0], rel=5e-3)
    assert around.jet_distance[0] == pytest.approx(0.02, abs=1e-3)
    assert around.jet_distance[1] == pytest.approx(0.08, abs=1e-3)
    assert np.isnan(around.jet_pt[2:]).all()
    assert around.nearest[:3] == pytest.approx([0.01, 0.1, 0.01])


def test_collisions_are_told_from_the_ids_of_either_make() -> None:
    assert collisions(np.array([(3 << 24) + 5, (4 << 24) + 1])).tolist() == [3, 4]
    assert collisions(np.array([(3 << 52) + 5, (4 << 52) + 1])).tolist() == [3, 4]
