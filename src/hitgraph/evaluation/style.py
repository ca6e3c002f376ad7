"""How figures look, and how they get into an HTML page. Needs the extra `plot`."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hitgraph.errors import MissingExtraError
from hitgraph.evaluation.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

try:
    import matplotlib as mpl
    import mplhep  # its import also registers the fonts
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator, NullLocator
except ModuleNotFoundError as error:
    raise MissingExtraError("plotting", "plot") from error

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "PURPLE",
    "VERMILION",
    "Axes",
    "Figure",
    "MultipleLocator",
    "NullLocator",
    "legend_above",
    "mplhep",
    "new_figure",
    "plain_text",
    "png",
    "styled",
    "svg",
]

INK = "#1a1f26"
"""Text and axes; becomes the text colour of the page in SVG, so that dark pages work."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
MARKERS = ("o", "s", "^", "D", "v", "P")

_STYLE: Any = {
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "font.size": 11,
    "mathtext.fontset": "custom",
    "mathtext.rm": "TeX Gyre Heros",
    "mathtext.it": "TeX Gyre Heros:italic",
    "mathtext.bf": "TeX Gyre Heros:bold",
    "mathtext.cal": "TeX Gyre Heros",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.labelsize": 12,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "svg.fonttype": "path",
    "svg.hashsalt": "hitgraph",  # else the names in a file are drawn at random
    "figure.dpi": 110,
    "savefig.dpi": 180,
}


@contextmanager
def styled() -> Iterator[None]:
    """The project's figure style, for the time of a `with` block."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, without any window behind it."""
    return Figure(figsize=(width, height), layout="constrained")


def legend_above(
    figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int
) -> None:
    """One legend above the axes, outside the data; its labels are plain text."""
    figure.legend(
        handles,
        [plain_text(label) for label in labels],
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.6,
        borderpad=0.2,
    )


def plain_text(text: str) -> str:
    """The text so that matplotlib shows it as it is: no formula, no label that it leaves out."""
    escaped = text.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element for a page: scales with it and takes its text colour.

    `name` keeps the ids of several figures on one page apart; `description` is read aloud.
    """
    buffer = io.StringIO()
    with styled(), mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor")
    text = text.replace(BLUE.lower(), f"var(--blue, {BLUE})")  # too dark for dark pages
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|id)="[^"]*"', "", head) + f' id="figure-{name}"'
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'{head} role="img" aria-label="{label}">{rest}'


def png(figure: Figure) -> bytes:
    """The figure as a PNG on white."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()
