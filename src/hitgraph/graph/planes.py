"""Where hits lie in the layer that they are on: its own two coordinates, and layers far apart.

For detectors whose layers are views of one volume, as the wire planes of a time projection chamber
are: hits of two layers are no neighbours there, wherever they lie in space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.lessons.material import Material
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, State
from hitgraph.tensors import refuse_others

UNIT = 100.0  # mm
APART = 1000.0  # UNIT, from layer to layer


def in_plane(hits: Hits, detector: Detector) -> Tensor:
    """(n_hits, 2) float32 mm, of the position along the axes u and v of each hit's module."""
    axes = torch.from_numpy(detector.rotation[:, :, :2]).to(hits.position)  # (n_modules, 3, 2)
    return torch.einsum("nk,nka->na", hits.position, axes[hits.module])


@dataclass(frozen=True)
class PlanesSettings(StageSettings):
    """The place of each hit in its layer, for stages that look for neighbours there."""

    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({"hit.place"})

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "Planes":
        refuse_others(tensors, [])
        return Planes(context)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "Planes":  # noqa: ARG002
        return Planes(context)


@dataclass(frozen=True, eq=False)
class Planes:
    """Ready to run."""

    context: Context

    def __call__(self, state: State) -> State:
        """With `hit.place` (n_hits, 3): u, v and layer; UNIT is 1, layers are APART."""
        hits = state.hits
        place = in_plane(hits, self.context.detector) / UNIT
        return state.with_hit(place=torch.cat([place, APART * hits.layer[:, None]], dim=1))

    def tensors(self) -> dict[str, Tensor]:
        return {}
