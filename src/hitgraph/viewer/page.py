"""One HTML file that holds everything: events, programs and style; nothing is loaded."""

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph._version import __version__
from hitgraph.evaluation.colours import GREY, ORANGE, PURPLE, SKY, VERMILION
from hitgraph.event.detector import Detector
from hitgraph.text import printable
from hitgraph.viewer.arrays import packed
from hitgraph.viewer.content import Content, Kind

SCRIPTS = ("data.js", "camera.js", "gl.js", "scene.js", "panes.js", "main.js")
"""In the order in which they stand in a page."""

COLOURS = {
    "page": "#0d1117",
    "white": "#ffffff",
    "blue": "#4ba6e3",  # that of the report on dark pages
    "orange": ORANGE,
    "purple": PURPLE,
    "vermilion": VERMILION,
    "sky": SKY,
    "grey": GREY,
}


def page_of(contents: Sequence[Content]) -> str:
    """The page that shows these events; a table of modules that several have is there once."""
    detectors: list[Detector] = []
    events = [_event(content, detectors) for content in contents]
    data = {
        "events": events,
        "detectors": [_modules(detector) for detector in detectors],
        "kinds": [kind.name.lower() for kind in Kind],
        "colours": COLOURS,
    }
    names = [event["name"] for event in events]
    title = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    style = _text("style.css")
    for name, colour in COLOURS.items():
        style = style.replace("{{" + name + "}}", colour)
    parts = {
        "title": html.escape(title),
        "version": __version__,
        "style": style,
        "script": "\n".join(map(_text, SCRIPTS)),
        "data": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    }
    before, *rest = _text("page.html").split("{{")
    filled = [before]
    for piece in rest:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)


def _event(content: Content, detectors: list[Detector]) -> dict[str, Any]:
    return {
        "name": printable(content.name),
        "judged": content.judged,
        "hits": packed(content.hits),
        "particles": packed(content.particles),
        "tracks": {printable(name): packed(columns) for name, columns in content.tracks.items()},
        "graphs": {name: packed(columns) for name, columns in content.graphs.items()},
        "n_edges": content.n_edges,
        "detector": _number(content.detector, detectors),
    }


def _number(detector: Detector | None, known: list[Detector]) -> int | None:
    """The place of a detector among those of the page, where it is put if it is new."""
    if detector is None:
        return None
    for k, other in enumerate(known):
        if other is detector or other.same_as(detector):
            return k
    known.append(detector)
    return len(known) - 1


def _modules(detector: Detector) -> dict[str, Any]:
    return packed({"corners": corners(detector), "endcap": detector.is_endcap})


def corners(detector: Detector) -> NDArray[np.float64]:
    """(n_modules, 4, 3) mm, corners of each module one after the other around it."""
    low, high, v = detector.min_half_u, detector.max_half_u, detector.half_v
    zero = np.zeros_like(v)
    local = np.array([[-low, -v, zero], [low, -v, zero], [high, v, zero], [-high, v, zero]])
    turned = np.einsum("mij,kjm->mki", detector.rotation, local)
    placed: NDArray[np.float64] = turned + detector.centre[:, None, :]
    return placed


def _text(name: str) -> str:
    return (files("hitgraph.viewer") / name).read_text(encoding="utf-8")
