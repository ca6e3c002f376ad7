"""A recipe: every setting of a pipeline and of its training, one YAML file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hitgraph.errors import SettingsError
from hitgraph.gnn.inputs import EDGE_INPUTS, FILTER_LOGIT
from hitgraph.gnn.interaction import InteractionSettings
from hitgraph.graph.filter import FilterSettings
from hitgraph.graph.radius.embedding import EmbeddingSettings
from hitgraph.graph.scored.tables import ScoredSettings
from hitgraph.graph.triplets import SUPPORT, TripletSettings
from hitgraph.graph.windows import WindowSettings
from hitgraph.hits import FEATURES, POSITION_FEATURES
from hitgraph.lessons.settings import DataSettings, TrainingSettings, TruthSettings
from hitgraph.pairs import pair_feature_names
from hitgraph.settings import choice, parse, read_yaml
from hitgraph.tracks import TRACK_BUILDERS
from hitgraph.tracks.join import JoinSettings

UNMIRRORED = ("geta", "gphi")  # hit features whose mirror image cannot be computed


@dataclass(frozen=True)
class RadiusStage:
    """Candidate edges: pairs of hits within a radius in a learnt space."""

    network: EmbeddingSettings
    training: TrainingSettings
    target_efficiency: float = 0.98  # of true edges within the radius, on validation events
    max_neighbours: int | None = None  # nearest ones kept a hit
    random_epochs: int = 1  # epochs with random pairs only, before hard negatives are mined

    def __post_init__(self) -> None:
        _check_efficiency(self.target_efficiency)
        _refuse_checkpointing(self.training)
        if self.max_neighbours is not None and self.max_neighbours < 1:
            raise SettingsError(
                f"max_neighbours: {self.max_neighbours} is not allowed, at least 1 or null for all"
            )
        if self.random_epochs < 0:
            raise SettingsError(f"random_epochs: {self.random_epochs} is not allowed, at least 0")


@dataclass(frozen=True)
class FilterStage:
    """Candidate edges scored one by one; those below a cut go."""

    network: FilterSettings
    training: TrainingSettings
    target_efficiency: float = 0.98  # of true edges entering that pass, on validation events
    batches_per_event: int = 12  # optimiser steps on each event an epoch

    def __post_init__(self) -> None:
        _check_efficiency(self.target_efficiency)
        _refuse_checkpointing(self.training)
        if self.batches_per_event < 1:
            raise SettingsError(
                f"batches_per_event: {self.batches_per_event} is not allowed, at least 1"
            )


@dataclass(frozen=True)
class TripletStage:
    """Edges judged by the edges that continue them; those below a cut go."""

    network: TripletSettings
    training: TrainingSettings  # of either network
    target_efficiency: float = 0.99  # of true edges entering that pass, on validation events
    skip_weight: float = 0.1  # in the loss, of two hits of a particle that are not neighbours
    events: int = 16  # training events to learn from, at most
    rows_per_event: int = 600_000  # triplets, and then edges, taken at random from each of them

    def __post_init__(self) -> None:
        _check_efficiency(self.target_efficiency)
        _refuse_checkpointing(self.training)
        _refuse_trackml_weights(self.training)
        if not 0 <= self.skip_weight <= 1:
            raise SettingsError(f"skip_weight: {self.skip_weight} is not in [0, 1]")
        for key in ("events", "rows_per_event"):
            if getattr(self, key) < 1:
                raise SettingsError(f"{key}: {getattr(self, key)} is not allowed, at least 1")


@dataclass(frozen=True)
class GnnStage:
    """The graph neural network that scores the edges the filter kept."""

    network: InteractionSettings
    training: TrainingSettings
    target_efficiency: float = 0.99  # of true edges entering that pass, on validation events
    hit_inputs: tuple[str, ...] = ("r", "z")
    edge_inputs: tuple[str, ...] = (FILTER_LOGIT,)
    sectors: int = 1  # train on this many phi sectors of an event, one a step
    reflect: bool = False  # train on phi and z mirror images at random

    def __post_init__(self) -> None:
        _check_efficiency(self.target_efficiency)
        _check_names("hit_inputs", self.hit_inputs, FEATURES)
        _check_names("edge_inputs", self.edge_inputs, EDGE_INPUTS)
        if self.sectors < 1:
            raise SettingsError(f"sectors: {self.sectors} is not allowed, at least 1")
        unmirrored = [name for name in self.hit_inputs if name in UNMIRRORED]
        if self.reflect and unmirrored:
            raise SettingsError(
                f"hit_inputs: {unmirrored[0]!r} has no mirror image (a cluster does not show the "
                "signs of its direction): leave it out, or set reflect: false"
            )


@dataclass(frozen=True)
class JoinStage:
    """Tracks that are parts of one particle joined, after the track builder."""

    network: JoinSettings
    training: TrainingSettings

    def __post_init__(self) -> None:
        _refuse_checkpointing(self.training)
        _refuse_trackml_weights(self.training)


GRAPH_STAGES: dict[str, type] = {
    "windows": WindowSettings,
    "radius": RadiusStage,
    "scored": ScoredSettings,
}
TRACK_STAGES: dict[str, type] = {name: cls for name, (cls, _) in TRACK_BUILDERS.items()}


@dataclass(frozen=True)
class Recipe:
    """A whole pipeline: hits -> candidate edges -> filters -> graph network -> tracks."""

    name: str
    description: str
    seed: int
    data: DataSettings
    truth: TruthSettings
    gnn: GnnStage
    graph: ScoredSettings | WindowSettings | RadiusStage = field(
        metadata=choice("builder", GRAPH_STAGES)
    )
    tracks: Any = field(metadata=choice("builder", TRACK_STAGES))
    filter: FilterStage | None = None  # the builder scored may do without, its edges have a score
    triplets: TripletStage | None = None  # no edge is judged by others without it
    join: JoinStage | None = None  # nothing is joined without it
    clusters: bool = True  # use the cluster-shape features; events need cells

    @property
    def hit_features(self) -> tuple[str, ...]:
        return FEATURES if self.clusters else POSITION_FEATURES

    @property
    def pair_features(self) -> tuple[str, ...]:
        return pair_feature_names(self.clusters)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"seed: {self.seed} is not allowed, 0 to {2**32 - 1}")
        if self.filter is None and not isinstance(self.graph, ScoredSettings):
            raise SettingsError("filter: is missing; only graph.builder scored may do without")
        available = (*self.hit_features, *self.pair_features, FILTER_LOGIT)
        for key in ("hit_inputs", "edge_inputs"):
            for name in getattr(self.gnn, key):
                if name in SUPPORT and self.triplets is None:
                    raise SettingsError(f"gnn.{key}: {name!r} needs the section triplets")
                if name not in (*available, *SUPPORT):
                    raise SettingsError(f"gnn.{key}: {name!r} needs clusters: true")
        if not isinstance(self.graph, RadiusStage) and self.graph.cluster_shape > self.clusters:
            raise SettingsError("graph.cluster_shape: true needs clusters: true")


def read_recipe(name: str | Path) -> Recipe:
    """Read and check a recipe file. Raises InputError or SettingsError naming file and key."""
    path = Path(name)
    try:
        return parse(Recipe, read_yaml(path))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def _check_efficiency(value: float) -> None:
    if not 0 < value <= 1:
        raise SettingsError(f"target_efficiency: {value} is not in (0, 1]")


def _refuse_checkpointing(training: TrainingSettings) -> None:
    if training.checkpointing:
        raise SettingsError(
            "training.checkpointing: true is not allowed here, only under gnn, the network that "
            "fills the memory"
        )


def _refuse_trackml_weights(training: TrainingSettings) -> None:
    if training.trackml_weights:
        raise SettingsError("training.trackml_weights: true is allowed under filter and gnn only")


def _check_names(key: str, names: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for name in names:
        if name not in allowed:
            raise SettingsError(f"{key}: {name!r} is not allowed; any of {', '.join(allowed)}")
