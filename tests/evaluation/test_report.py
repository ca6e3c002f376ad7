"""The HTML page: complete, self-contained, and honest about what is missing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from browser import CHROMIUM, browser
from hitgraph.errors import SettingsError
from hitgraph.evaluation import edge_truth, score_histogram, truth_labels
from hitgraph.evaluation.comparison import Problem, compare
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.store import write_event
from hitgraph.event.trackml import write_submission
from hitgraph.event.truth import true_edges

pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
pytest.importorskip("jinja2", reason="the extra 'plot' is not installed")

import matplotlib as mpl
from matplotlib.text import Text

from hitgraph.evaluation.report import write_report
from hitgraph.evaluation.style import (
    COLOURS,
    INK,
    experiment_style,
    new_figure,
    put_label,
    styled,
)

EventMaker = Callable[..., Event]


class Page(HTMLParser):
    """Tags, texts of headings, and everything that points elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in ("h1", "h2") and data.strip():
            self.headings.append(data.strip())


@pytest.fixture(scope="module")
def event(straight_event: EventMaker) -> Event:
    return straight_event([6, 7, 8, 9], noise=3)


def write_run(folder: Path, event: Event) -> None:
    graph = true_edges(event)
    scores = score_histogram(edge_truth(event), graph, graph[0] / (graph.max() + 1))
    stages = [
        {"name": "graph", "seconds": 0.5, "edges": 26, "efficiency": 1.0, "purity": 0.25},
        {"name": "gnn", "seconds": 1.25, "edges": 20, "scores": scores.to_dict()},
    ]
    made = {"event": event.name, "stages": stages, "threads": 2, "compile_seconds": 0.5}
    content = {"pipeline": "pipelines/quickstart", "events": [made]}
    (folder / "run.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def written(event: Event, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Problem]]:
    """The page about two folders, one with a run.json, one with a broken one; and the problems."""
    folder = tmp_path_factory.mktemp("report")
    write_event(event, folder / "truth")
    for name in ("one", "<two>"):
        write_submission(
            folder / name / f"{event.name}-tracks.csv",
            event.name,
            event.hits.hit_id,
            truth_labels(event) + 1,
        )
    write_run(folder / "one", event)
    (folder / "<two>" / "run.json").write_text("{")
    comparison = compare([folder / "one", folder / "<two>"], list_events([folder / "truth"]))
    problems = write_report(comparison, event, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8"), list(problems)


def test_page_holds_everything(written: tuple[str, list[Problem]], event: Event) -> None:
    text, _ = written
    page = Page(text)
    assert page.headings[1:] == [
        "Summary",
        "Efficiency",
        "Purity",
        "Stages of quickstart",
        "Time and edge scores",
        f"Event display: {event.name}",
        "Definitions",
    ]
    assert page.tags.count("svg") == 4 + 2 + 2 + 2
    assert "tracks of at least 3 hits" in text


def test_numbers_of_the_run_are_there(written: tuple[str, list[Problem]]) -> None:
    text, _ = written
    assert "<td>25.00 %</td>" in text  # purity of the graph
    assert "<td>1.750</td>" in text  # seconds of all stages
    assert "<dd>1.25 s, 2 threads</dd>" in text  # without what kernels took to compile
    assert "In the times of stages are 0.5 s an event in which kernels were compiled" in text


def test_headlines_come_first_and_pipelines_have_their_names(
    written: tuple[str, list[Problem]],
) -> None:
    before, _ = written[0].split("<h2>Summary</h2>")
    names = re.findall("<h3>(.*)</h3>", before)
    assert names == ["quickstart", "&lt;two&gt;"]  # a folder's where no run tells
    assert before.count("<dt>score</dt><dd>1.000</dd>") == 2
    assert "<dt>fake rate</dt><dd>0.0 +" in before
    colours = re.findall("--own: (#[0-9A-Fa-f]+)", before)
    assert colours == list(COLOURS[:2])


def test_folders_tell_one_pipeline_from_itself(event: Event, tmp_path: Path) -> None:
    write_event(event, tmp_path / "truth")
    for name in ("one", "two"):
        path = tmp_path / name / f"{event.name}-tracks.csv"
        write_submission(path, event.name, event.hits.hit_id, truth_labels(event) + 1)
        write_run(tmp_path / name, event)
    comparison = compare([tmp_path / "one", tmp_path / "two"], list_events([tmp_path / "truth"]))
    figures = ("svg", tmp_path / "figures")
    with experiment_style("ATLAS"):
        write_report(comparison, event, tmp_path / "out.html", "GENERIC Simulation", figures)
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert re.findall("<h3>(.*)</h3>", text) == ["quickstart (one)", "quickstart (two)"]
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    curves = ("efficiency-pt", "efficiency-eta", "efficiency-radius", "purity-eta")
    more = ("lengths", "purity-length", "times", "scores-gnn", "display-1", "display-2")
    assert drawn == {f"{name}.svg" for name in (*curves, *more)}


def test_an_experiments_style_leaves_sizes_and_colours() -> None:
    plain = new_figure(6.4, 4.8)
    with experiment_style("CMS"), styled():
        figure = new_figure(6.4, 4.8)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        put_label(figure, "GENERIC Simulation Internal")
        letters = mpl.rcParams["font.size"]
        assert mpl.rcParams["text.color"] == INK
    words = [text.get_text() for text in figure.findobj(Text)]
    assert {"GENERIC", "Simulation Internal"} <= {word.strip() for word in words}
    assert letters > 11
    wider = figure.get_size_inches() / plain.get_size_inches()
    assert wider == pytest.approx([letters / 11] * 2)
    with pytest.raises(SettingsError, match=r"--style NOBODY: is no file and no style of mplhep"):
        experiment_style("NOBODY").__enter__()


def test_a_broken_run_is_reported_and_left_out(written: tuple[str, list[Problem]]) -> None:
    text, (problem,) = written
    assert problem.where == "<two>"
    assert "run.json: is not the summary of a run" in problem.message
    assert "is not the summary of a run" in text


def test_names_are_escaped(written: tuple[str, list[Problem]]) -> None:
    text, _ = written
    assert "&lt;two&gt;" in text
    assert "<two>" not in re.sub("<!--.*?-->", "", text)


def test_page_is_self_contained(written: tuple[str, list[Problem]]) -> None:
    text, _ = written
    page = Page(text)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert not re.search(r"@import|url\((?!#)", text)
    assert "prefers-color-scheme: dark" in text
    assert len(text) < 3_000_000


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_on_a_narrow_screen_only_boxes_in_the_page_scroll_sideways(
    written: tuple[str, list[Problem]], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(written[0], encoding="utf-8")
    with browser(tmp_path / "profile") as chromium:
        chromium.open(path, ready="document.readyState === 'complete'")
        size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        chromium.send("Emulation.setDeviceMetricsOverride", **size)
        assert chromium.wait("document.documentElement.scrollWidth") == 400
        assert chromium.problems == []


def test_figures_do_not_take_each_others_names(written: tuple[str, list[Problem]]) -> None:
    page = Page(written[0])
    own = [name for name in page.ids if re.fullmatch(r"p[0-9a-f]{10}|figure-.*", name)]
    assert len(own) == len(set(own)) > 10
