"""Numbers as a physicist writes them, and the summary table as rows of text."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hitgraph.evaluation.matching import MATCHINGS, MatchingName
from hitgraph.evaluation.metrics import MatchedMetrics, Metrics, cuts_of
from hitgraph.evaluation.ratio import Ratio
from hitgraph.event.selection import SELECTED, Selection
from hitgraph.text import printable

NOTHING = "-"

MATCHING_TITLES: dict[MatchingName, str] = {
    "double majority": "Double majority",
    "lhc": "LHC (above 75 % of the track)",
    "perfect": "Perfect (the same hits)",
}


@dataclass(frozen=True)
class Row:
    """One line of the summary table."""

    name: str
    cells: tuple[str, ...]  # one a column


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    title: str
    rows: tuple[Row, ...]


def summary(columns: Mapping[str, Metrics]) -> list[Section]:
    """The summary table of several pipelines on the same events."""
    first = next(iter(columns.values()))

    def row(name: str, text: Callable[[Metrics], str]) -> Row:
        return Row(name, tuple(text(metrics) for metrics in columns.values()))

    sections = [
        Section(
            "",
            (
                row("score", lambda m: with_error(m.score, m.score_error)),
                row(
                    "score, primaries",
                    lambda m: with_error(m.score_primaries, m.score_primaries_error),
                ),
                row(
                    f"tracks of at least {first.min_track_hits} {first.counted}",
                    lambda m: str(m.n_tracks),
                ),
                row(
                    f"{first.counted} on tracks",
                    lambda m: percent(Ratio(m.n_hits_on_tracks, m.n_hits)),
                ),
            ),
        )
    ]
    for matching in MATCHINGS:
        cuts = [range_of(cut) for cut in cuts_of(first.selection)]
        rows = [
            row(
                f"{kind} efficiency, {cut}",
                lambda m, k=kind, i=i, n=matching: percent(  # type: ignore[misc]
                    getattr(m.matchings[n].efficiency[i], k)
                ),
            )
            for kind in ("technical", "physics")
            for i, cut in enumerate(cuts)
        ]
        for name, pick in _TRACK_ROWS.items():
            rows.append(
                row(name, lambda m, p=pick, n=matching: percent(p(m.matchings[n])))  # type: ignore[misc]
            )
        sections.append(Section(MATCHING_TITLES[matching], tuple(rows)))
    return sections


def headline(metrics: Metrics) -> tuple[Row, ...]:
    """The numbers that a reader looks for first, of one pipeline."""
    matched = metrics.matchings["double majority"]
    cuts = cuts_of(metrics.selection)
    stiff = min(1, len(cuts) - 1)
    return (
        Row("score", (with_error(metrics.score, metrics.score_error),)),
        Row(
            f"technical efficiency, {range_of(cuts[stiff])}",
            (percent(matched.efficiency[stiff].technical),),
        ),
        Row("fake rate", (percent(matched.fakes),)),
        Row("duplicate rate, LHC", (percent(metrics.matchings["lhc"].duplicates),)),
    )


def heading(metrics: Metrics, preset: str | None) -> str:
    """What the numbers were made on, in one line."""
    n = len(metrics.events)
    events = f"{n} events" if n > 1 else printable(metrics.events[0])
    kind = f" (preset {preset})" if preset else ""
    chosen = "" if metrics.selection == SELECTED else f"particles: {metrics.selection}; "
    return (
        f"{events}{kind}, {metrics.n_hits} {metrics.counted}; {chosen}tracks of at least "
        f"{metrics.min_track_hits} {metrics.counted}; 68 % intervals"
    )


def range_of(selection: Selection) -> str:
    """The range of pT of a selection, as rows of tables name it."""
    if selection.max_pt is None:
        return f"pT > {selection.min_pt:g} GeV"
    return f"pT {selection.min_pt:g} to {selection.max_pt:g} GeV"


def percent(ratio: Ratio) -> str:
    """'97.6 ± 0.3 %', '97.6 +0.2 -0.4 %', or '-' where nothing was counted."""
    if not ratio.total:
        return NOTHING
    low, high = ratio.interval
    up, down = 100 * (high - ratio.value), 100 * (ratio.value - low)
    digits = 1 if max(up, down) >= 0.095 else 2
    value, up_text, down_text = (f"{number:.{digits}f}" for number in (100 * ratio.value, up, down))
    if up_text == down_text:
        return f"{value} ± {up_text} %"
    return f"{value} +{up_text} -{down_text} %"


def with_error(value: float, error: float) -> str:
    """'0.901 ± 0.004', the value alone where the error is unknown, '-' where both are."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.3f}" if math.isnan(error) else f"{value:.3f} ± {error:.3f}"


def _purity(matched: MatchedMetrics) -> Ratio:
    return matched.purity


def _purity_selected(matched: MatchedMetrics) -> Ratio:
    return matched.purity_selected


def _purity_others(matched: MatchedMetrics) -> Ratio:
    return matched.purity_others


def _fakes(matched: MatchedMetrics) -> Ratio:
    return matched.fakes


def _fakes_selected(matched: MatchedMetrics) -> Ratio:
    return matched.fakes_selected


def _duplicates(matched: MatchedMetrics) -> Ratio:
    return matched.duplicates


_TRACK_ROWS: dict[str, Callable[[MatchedMetrics], Ratio]] = {
    "purity": _purity,
    "purity, selected particles only": _purity_selected,
    "purity, other particles only": _purity_others,
    "fake rate (1 - purity)": _fakes,
    "fake rate, majority particle selected": _fakes_selected,
    "duplicate rate": _duplicates,
}
