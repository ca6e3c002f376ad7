"""The HTML page: complete, self-contained, and honest about what is missing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hitgraph.evaluation import edge_truth, score_histogram, truth_labels
from hitgraph.evaluation.comparison import Problem, compare
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.store import write_event
from hitgraph.event.trackml import write_submission
from hitgraph.event.truth import true_edges

pytest.importorskip("mplhep", reason="the extra 'plot' is not installed")
pytest.importorskip("jinja2", reason="the extra 'plot' is not installed")

from hitgraph.evaluation.report import write_report

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
    content = {"pipeline": "quickstart", "events": [{"event": event.name, "stages": stages}]}
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
        "Stages of one (quickstart)",
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


def test_figures_do_not_take_each_others_names(written: tuple[str, list[Problem]]) -> None:
    page = Page(written[0])
    own = [name for name in page.ids if re.fullmatch(r"p[0-9a-f]{10}|figure-.*", name)]
    assert len(own) == len(set(own)) > 10
