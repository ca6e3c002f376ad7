"""An event that one can fly through: one HTML file, or a cell of a notebook."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.event import Event
from hitgraph.files import atomic_write
from hitgraph.viewer.content import DEFAULT, Options, content_of
from hitgraph.viewer.page import page_of

if TYPE_CHECKING:
    from hitgraph.state import State

__all__ = ["Display", "Options", "display"]


@dataclass(frozen=True)
class Display:
    """A page; the last line of a notebook's cell shows it."""

    html: str

    def __repr__(self) -> str:
        return f"<Display: {len(self.html) / 1e6:.1f} MB>"

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 640px; border: 0"></iframe>'

    def save(self, path: str | Path) -> None:
        """Write the page as a file. Raises HitgraphError where it cannot be written."""
        with atomic_write(path) as temporary:
            temporary.write_text(self.html, encoding="utf-8")


def display(
    event: Event,
    tracks: NDArray[np.integer] | Mapping[str, NDArray[np.integer]] | None = None,
    states: "Mapping[str, State] | None" = None,
    options: Options = DEFAULT,
) -> Display:
    """An event in 3D, x-y and r-z, with its modules, its tracks and a pipeline's graphs.

    `tracks` are labels (n_hits,), below zero for hits on no track, or several such by name;
    `states` those of a pipeline after its stages: `pipeline.run(event, keep=["gnn"]).kept`. Raises
    InputError for labels that do not fit.
    """
    by_name = (
        tracks if isinstance(tracks, Mapping) else {} if tracks is None else {"tracks": tracks}
    )
    return Display(page_of([content_of(event, by_name, states or {}, options)]))
