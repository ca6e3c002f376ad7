"""The line through each hit that most others agree with, as columns for the networks behind it.

What the transformer is told by itself (hitgraph.gnn.transformer.lines), for other networks: hits
of a track have the same bend, direction and beginning, so that they lie together before anything is
learnt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.transformer.attention import Windows, hits_in_window
from hitgraph.gnn.transformer.lines import Search, arc, best_lines
from hitgraph.gnn.transformer.orders import by_azimuth
from hitgraph.hits.columns import POSITION_FEATURES
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above, check_not_empty
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, State
from hitgraph.tensors import refuse_others

MIN_ANGLE_COS = 1e-3  # of a line along the beam
BEND_OF_PT = 0.3e-3  # 1 / mm of half a curvature, for 1 GeV in 2 T


@dataclass(frozen=True)
class LinesSettings(StageSettings):
    """Columns of hits: the helix from the beam line that most hits near each agree with."""

    window: float = 0.015  # share of the hits, neighbours in azimuth, that see twice as many
    min_pt: float = 0.6  # GeV in 2 T, of the helices that are looked for
    max_z: float = 200.0  # mm, of these at the beam line
    phi_error: float = 7e-4  # rad, within which hits agree
    z_error: float = 0.2  # mm, the same
    turns: tuple[int, ...] = (1, 4, 16)  # sines and cosines of so many times the first azimuth

    paper: ClassVar[str] = "2103.06995"
    needs: ClassVar[frozenset[str]] = frozenset({HITS})

    def __post_init__(self) -> None:
        check_above(self, min_pt=0, max_z=0, phi_error=0, z_error=0)
        check_not_empty(self, "turns")
        if not 0 < self.window <= 1:
            raise SettingsError(f"window: {self.window} is not in (0, 1]")

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(f"hit.{name}" for name in column_names(self.turns))

    def columns(self, position: Tensor) -> dict[str, Tensor]:
        """(n_hits,) float32 each by name, of hits (n_hits, 3) r, phi, z in mm and rad."""
        search = Search(BEND_OF_PT / self.min_pt, self.max_z, self.phi_error, self.z_error)
        window = hits_in_window(self.window, len(position))
        return line_columns(position, window, search, self.turns)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "LinesStage":
        refuse_others(tensors, [])
        return LinesStage(context, self)

    def learn(
        self,
        context: Context,
        material: Material,  # noqa: ARG002
        workshop: Workshop,  # noqa: ARG002
    ) -> "LinesStage":
        return LinesStage(context, self)


@dataclass(frozen=True, eq=False)
class LinesStage:
    """Ready to run."""

    context: Context
    settings: LinesSettings

    def __call__(self, state: State) -> State:
        return state.with_hit(**self.settings.columns(state.hits.take(POSITION_FEATURES)))

    def tensors(self) -> dict[str, Tensor]:
        return {}


def column_names(turns: tuple[int, ...]) -> tuple[str, ...]:
    """Of the columns below."""
    waves = (f"line_{wave}_{turn}" for turn in turns for wave in ("cos", "sin"))
    return ("line_bend", "line_eta", "line_z", "line_votes", *waves)


def line_columns(
    position: Tensor, window: int, search: Search, turns: tuple[int, ...]
) -> dict[str, Tensor]:
    """(n_hits,) each, of hits (n_hits, 3) r, phi, z in mm and rad.

    Half the curvature (1 / m), pseudorapidity, z at the beam line (mm), the logarithm of the votes,
    and waves of the azimuth at the beam line.
    """
    r, phi, z = position.unbind(dim=1)
    lines = best_lines(position, Windows.of(by_azimuth(position), window), search)
    slope = lines.angle.sin() / lines.angle.cos().clamp_min(MIN_ANGLE_COS)
    begins = phi - (r * lines.bend).clamp(-1, 1).asin()
    at_beam = z - arc(r, lines.bend) * slope
    waves = [wave(turn * begins) for turn in turns for wave in (torch.cos, torch.sin)]
    bounded = at_beam.clamp(-search.max_z, search.max_z)
    columns = (1000 * lines.bend, slope.asinh(), bounded, lines.votes.log1p(), *waves)
    return dict(zip(column_names(turns), columns, strict=True))
