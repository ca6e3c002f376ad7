"""Metrics of showers: an event made by hand, and what holds for any clusters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitgraph.errors import InputError
from hitgraph.evaluation.metrics import truth_labels
from hitgraph.evaluation.showers import ShowerQuality, combine, judge, rows, shower_quality
from hitgraph.event.event import CellTable, Event, HitTable, ParticleTable, TruthTable

ENERGY = [6.0, 3.0, 1.0, 4.0, 4.0, 2.0, 0.5, 0.5]  # GeV
OWNER = [1, 1, 1, 2, 2, 2, 0, 0]  # an electron of 12 GeV, a pion of 40 GeV, noise


def made(energy: list[float], owner: list[int]) -> Event:
    n = len(energy)
    hit_id = np.arange(1, n + 1)
    ids, zero = np.zeros(n, np.int32), np.zeros(n, np.float32)
    places = {"x": zero, "y": zero, "z": zero + 1}
    two = np.zeros(2, np.float32)
    return Event(
        "event1",
        HitTable(hit_id, **places, volume_id=ids, layer_id=ids, module_id=ids),
        CellTable(hit_id, ids, ids, np.array(energy, np.float32)),
        ParticleTable(
            particle_id=np.array([1, 2]),
            particle_type=np.array([-11, 211], np.int32),
            vx=two,
            vy=two,
            vz=two,
            px=np.array([0, 24], np.float32),
            py=two,
            pz=np.array([12, 32], np.float32),
            q=np.array([1, 1], np.int32),
            nhits=np.array([3, 3], np.int32),
        ),
        TruthTable(hit_id, np.array(owner), *([zero] * 6), weight=zero),
    )


EVENT = made(ENERGY, OWNER)


def test_an_event_made_by_hand() -> None:
    """Cluster 5 has 9 of the electron's 10 GeV and 0.5 of noise, cluster 7 has 4 of the pion's."""
    labels = np.array([5, 5, -1, 7, -1, -1, 5, 7])
    found = shower_quality(EVENT, labels, min_hits=2)
    assert found.generated.tolist() == [12.0, 40.0]
    assert found.electromagnetic.tolist() == [True, False]
    assert found.energy.tolist() == [10.0, 10.0]
    assert found.cluster.tolist() == [9.5, 4.5]
    # overlap 9 / 10.5 and 4 / 10.5
    assert found.matched.tolist() == [True, False]
    assert (found.efficiency.passed, found.efficiency.total) == (1, 2)
    assert (found.fakes.passed, found.fakes.total) == (1, 2)
    assert found.completeness == pytest.approx((9 + 4) / 20)
    assert found.purity == pytest.approx((9 + 4) / 14)
    everything = np.ones(2, bool)
    assert found.response(everything, found.energy).tolist() == [0.95]
    assert found.response(everything, found.generated).tolist() == [9.5 / 12]


def test_half_of_the_energy_is_no_match() -> None:
    """Intersection 5 over union 10, then a little more."""
    for energy, matches in ((5.0, False), (5.1, True)):
        event = made([energy, 10 - energy, 1.0], [1, 1, 2])
        found = shower_quality(event, np.array([0, -1, -1]), min_hits=1)
        assert found.matched.tolist() == [matches]
        assert np.isfinite(found.found).tolist() == [matches, False]


def test_showers_and_clusters_of_few_hits_do_not_count() -> None:
    found = shower_quality(EVENT, np.array([0, 0, 0, 1, 1, 2, 2, -1]), min_hits=3)
    assert len(found.energy) == 2
    assert found.cluster.tolist() == [10.0]
    none = shower_quality(EVENT, np.full(8, -1), min_hits=4)
    assert len(none.energy) == len(none.cluster) == 0
    assert none.to_dict()["completeness"] is None


def test_the_truth_finds_everything() -> None:
    found = shower_quality(EVENT, truth_labels(EVENT), min_hits=3)
    assert found.efficiency.value == found.completeness == found.purity == 1
    assert found.fakes.passed == 0
    np.testing.assert_array_equal(found.response(np.ones(2, bool), found.energy), 1)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_hits=st.integers(1, 40),
    n_labels=st.integers(1, 6),
)
def test_neither_names_nor_order_matter_and_matches_are_one_to_one(
    seed: int, n_hits: int, n_labels: int
) -> None:
    random = np.random.default_rng(seed)
    energy = random.exponential(1.0, n_hits).tolist()
    owner = random.integers(0, 3, n_hits)
    labels = random.integers(-1, n_labels, n_hits)
    one = shower_quality(made(energy, owner.tolist()), labels, min_hits=1)
    assert int(np.isfinite(one.found).sum()) == int(one.matched.sum())
    assert one.best.sum() <= one.energy.sum() * (1 + 1e-9)
    assert (one.main <= one.cluster * (1 + 1e-9)).all()
    order = random.permutation(n_hits)
    renamed = np.where(labels < 0, -1, 10 + (labels * 7) % 11)
    shuffled = made([energy[k] for k in order], owner[order].tolist())
    other = shower_quality(shuffled, renamed[order], min_hits=1)
    assert other.efficiency == one.efficiency
    assert other.fakes == one.fakes
    assert other.purity == pytest.approx(one.purity, nan_ok=True)
    assert other.completeness == pytest.approx(one.completeness, nan_ok=True)


def test_events_add_up() -> None:
    good = judge(EVENT, truth_labels(EVENT), Path("tracks.csv"), 3)
    bad = shower_quality(EVENT, np.full(8, -1), 3)
    both = combine([good, bad])
    assert (both.efficiency.passed, both.efficiency.total) == (2, 4)
    assert both.completeness == pytest.approx(0.5)
    assert both.to_dict()["groups"]["hadrons"]["efficiency"]["total"] == 2


def test_rows_say_what_is_known() -> None:
    def cells(quality: ShowerQuality) -> dict[str, str]:
        return {row.name: row.cells[0] for row in rows({"one": quality})}

    good = cells(shower_quality(EVENT, truth_labels(EVENT), 3))
    assert good["clusters / showers"] == "2 / 2"
    assert good["efficiency, > 30 GeV"].startswith("100.0")
    assert good["efficiency, 0 to 10 GeV"] == "-"
    assert good["response, all"] == "1.000 ± 0.000, resolution 0.000"
    bad = cells(shower_quality(EVENT, np.full(8, -1), 3))
    assert bad["fake rate"] == bad["response, all"] == bad["purity, by energy"] == "-"


def test_energies_come_from_cells() -> None:
    with pytest.raises(InputError, match="event1: no table of cells, whose values are"):
        shower_quality(replace(EVENT, cells=None), np.full(8, -1), 3)
