"""How figures look, and how they get into an HTML page. Needs the extra `plot`."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from hitgraph.errors import MissingExtraError, SettingsError
from hitgraph.evaluation.colours import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    OLIVE,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
)

try:
    import matplotlib as mpl
    import mplhep  # its import also registers the fonts
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
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
    "Patch",
    "experiment_style",
    "legend_above",
    "mplhep",
    "new_figure",
    "plain_text",
    "png",
    "put_label",
    "save",
    "styled",
    "svg",
]

INK = "#1a1f26"
"""Text and axes; becomes the text colour of the page in SVG, so that dark pages work."""
COLOURS = (BLUE, ORANGE, GREEN, SKY, OLIVE, BROWN)
"""Of pipelines, in all figures of a report; vermilion is what was missed, purple what is fake."""
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


_experiment: ContextVar[dict[str, Any]] = ContextVar("experiment", default={})  # noqa: B039


@contextmanager
def styled() -> Iterator[None]:
    """The project's figure style and that of the experiment, for the time of a `with` block."""
    with mpl.rc_context(_STYLE | _experiment.get()):
        yield


@contextmanager
def experiment_style(style: str | None) -> Iterator[None]:
    """Inside it figures look as the style of an experiment says: fonts, ticks, lines.

    `style` is a name of mplhep (ATLAS, CMS, LHCb, ALICE ...) or a file as matplotlib reads; sizes
    and colours stay ours, so that figures fit pages and colours keep their meaning. Raises
    SettingsError where it is neither.
    """
    token = _experiment.set({} if style is None else _settings_of(style))
    try:
        yield
    finally:
        _experiment.reset(token)


def _settings_of(style: str) -> dict[str, Any]:
    known = {name: one for name, one in vars(mplhep.style).items() if isinstance(one, dict)}
    known = {name: one for name, one in known.items() if name[0].isupper()}
    if style in known:
        found = known[style]
    elif Path(style).is_file():
        found = dict(mpl.rc_params_from_file(style, use_default_template=False))
    else:
        names = ", ".join(sorted(known))
        raise SettingsError(
            f"--style {style}: is no file and no style of mplhep, which has {names}"
        )
    ours = ("figure.", "savefig.", "svg.", "axes.prop_cycle")
    return {
        key: value
        for key, value in found.items()
        if not key.startswith(ours) and not key.endswith("color")
    }


def put_label(figure: Figure, label: str) -> None:
    """Write an experiment's label above the first axes: its first word bold, as mplhep does."""
    experiment, _, text = label.partition(" ")
    with styled():
        size = 1.1 * mpl.rcParams["font.size"]
        mplhep.label.exp_text(experiment, text, loc=0, ax=figure.axes[0], fontsize=size)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, without any window behind it.

    It grows with the letters of an experiment's style, so that figures keep their proportions.
    """
    scale = _experiment.get().get("font.size", _STYLE["font.size"]) / _STYLE["font.size"]
    return Figure(figsize=(scale * width, scale * height), layout="constrained")


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
    save(figure, buffer, "png")
    return buffer.getvalue()


def save(figure: Figure, to: Path | io.BytesIO, form: Literal["pdf", "svg", "png"]) -> None:
    """Write the figure, PNG on white; without a date, so that the same figure is the same file."""
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    with styled():
        figure.savefig(
            to,
            format=form,
            facecolor="white" if form == "png" else "none",
            metadata=dates[form],
        )
