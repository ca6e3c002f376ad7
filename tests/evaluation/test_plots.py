"""Figures by what they show: axes, labels and data, not pixels."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest

from hitgraph.evaluation import evaluate, truth_labels
from hitgraph.evaluation.edges import SCORE_EDGES, ScoreHistogram
from hitgraph.evaluation.metrics import Metrics
from hitgraph.evaluation.run_summary import RunSummary, StageSummary
from hitgraph.event.event import Event

pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")

from matplotlib.colors import to_hex
from matplotlib.text import Text

from hitgraph.evaluation import plots
from hitgraph.evaluation.style import BLUE, INK, png, svg

EventMaker = Callable[..., Event]


@pytest.fixture(scope="module")
def columns(straight_event: EventMaker) -> dict[str, Metrics]:
    """All particles found, and all but the first, which is alone in its bins."""
    event = straight_event([6, 8, 10, 10], noise=3, pt=[0.6, 2.3, 2.3, 2.3], eta=[-1, 1, 1, 1])
    all_found = truth_labels(event)
    less = np.where(all_found == 0, -1, all_found)
    return {"full": evaluate(event, all_found), "part": evaluate(event, less)}


def legend_of(figure: plots.Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def points(container: object) -> dict[float, float]:
    line = container[0]  # type: ignore[index]
    return dict(zip(*(np.round(data, 6).tolist() for data in line.get_data()), strict=True))


def test_efficiency_against_pt(columns: dict[str, Metrics]) -> None:
    figure = plots.efficiency_figure(columns, "pt")
    top, bottom = figure.axes
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("efficiency", "particles / event")
    assert bottom.get_xlabel() == r"particle $p_\mathrm{T}$ [GeV]"
    assert bottom.get_xscale() == "log"
    assert bottom.get_xlim() == (0.56, 2.5)  # the bins of 0.6 and 2.3 GeV are the ends
    assert legend_of(figure) == [
        f"{name}, {kind}" for name in ("full", "part") for kind in ("technical", "physics")
    ]
    full, _, part, _ = top.containers
    low, high = np.sqrt(0.56 * 0.63), np.sqrt(2.24 * 2.5)  # middles of the two bins with particles
    assert points(full) == {round(low, 6): 1.0, round(high, 6): 1.0}
    assert points(part) == {round(low, 6): 0.0, round(high, 6): 1.0}


def test_error_bars_are_the_intervals(columns: dict[str, Metrics]) -> None:
    figure = plots.efficiency_figure(columns, "eta")
    container = figure.axes[0].containers[0]
    curve = columns["full"].matchings["double majority"].curves["technical efficiency vs eta"]
    low, high = curve.interval
    full = np.array(curve.total) > 0
    _, vertical = container[2]
    ends = np.array(vertical.get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, np.stack([low[full], high[full]], axis=1))


def test_particles_below_are_those_of_the_denominator(columns: dict[str, Metrics]) -> None:
    figure = plots.efficiency_figure(columns, "eta")
    selected, reconstructable = figure.axes[1].patches
    values = selected.get_data().values
    assert values.sum() == 4
    np.testing.assert_array_equal(values, reconstructable.get_data().values)


@pytest.mark.parametrize("variable", ["pt", "eta", "radius"])
def test_every_efficiency_figure_is_labelled(
    columns: dict[str, Metrics], variable: plots.Variable
) -> None:
    figure = plots.efficiency_figure(columns, variable)
    assert figure.axes[1].get_xlabel() == plots.AXIS_LABELS[variable]
    low, high = figure.axes[0].get_ylim()
    assert 0 <= low < high == pytest.approx(1.02)


def test_purity(columns: dict[str, Metrics]) -> None:
    figure = plots.purity_figure(columns, "length")
    assert figure.axes[0].get_ylabel() == "purity"
    assert figure.axes[1].get_xlabel() == "hits on the track"
    assert points(figure.axes[0].containers[0]) == {6.0: 1.0, 8.0: 1.0, 10.0: 1.0}
    assert points(figure.axes[0].containers[1]) == {8.0: 1.0, 10.0: 1.0}


def test_track_lengths(columns: dict[str, Metrics]) -> None:
    figure = plots.length_figure(columns)
    particles, full, part = figure.axes[0].patches
    assert legend_of(figure) == ["selected particles", "full", "part"]
    np.testing.assert_array_equal(particles.get_data().values, full.get_data().values)
    assert part.get_data().values.sum() == 3
    assert figure.axes[0].get_xlabel() == "hits"


def test_timing_bars_follow_each_other() -> None:
    stages = tuple(StageSummary(name, s, {}, None) for name, s in (("graph", 1.0), ("gnn", 2.5)))
    figure = plots.timing_figure({"one": RunSummary("p", 3, stages)})
    (axes,) = figure.axes
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert bars == [(0.0, 1.0), (1.0, 2.5)]
    assert legend_of(figure) == ["graph", "gnn"]
    assert [text.get_text() for text in axes.texts] == ["3.5 s"]
    assert axes.get_xlabel() == "wall time / event [s]"


def test_a_colour_stays_with_its_pipeline() -> None:
    """Also where the pipeline before has no run: a stage is a shade."""
    stages = tuple(StageSummary(name, 1.0, {}, None) for name in ("graph", "gnn"))
    (axes,) = plots.timing_figure({"none": None, "one": RunSummary("p", 3, stages)}).axes
    assert {to_hex(bar.get_facecolor()) for bar in axes.patches} == {plots.COLOURS[1].lower()}
    assert len({bar.get_alpha() for bar in axes.patches}) == 2
    histogram = ScoreHistogram((0.0, 0.5, 1.0), (1, 2), (2, 1))
    _, right = plots.score_figure({"none": None, "one": histogram}).axes
    assert [line.get_color() for line in right.lines] == [plots.COLOURS[1]]


def test_scores_and_roc() -> None:
    counts = np.arange(96)
    histogram = ScoreHistogram(SCORE_EDGES, tuple(counts.tolist()), tuple(counts[::-1].tolist()))
    figure = plots.score_figure({"one": histogram})
    left, right = figure.axes
    true, fake = left.patches
    np.testing.assert_allclose(true.get_data().values, counts / counts.sum())
    np.testing.assert_allclose(fake.get_data().values, counts[::-1] / counts.sum())
    assert (left.get_yscale(), right.get_xscale()) == ("log", "log")
    kept_fake, kept_true = right.lines[0].get_data()
    assert (kept_fake[0], kept_true[0]) == (1.0, 1.0)
    assert (np.diff(kept_fake) <= 0).all()
    assert f"area {histogram.area:.4f}" in right.lines[0].get_label()


def test_empty_events_can_be_drawn(straight_event: EventMaker) -> None:
    event = straight_event([], noise=3)
    columns = {"none": evaluate(event, truth_labels(event))}
    for figure in (
        plots.efficiency_figure(columns, "pt"),
        plots.purity_figure(columns, "eta"),
        plots.length_figure(columns),
        plots.score_figure({"none": ScoreHistogram((0.0, 0.5, 1.0), (0, 0), (0, 0))}),
    ):
        assert svg(figure, "empty", "").startswith("<svg")


def test_svg_takes_the_colours_of_the_page(columns: dict[str, Metrics]) -> None:
    text = svg(plots.length_figure(columns), "f1", 'lengths of "tracks" & <particles>')
    assert INK not in text
    assert "currentColor" in text
    assert BLUE.lower() not in text
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'lengths of "tracks" & <particles>'
    assert root.get("width") is None
    assert root.get("viewBox")
    assert text == svg(plots.length_figure(columns), "f1", 'lengths of "tracks" & <particles>')


def test_png_is_one(columns: dict[str, Metrics]) -> None:
    assert png(plots.length_figure(columns)).startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.parametrize("name", ["$\\foo$", "a$b", "$", "_hidden", "50%\\", "{x}^2", "\\$a$"])
def test_names_of_folders_are_shown_as_they_are(columns: dict[str, Metrics], name: str) -> None:
    stage = StageSummary("gnn", 0.5, {}, None)
    run = RunSummary(name, 1, (stage,))
    counts = (1,) * (len(SCORE_EDGES) - 1)
    histogram = ScoreHistogram(SCORE_EDGES, counts, counts)
    two = {name: columns["full"], "other": columns["part"]}
    figures = [
        plots.efficiency_figure(two, "pt"),
        plots.length_figure(two),
        plots.timing_figure({name: run}),
        plots.score_figure({name: histogram}),
    ]
    for figure in figures:
        assert svg(figure, "f1", name).startswith("<svg")  # it could be drawn
    shown = [text.get_text() for figure in figures for text in figure.findobj(Text)]
    assert sum(name in text.replace(r"\$", "$") for text in shown) >= 5
