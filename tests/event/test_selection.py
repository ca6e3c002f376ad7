"""Which particles count: known answers, the text form, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.event import Event
from hitgraph.event.selection import (
    ALL_PARTICLES,
    SELECTED,
    TARGETS,
    Selection,
    selected_edges,
    selected_hits,
    selection_of,
)
from hitgraph.event.source import list_events, read_event
from hitgraph.event.store import write_dataset_info, write_event
from hitgraph.event.trackml import write_trackml
from hitgraph.event.truth import ParticleSummary, summarise_particles
from hitgraph.lessons.settings import TruthSettings
from hitgraph.settings import parse, to_dict

FIRST, SECOND = 1 << 24, 2 << 24  # particle_id of simulated events, by collision

# particle_id, pT, eta, radius of birth, charge, PDG code, hits
CROWD = (
    (FIRST + 1, 2.0, 0.9, 0.0, 1, 211, 5),
    (FIRST + 2, 0.6, -0.9, 0.0, -1, -13, 4),
    (FIRST + 3, 0.7, 0.0, 0.0, 0, 2112, 6),
    (SECOND + 1, 0.2, 0.0, 2.1, 1, 11, 3),
    (SECOND + 2, 0.8, 4.1, 0.0, 1, 211, 2),
    (SECOND + 3, 0.9, -2.0, 0.0, -1, -211, 0),
    (SECOND + 4, 0.05, 0.0, 300.0, 1, 13, 9),
)


def summary(hard: int | None = 1) -> ParticleSummary:
    columns = [np.array(column) for column in zip(*CROWD, strict=True)]
    ids, pt, eta, radius, charge, pdg, hits = columns
    return ParticleSummary(
        event="event000000007",
        particle_id=ids,
        pt=pt,
        eta=eta,
        phi=np.zeros(len(pt)),
        charge=charge.astype(np.int32),
        pdg=pdg.astype(np.int32),
        vertex_radius=radius,
        vz=np.zeros(len(pt)),
        n_hits=hits,
        primary=radius <= 2,
        weight=np.zeros(len(pt)),
        hard_process=None if hard is None else ids >> 24 == hard,
    )


def chosen(mask: np.ndarray) -> list[int]:
    """Rows of CROWD, from 1."""
    return (np.flatnonzero(mask) + 1).tolist()


@pytest.mark.parametrize(
    ("selection", "rows"),
    [
        (SELECTED, [1, 2, 4, 6]),  # neither the neutral one nor those at eta 4.1 and 50 MeV
        (SELECTED.above(0.5), [1, 2, 6]),
        (ALL_PARTICLES, [1, 2, 3, 4, 5, 6, 7]),
        (TARGETS, [1, 2, 4, 7]),
        (replace(TARGETS, primary_only=True), [1, 2]),
        (Selection(min_pt=2.0), []),  # strictly above
        (Selection(max_pt=0.6), [2, 4]),  # at most
        (Selection(min_abs_eta=0.9), [1, 2, 6]),  # at least
        (Selection(max_abs_eta=0.9), [4]),  # below
        (replace(ALL_PARTICLES, min_radius=2.1), [4, 7]),
        (replace(ALL_PARTICLES, min_radius=2.1, max_radius=300.0), [4, 7]),
        (replace(ALL_PARTICLES, max_radius=2.0), [1, 2, 3, 5, 6]),
        (replace(ALL_PARTICLES, pdg=(13,)), [2, 7]),  # both charges
        (replace(ALL_PARTICLES, pdg=(11, 211)), [1, 4, 5, 6]),
        (replace(ALL_PARTICLES, min_hits=3, max_hits=5), [1, 2, 4]),
        (replace(ALL_PARTICLES, hard_process_only=True), [1, 2, 3]),
    ],
)
def test_what_is_selected(selection: Selection, rows: list[int]) -> None:
    assert chosen(selection.mask(summary())) == rows


def test_reconstructable_are_those_with_five_hits() -> None:
    assert chosen(SELECTED.reconstructable(summary())) == [1]
    assert chosen(replace(ALL_PARTICLES, max_hits=4).reconstructable(summary())) == []
    assert chosen(replace(ALL_PARTICLES, min_hits=7).reconstructable(summary())) == [7]


def test_above_never_leaves_the_selection() -> None:
    assert Selection(min_pt=2.0).above(0.5) == Selection(min_pt=2.0)
    assert Selection(max_pt=0.4).above(0.5) == Selection(max_pt=0.4)
    assert Selection(max_pt=3.0).above(0.5) == Selection(min_pt=0.5, max_pt=3.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_pt": 2.0, "max_pt": 1.0}, "max_pt: 1 GeV is not above min_pt, 2"),
        ({"max_pt": 0.1}, "max_pt: 0.1 GeV is not above min_pt, 0.1"),
        ({"min_abs_eta": 4.0}, "max_abs_eta: 4 is not above min_abs_eta, 4"),
        ({"min_hits": 6, "max_hits": 5}, "max_hits: 5 hits is not above min_hits, 6"),
        ({"min_radius": -1.0}, "min_radius: -1 mm is not allowed, at least 0"),
        ({"min_radius": 20.0, "primary_only": True}, "leave out primary_only"),
        ({"pdg": (-13,)}, "pdg: -13 is not allowed"),
        ({"pdg": ("muon",)}, "pdg: 'muon' is not allowed"),
    ],
)
def test_what_selects_nothing_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Selection(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "selection"),
    [
        ([], SELECTED),
        (["min_pt=1", "max_abs_eta=2.5"], Selection(min_pt=1.0, max_abs_eta=2.5)),
        (["pdg=11,13"], Selection(pdg=(11, 13))),
        (["pdg=211"], Selection(pdg=(211,))),
        (["primary_only"], Selection(primary_only=True)),
        (["primary_only=false", "max_abs_eta=null"], Selection(max_abs_eta=None)),
    ],
)
def test_words_of_the_command_line(words: list[str], selection: Selection) -> None:
    assert selection_of(words) == selection


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["min_ptt=1"],
            r"select\.min_ptt: unknown key \(did you mean min_pt\?\)",
        ),
        (["min_pt"], r"select\.min_pt: True is not allowed"),
        (["min_pt=a"], r"select\.min_pt: 'a' is not allowed"),
        (["min_pt=1,2"], r"select\.min_pt: \[1, 2\] is not allowed"),
        (["min_pt=NaN"], r"select\.min_pt: nan is not allowed"),
        (["pdg=muon"], r"select\.pdg: \['muon'\] is not allowed"),
        (["pdg"], r"select\.pdg: \[True\] is not allowed"),
        (["min_pt=3", "max_pt=2"], r"select\.max_pt: 2 GeV is not above min_pt, 3"),
    ],
)
def test_words_that_say_nothing_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        selection_of(words)


def upward(limit: float) -> st.SearchStrategy[float]:
    return st.floats(0, limit).map(lambda value: round(value, 3))


selections = st.builds(
    lambda low, span, **rest: Selection(min_pt=low, max_pt=low + span, **rest),
    upward(5),
    st.floats(0.001, 5),
    max_abs_eta=st.none() | st.floats(0.01, 6),
    primary_only=st.booleans(),
    pdg=st.lists(st.integers(1, 10**6), max_size=3).map(tuple),
    min_hits=st.integers(0, 9),
    charged_only=st.booleans(),
)


@given(selections)
def test_a_selection_survives_yaml_and_words(selection: Selection) -> None:
    values = to_dict(selection)
    assert parse(Selection, values) == selection
    words = [f"{key}={json.dumps(one)}" for key, one in values.items() if key != "pdg"]
    if selection.pdg:
        words.append(f"pdg={','.join(map(str, selection.pdg))}")
    assert selection_of(words) == selection


@given(selections)
def test_more_conditions_select_fewer_particles(selection: Selection) -> None:
    particles = summary()
    wider = replace(selection, max_pt=None, pdg=(), min_hits=0, primary_only=False)
    assert not (selection.mask(particles) & ~wider.mask(particles)).any()


def test_names() -> None:
    assert str(SELECTED) == "pT > 0.1 GeV, |eta| < 4"
    assert str(Selection(0.5, 10.0, 1.0, 2.5)) == "pT 0.5 to 10 GeV, |eta| 1 to 2.5"
    odd = replace(ALL_PARTICLES, min_radius=20.0, pdg=(11, 13), max_hits=8, hard_process_only=True)
    assert str(odd) == ("born at r >= 20 mm, PDG 11, 13, hits <= 8, neutral too, hard process")
    assert str(replace(ALL_PARTICLES, charged_only=True)) == "all charged particles"


def test_what_the_event_does_not_tell_is_refused() -> None:
    particles = replace(summary(None), pdg=np.zeros(len(CROWD), np.int32))
    with pytest.raises(InputError, match=r"event000000007: its particles have no PDG codes"):
        Selection(pdg=(13,)).mask(particles)
    with pytest.raises(InputError, match=r"event000000007: does not tell .* hard process"):
        Selection(hard_process_only=True).mask(particles)


def test_hits_and_edges_of_selected_particles(tiny_event: Event) -> None:
    """Noise is of no particle, and an edge needs both ends on one."""
    assert tiny_event.truth is not None
    particle_id = tiny_event.truth.particle_id
    one = int(particle_id[particle_id > 0][0])
    rows, others = np.flatnonzero(particle_id == one), np.flatnonzero(particle_id == 0)
    assert selected_hits(tiny_event, ALL_PARTICLES).tolist() == (particle_id != 0).tolist()
    edges = np.array([[rows[0], rows[0], others[0]], [rows[1], others[0], others[1]]])
    assert selected_edges(tiny_event, edges, ALL_PARTICLES).tolist() == [True, False, False]


def test_the_truth_of_a_recipe_selects_its_targets() -> None:
    """Keys as in recipes and pipelines of earlier versions."""
    old = {"min_pt": 0.5, "min_hits": 4, "primary_only": True, "skip_edges": "fake"}
    truth = parse(TruthSettings, old, "truth")
    expected = Selection(min_pt=0.5, max_abs_eta=None, min_hits=4, primary_only=True)
    np.testing.assert_array_equal(truth.mask(summary()), expected.mask(summary()))
    assert TruthSettings().mask(summary()).tolist() == TARGETS.mask(summary()).tolist()
    with pytest.raises(SettingsError, match=r"truth\.max_pt: 1 GeV is not above min_pt, 2"):
        parse(TruthSettings, {"min_pt": 2.0, "max_pt": 1.0}, "truth")


# ---------------------------------------------------------------- the hard process


def made(hard: str, gun: object = None) -> dict[str, object]:
    return {"settings": {"hard": hard, "gun": gun, "field": "solenoid"}}


@pytest.mark.parametrize(
    ("note", "collision"),
    [
        (made("ttbar"), 1),
        (made("none", {"particles": 5}), 1),
        (made("none"), None),  # pile-up only
        (None, None),
    ],
)
def test_the_store_tells_the_hard_process(
    tiny_event: Event, note: dict[str, object] | None, collision: int | None, tmp_path: Path
) -> None:
    write_event(tiny_event, tmp_path, note)
    (source,) = list_events([tmp_path])
    event = source.read()
    assert event.hard_collision == collision
    write_event(event, tmp_path / "again")  # as `hitgraph convert` does
    assert read_event(tmp_path / "again" / event.name).hard_collision == collision


def test_csv_alone_does_not_tell_the_hard_process(tiny_event: Event, tmp_path: Path) -> None:
    write_trackml(replace(tiny_event, hard_collision=1), tmp_path)
    event = read_event(tmp_path / tiny_event.name)
    with pytest.raises(InputError, match="does not tell which particles are of the hard process"):
        selected_hits(event, Selection(hard_process_only=True))
    write_dataset_info(tmp_path, made("ttbar"))  # as `hitgraph convert` leaves beside them
    assert read_event(tmp_path / tiny_event.name).hard_collision == 1


def test_particles_of_the_hard_process_are_those_of_its_collision(tiny_event: Event) -> None:
    assert tiny_event.particles is not None
    n = len(tiny_event.particles)
    ids = np.where(np.arange(n) < 3, FIRST, SECOND) + np.arange(n)
    event = replace(
        tiny_event,
        particles=replace(tiny_event.particles, particle_id=ids),
        hard_collision=1,
    )
    hard = replace(ALL_PARTICLES, hard_process_only=True).mask(summarise_particles(event))
    assert hard.tolist() == [True] * 3 + [False] * (n - 3)
