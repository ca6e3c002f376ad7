"""The regression as a stage behind the helix fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.settings import (
    TrainingSettings,
    check_above,
    refuse_graph_settings,
    refuse_teacher,
    refuse_trackml_weights,
)
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State
from hitgraph.tensors import build_network, learnt_tensors, load_learnt
from hitgraph.tracks.parameters.stage import CHI2, COVARIANCE, NDF, PARAMETERS, PULL
from hitgraph.tracks.regression import (
    RegressionNetwork,
    RegressionNetworkSettings,
    corrected,
    inputs_of,
)


@dataclass(frozen=True)
class RegressionSettings(StageSettings):
    """Fitted parameters of tracks corrected by a network, which knows their covariance too."""

    network: RegressionNetworkSettings = field(  # sizes
        default_factory=RegressionNetworkSettings
    )
    training: TrainingSettings = field(default_factory=TrainingSettings)  # of the network
    max_radius: float = 20.0  # mm from the beam line within which particles that teach are born

    paper: ClassVar[str] = "1910.14215"
    needs: ClassVar[frozenset[str]] = frozenset(
        {HITS, LABELS, PARAMETERS, COVARIANCE, CHI2, NDF, PULL}
    )
    gives: ClassVar[frozenset[str]] = frozenset({PARAMETERS, COVARIANCE})

    def __post_init__(self) -> None:
        refuse_graph_settings(self.training)
        refuse_teacher(self.training)
        refuse_trackml_weights(self.training)
        check_above(self, max_radius=0)

    def build(self) -> RegressionNetwork:
        """The untrained network."""
        return RegressionNetwork(self.network)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "Regression":
        network, _ = load_learnt(self.build, tensors, context.device, self.network)
        return Regression(context, network)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "Regression":
        from hitgraph.tracks.regression.lesson import RegressionLesson, Tracks, together

        def prepared(kind: str, events: Sequence[Read]) -> Tracks:
            return together(
                [
                    workshop.cached(f"{kind}-{k}", partial(self._tracks, read, workshop))
                    for k, read in enumerate(events)
                ]
            )

        tracks, check = (
            prepared("train", material.train),
            prepared("validation", material.validation),
        )
        for kind, found in (("training", tracks), ("validation", check)):
            if len(found["w"]) < 2:
                raise InputError(
                    f"the {kind} events have {len(found['w'])} tracks of charged particles born "
                    f"within {self.max_radius:g} mm of the beam line, from which parameters could "
                    "be learnt: take more events, or a pipeline that finds tracks"
                )
        network = build_network(self.build, self.network)
        network.hit_scale.learn(tracks["hits"])
        network.track_scale.learn(tracks["tracks"])
        lesson = RegressionLesson(workshop.seed, tracks, check)
        workshop.record(workshop.fit(network, lesson, self.training))
        return Regression(context, network)

    def _tracks(self, read: Read, workshop: Workshop) -> dict[str, Tensor]:
        from hitgraph.tracks.regression.lesson import tracks_of

        sample, state = read()
        assert state.labels is not None
        majority = workshop.majority(sample, state.labels)
        return tracks_of(sample, state, majority, self.max_radius)


@dataclass(frozen=True, eq=False)
class Regression:
    """Ready to run."""

    context: Context
    network: RegressionNetwork

    def __call__(self, state: State) -> State:
        inputs = inputs_of(state)
        with self.context.mixed_precision():
            mean, factor = self.network(inputs.hits, inputs.tracks, inputs.track)
        fitted = state.track["parameters"]
        parameters, covariance = corrected(fitted, inputs, mean, factor)
        own = {"parameters": parameters, "covariance": covariance}
        return replace(state, track={**state.track, **own})

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network)
