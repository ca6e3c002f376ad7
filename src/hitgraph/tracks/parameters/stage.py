"""The helix fit as a stage, and what it finds as the table that files hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.event.field import MagneticField, solenoid
from hitgraph.event.fits import FittedTracks, field_at_beam_line
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_at_least
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import CLUSTERS, HITS, LABELS, State
from hitgraph.tensors import refuse_others
from hitgraph.tracks.parameters import HOPELESS, fit_tracks
from hitgraph.tracks.parameters.measured import FitSettings, Modules

PARAMETERS, COVARIANCE, CHI2, NDF, FIELD = (
    f"track.{name}" for name in ("parameters", "covariance", "chi2", "ndf", "field")
)
PULL = "hit.pull"


@dataclass(frozen=True)
class HelixFitSettings(StageSettings):
    """Parameters of each track at the beam line with their covariance, from a helix fit."""

    clusters: bool | None = None  # extent tells errors, else pitch; null: where there are cells
    support: float = 7.0  # material of a layer beside its modules, in units of theirs, by pulls
    pipe: float | None = None  # radiation lengths of the beam pipe; null: as the detector tells
    pipe_radius: float | None = None  # mm; the same
    iterations: int = 3  # fits, each about what the last one found
    steps: int = 3  # through the field from one hit to the next

    gives: ClassVar[frozenset[str]] = frozenset({PARAMETERS, COVARIANCE, CHI2, NDF, FIELD, PULL})

    def __post_init__(self) -> None:
        check_at_least(self, support=0, iterations=1, steps=1)
        if (self.pipe is None) != (self.pipe_radius is None):
            raise SettingsError("pipe, pipe_radius: give both or none")
        if self.pipe is not None:
            check_at_least(self, pipe=0, pipe_radius=0)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({HITS, LABELS, *([] if self.clusters is False else [CLUSTERS])})

    def settled(self, cells: bool) -> "HelixFitSettings":
        return replace(self, clusters=cells) if self.clusters is None else self

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "HelixFit":
        refuse_others(tensors, [])
        modules = Modules.of(context.detector, self.support, context.device)
        field = context.detector.field
        if field is None and not context.detector.is_generic:
            raise InputError(
                "field: a helix fit needs the magnetic field, which nothing tells: say it beside "
                'the training events in dataset.json, {"settings": {"field": "constant:2"}}'
            )
        return HelixFit(context, self, modules, solenoid() if field is None else field)

    def learn(
        self,
        context: Context,
        material: Material,  # noqa: ARG002
        workshop: Workshop,  # noqa: ARG002
    ) -> "HelixFit":
        return self.load(context, {})


@dataclass(frozen=True, eq=False)
class HelixFit:
    """Ready to run."""

    context: Context
    settings: HelixFitSettings
    modules: Modules
    field: MagneticField

    def __call__(self, state: State) -> State:
        assert state.labels is not None
        one = self.settings
        radius, pipe = self.context.detector.known_pipe
        if one.pipe is not None and one.pipe_radius is not None:
            radius, pipe = one.pipe_radius, one.pipe
        settings = FitSettings(one.iterations, one.steps, pipe, radius)
        backend = self.context.backend
        fit = fit_tracks(state.hits, state.labels, self.field, self.modules, settings, backend)
        field = torch.from_numpy(field_at_beam_line(self.field, fit.parameters.cpu().numpy()))
        own = {
            "parameters": fit.parameters,
            "covariance": fit.covariance,
            "chi2": fit.chi2,
            "ndf": fit.ndf,
            "field": field.to(state.device),
        }
        return replace(state.with_hit(pull=fit.pull), track={**state.track, **own})

    def tensors(self) -> dict[str, Tensor]:
        return {}


def fitted_tracks(state: State, track_id: NDArray[np.int64] | None = None) -> FittedTracks:
    """The tracks of at least three hits whose fit converged.

    track_id (n_tracks,) is the label of each where none is given.
    """
    found = {name: column.cpu().numpy() for name, column in state.track.items()}
    good = (found["ndf"] > 0) & (found["chi2"] < HOPELESS)
    return FittedTracks(
        track_id=(np.arange(len(good)) if track_id is None else track_id)[good],
        n_measurements=(found["ndf"][good] + found["parameters"].shape[1]) // 2,
        **{
            name: found[name][good] for name in ("chi2", "ndf", "field", "parameters", "covariance")
        },
    )
