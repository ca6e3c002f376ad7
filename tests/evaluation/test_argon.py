"""A hand-made event in liquid argon, of which every figure of merit is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitgraph.errors import InputError
from hitgraph.evaluation.argon import argon_quality, combine, rows
from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.argon import DIFFUSE, HIP, MIP, SHOWER, view_number
from hitgraph.event.event import Event, HitTable, TruthTable
from hitgraph.event.hit_classes import classes_path, read_classes, write_classes

MUON = [int(view_number(1, 0, MIP, plane)) for plane in (0, 1)]
PROTON = int(view_number(1, 1, HIP, 0))
ELECTRON = int(view_number(2, 0, SHOWER, 1))
#                 plane 0: muon, proton, noise             plane 1: muon, electron
PARTICLE = [MUON[0]] * 4 + [PROTON] * 3 + [0] + [MUON[1]] * 3 + [ELECTRON] * 3
FOUND = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, -1]
CLASSES = [MIP] * 4 + [MIP, HIP, HIP, HIP] + [MIP] * 3 + [MIP, SHOWER, SHOWER]


def hand_made() -> Event:
    n = len(PARTICLE)
    zero = np.zeros(n, np.float32)
    ids = np.arange(1, n + 1)
    layer = np.array([0] * 8 + [1] * 6, np.int32)
    hits = HitTable(
        ids, zero, zero, zero, np.ones(n, np.int32), layer, np.arange(n, dtype=np.int32)
    )
    truth = TruthTable(ids, np.array(PARTICLE), *[zero] * 6, zero + 1 / n)
    return Event("event000000001", hits, truth=truth)


def test_every_figure_of_a_hand_made_event() -> None:
    quality = argon_quality(hand_made(), np.array(FOUND), np.array(CLASSES), min_hits=3)
    assert sorted(quality.completeness.tolist()) == pytest.approx(sorted([1, 2 / 3, 1, 1 / 3]))
    of_kind = dict(zip(quality.kind.tolist(), quality.completeness.tolist(), strict=True))
    assert of_kind[HIP] == pytest.approx(2 / 3)
    assert of_kind[SHOWER] == pytest.approx(1 / 3)
    # of the proton's and the electron's hits and those of their clusters half are in both
    assert quality.found[quality.kind == MIP].tolist() == [True, True]
    assert quality.efficiency() == Ratio(2, 4)
    assert quality.efficiency(HIP) == quality.efficiency(SHOWER) == Ratio(0, 1)
    assert quality.fakes == Ratio(1, 3)
    # clusters 0 (4 of 5), 1 (2 of 3, with the noise), 2 (3 of 4); 3 has one hit only
    assert quality.purity.tolist() == pytest.approx([4 / 5, 2 / 3, 3 / 4])
    assert quality.purity_by_hits == pytest.approx(9 / 12)
    # plane 0 without its noise: pairs 6 + 1 of both, 6 + 3 of the truth, 10 + 1 found, of 21
    chance = 9 * 11 / 21
    assert quality.rand[0] == pytest.approx((7 - chance) / (10 - chance))
    # plane 1: 3 of both, 3 + 3 of the truth, 6 found, of 15
    assert quality.rand[1] == pytest.approx((3 - 6 * 6 / 15) / (6 - 6 * 6 / 15))
    assert quality.recall[[MIP, HIP, SHOWER]].tolist() == pytest.approx([1, 2 / 3, 2 / 3])
    assert quality.precision[[MIP, HIP, SHOWER]].tolist() == pytest.approx([7 / 9, 2 / 3, 1])
    assert quality.recall[DIFFUSE] == 0  # the noise hit was found as HIP
    assert np.isnan(quality.precision[DIFFUSE])
    assert quality.accuracy == pytest.approx(11 / 14)


def test_the_truth_itself_is_perfect() -> None:
    labels = np.unique(PARTICLE, return_inverse=True)[1].reshape(-1) - 1  # noise comes first
    quality = argon_quality(hand_made(), labels, None, min_hits=3)
    assert quality.rand.tolist() == [1, 1]
    assert quality.completeness.tolist() == [1] * 4
    assert quality.purity.tolist() == [1] * 4
    assert quality.efficiency() == Ratio(4, 4)
    assert quality.fakes.passed == 0
    assert quality.confusion is None
    assert np.isnan(quality.accuracy)
    assert "accuracy" not in quality.to_dict()


def test_leaving_hits_out_gains_nothing() -> None:
    labels = np.unique(PARTICLE, return_inverse=True)[1].reshape(-1) - 1
    all_out = argon_quality(hand_made(), np.full(len(labels), -1), None, min_hits=3)
    assert all_out.completeness.tolist() == [0] * 4
    assert all_out.rand.max() <= 0
    labels[0] = -1
    assert argon_quality(hand_made(), labels, None, min_hits=3).rand[0] < 1


def test_two_events_together() -> None:
    one = argon_quality(hand_made(), np.array(FOUND), np.array(CLASSES), min_hits=3)
    without = argon_quality(hand_made(), np.array(FOUND), None, min_hits=3)
    both = combine([one, one])
    assert both.accuracy == one.accuracy
    assert len(both.kind) == 2 * len(one.kind)
    assert combine([one, without]).confusion is None
    assert both.to_dict()["completeness"] == pytest.approx(0.75)
    cells = {row.name: row.cells for row in rows({"a": one, "b": without})}
    assert cells["hits in the right class"] == ("0.786", "-")
    assert cells["clusters / views"] == ("3 / 4", "3 / 4")


def test_events_of_another_detector_are_refused() -> None:
    event = hand_made()
    assert event.truth is not None
    other = replace(event, truth=replace(event.truth, particle_id=event.truth.particle_id * 0 + 64))
    with pytest.raises(InputError, match=r"event000000001: particle_id 64 says no class.*--world"):
        argon_quality(other, np.array(FOUND), None, min_hits=3)


def test_classes_are_read_as_they_were_written(tmp_path: Path) -> None:
    event = hand_made()
    shares = np.random.default_rng(0).dirichlet(np.ones(5), event.n_hits)
    path = classes_path(tmp_path, event.name)
    write_classes(event.hits.hit_id, shares, path)
    assert read_classes(path, event).tolist() == shares.argmax(axis=1).tolist()
    write_classes(event.hits.hit_id[:-1], shares[:-1], path)
    with pytest.raises(InputError, match=r"13 rows that are not the 14 hits of event000000001"):
        read_classes(path, event)
