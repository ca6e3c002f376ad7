"""The page in Chromium: loads without a complaint, draws what is there, obeys its controls."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import hitgraph
from browser import CHROMIUM, Browser, browser
from hitgraph.evaluation import truth_labels
from hitgraph.event.event import Event
from hitgraph.hits import Hits
from hitgraph.state import State

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.slow,  # there is no GPU either
]

MIDDLE = (368.0, 425.0)  # of the 3D pane, in pixels


@pytest.fixture(scope="module")
def page(
    make_event: Callable[..., Event], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Event, Browser]]:
    """An event of which one particle is missed, with a chain of edges of rising score."""
    event = make_event(n_particles=8, seed=1)
    labels = truth_labels(event)
    labels[labels == 2] = -1
    n = event.n_hits
    hits = Hits(torch.zeros(n, 0), torch.zeros(n, 3), *torch.zeros(2, n, dtype=torch.int64))
    edges = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    scores = torch.linspace(0.01, 0.99, n - 1)
    states = {"gnn": State(hits).with_edges(edges, logit=torch.logit(scores))}
    folder = tmp_path_factory.mktemp("display")
    hitgraph.display(event, {"mine": labels}, states).save(folder / "page.html")
    with browser(folder / "profile") as chromium:
        chromium.open(folder / "page.html")
        yield event, chromium


def test_all_is_drawn_and_sliders_cut(page: tuple[Event, Browser]) -> None:
    event, chromium = page
    n = event.n_hits
    assert chromium.problems == []
    chromium.set("score", 0)
    drawn = chromium.drawn()
    assert drawn["hits"] == n
    assert drawn["edges"] == n - 1
    assert drawn["found"] == 7
    chromium.set("score", 100)  # 0.5
    scores = np.rint(255 * np.linspace(0.01, 0.99, n - 1)) / 256
    assert chromium.drawn()["edges"] == (scores >= 0.5).sum()
    chromium.set("true-edges", False)
    chromium.set("false-edges", False)
    assert chromium.drawn()["edges"] == 0
    chromium.set("pt", 100)  # 5 GeV
    assert chromium.drawn()["hits"] < n
    chromium.set("pt", 0)
    chromium.set("hits", False)
    assert chromium.drawn()["hits"] == 0
    chromium.set("hits", True)
    assert chromium.problems == []


@pytest.mark.parametrize("pane", ["all", "3D", "x-y", "r-z"])
def test_every_view_shows_tracks(page: tuple[Event, Browser], pane: str) -> None:
    """Pixels of the colour of found tracks are there, and gone when these are switched off."""
    _, chromium = page
    chromium.evaluate(f"document.querySelector('[data-pane=\"{pane}\"]').click()")
    shown = blue_pixels(chromium.screenshot())
    chromium.set("found", False)
    hidden = blue_pixels(chromium.screenshot())
    chromium.set("found", True)
    assert shown > hidden + 100


def blue_pixels(png: bytes) -> int:
    """On the canvas, left of the controls."""
    image = pytest.importorskip("matplotlib.image", reason="needs the extra plot")
    pixels = image.imread(io.BytesIO(png))[:, :1150, :3]
    wanted = np.array([0x4B, 0xA6, 0xE3]) / 255
    return int((np.abs(pixels - wanted).max(axis=2) < 0.05).sum())


def test_mouse_and_keys(page: tuple[Event, Browser]) -> None:
    """Dragging, the wheel and keys each change the picture; reset brings it back."""
    _, chromium = page
    chromium.evaluate("document.querySelector('[data-pane=all]').click()")
    chromium.evaluate("document.getElementById('reset').click()")
    first = chromium.screenshot()
    x, y = MIDDLE

    def drag() -> None:
        chromium.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        chromium.mouse("mouseMoved", x + 80, y + 30, button="left", buttons=1)
        chromium.mouse("mouseReleased", x + 80, y + 30, button="left", clickCount=1)
        chromium.mouse("mouseMoved", 5, 845)

    def wheel() -> None:
        chromium.mouse("mouseWheel", x, y, deltaX=0, deltaY=-400)
        chromium.mouse("mouseMoved", 5, 845)

    def fly() -> None:
        chromium.send("Input.dispatchKeyEvent", type="keyDown", code="KeyW", key="w")
        chromium.screenshot()
        chromium.screenshot()
        chromium.send("Input.dispatchKeyEvent", type="keyUp", code="KeyW", key="w")

    for act in (drag, wheel, fly):
        act()
        assert chromium.screenshot() != first, act.__name__
        chromium.evaluate("document.getElementById('reset').click()")
        assert chromium.screenshot() == first, act.__name__
    assert chromium.problems == []


def test_of_many_hits_some_are_left_out_while_the_view_turns(
    make_event: Callable[..., Event], tmp_path: Path
) -> None:
    """And all are drawn when it rests."""
    path = tmp_path / "many.html"
    hitgraph.display(make_event(n_particles=3, n_noise=25_000, seed=4)).save(path)
    with browser(tmp_path / "profile") as chromium:
        chromium.open(path)
        chromium.screenshot()
        assert chromium.evaluate("document.body.dataset.share") == "1"
        x, y = MIDDLE
        chromium.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        chromium.mouse("mouseMoved", x + 30, y, button="left", buttons=1)
        chromium.screenshot()
        assert 0 < float(chromium.evaluate("document.body.dataset.share")) < 1
        chromium.mouse("mouseReleased", x + 30, y, button="left", clickCount=1)
        assert chromium.wait("document.body.dataset.share === '1'")
        assert chromium.problems == []


def test_pointing_at_a_hit_tells_what_it_is(page: tuple[Event, Browser]) -> None:
    """In x-y a hit stands where its x and y are on the scale of the pane."""
    event, chromium = page
    chromium.evaluate("document.querySelector('[data-pane=x-y]').click()")
    chromium.evaluate("document.getElementById('reset').click()")
    chromium.screenshot()
    width, height = chromium.evaluate(
        "(c => [c.clientWidth, c.clientHeight])(document.getElementById('canvas'))"
    )
    hits = event.hits
    r = np.hypot(hits.x, hits.y)
    row = int(np.argmax(r))
    scale = min(width, height) / 2 / (1.05 * float(r.max()))  # pixels a mm
    chromium.mouse(
        "mouseMoved",
        width / 2 + float(hits.x[row]) * scale,
        height / 2 - float(hits.y[row]) * scale,
    )
    text = chromium.wait("document.getElementById('tip').textContent")
    assert f"hit {hits.hit_id[row]}: volume {hits.volume_id[row]}, " in text
    assert f"layer {hits.layer_id[row]}, module {hits.module_id[row]}" in text
    assert f"r {r[row]:.1f} mm" in text
    assert event.truth is not None
    assert f"particle {event.truth.particle_id[row]} (" in text


def test_in_a_notebook(make_event: Callable[..., Event], tmp_path: Path) -> None:
    """The frame of a cell draws the same page."""
    shown = hitgraph.display(make_event(n_particles=3, seed=2))
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><body>{shown._repr_html_()}</body>", encoding="utf-8")
    with browser(tmp_path / "profile") as chromium:
        chromium.open(
            path, ready="document.querySelector('iframe')?.contentDocument.body?.dataset.drawn"
        )
        assert chromium.problems == []
