"""What a field other than tracking asks of a result: one line a world (hitgraph simulate --world).

A module named here offers TITLE, of its table; CELLS, whether it looks at cells; `judge`, `combine`
and `rows` as WorldJudge has them.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.tables import Row
from hitgraph.event.event import Event

WORLDS = {
    "hgcal": "hitgraph.evaluation.showers",
    "lartpc": "hitgraph.evaluation.argon",
}


class WorldQuality(Protocol):
    """The results of one event or of several."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""


class WorldJudge(Protocol):
    """A module of WORLDS."""

    TITLE: str
    CELLS: bool

    def judge(
        self, event: Event, labels: NDArray[np.int64], tracks: Path, min_hits: int
    ) -> WorldQuality:
        """Of one event: labels (n_hits,), below 0 = none, as the file `tracks` says, and what may
        stand beside it. Raises InputError where the truth is not of this world."""

    def combine(self, parts: Sequence[Any]) -> WorldQuality:
        """Several events together."""

    def rows(self, columns: Mapping[str, Any]) -> list[Row]:
        """Rows of text, one cell a column."""


def judge_of(world: str | None) -> WorldJudge | None:
    """The judge of a world of that name; None for trackers, and for worlds that have none."""
    if world not in WORLDS:
        return None
    return cast(WorldJudge, importlib.import_module(WORLDS[world]))
