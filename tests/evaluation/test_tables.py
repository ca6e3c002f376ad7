"""Numbers as text."""

from collections.abc import Callable

import numpy as np

from hitgraph.evaluation import evaluate, truth_labels
from hitgraph.evaluation.ratio import Ratio
from hitgraph.evaluation.tables import heading, percent, summary, with_error
from hitgraph.event.event import Event
from hitgraph.event.selection import Selection

EventMaker = Callable[..., Event]


def test_percentages_show_both_ends_of_the_interval() -> None:
    assert percent(Ratio(0, 0)) == "-"
    assert percent(Ratio(50, 100)) == "50.0 ± 5.5 %"
    assert percent(Ratio(10, 10)) == "100.0 +0.0 -16.8 %"  # 0.1587 ** (1 / 10) = 0.832
    assert percent(Ratio(500_000, 1_000_000)) == "50.00 ± 0.05 %"


def test_errors_are_shown_where_they_are_known() -> None:
    assert with_error(0.9014, 0.0042) == "0.901 ± 0.004"
    assert with_error(0.9014, float("nan")) == "0.901"
    assert with_error(float("nan"), float("nan")) == "-"


def test_summary_has_a_cell_for_every_column(straight_event: EventMaker) -> None:
    event = straight_event([6, 7], noise=2)
    good = evaluate(event, truth_labels(event))
    none = evaluate(event, np.full(event.n_hits, -1))
    sections = summary({"good": good, "none": none})
    assert all(len(row.cells) == 2 for section in sections for row in section.rows)
    score = sections[0].rows[0]
    assert (score.name, score.cells) == ("score", ("1.000", "0.000"))
    score = sections[0].rows[1]
    assert (score.name, score.cells) == ("score, primaries", ("1.000", "0.000"))
    assert sections[0].rows[2].name == "tracks of at least 3 hits"
    double = {row.name: row.cells for row in sections[1].rows}
    assert double["technical efficiency, pT > 0.5 GeV"][1].startswith("0.0 +")
    assert double["purity"] == ("100.0 +0.0 -60.2 %", "-")  # 0.1587 ** (1 / 2) = 0.398
    assert [section.title.split()[0] for section in sections[1:]] == ["Double", "LHC", "Perfect"]


def test_a_selection_is_named_where_it_is_not_the_default(straight_event: EventMaker) -> None:
    event = straight_event([6, 7], pt=[0.3, 2.0])
    chosen = evaluate(event, truth_labels(event), selection=Selection(min_pt=0.2, max_pt=0.4))
    assert "; particles: pT 0.2 to 0.4 GeV, |eta| < 4; " in heading(chosen, None)
    assert "particles:" not in heading(evaluate(event, truth_labels(event)), None)
    names = [row.name for row in summary({"one": chosen})[1].rows]
    assert names[:2] == [
        f"{kind} efficiency, pT 0.2 to 0.4 GeV" for kind in ("technical", "physics")
    ]


def test_heading_names_events_preset_and_minimum(straight_event: EventMaker) -> None:
    event = straight_event([6, 7])
    text = heading(evaluate(event, truth_labels(event), min_track_hits=4), "plain")
    assert text.startswith("event000000001 (preset plain), 13 hits; tracks of at least 4 hits")
