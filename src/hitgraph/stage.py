"""The contract of a stage, and the tables of all stages and networks that a recipe can name.

A stage is a function of a State with a name for everything it needs and gives. What it has learnt
(weights, tables, cuts) is its own, and leaves it as tensors by name. A recipe says which stages a
pipeline has; docs/extending.md shows how to write one.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Protocol,
    Self,
    TypeVar,
    runtime_checkable,
)

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.kernels.choice import Backend
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.state import EDGES, LABELS, State

if TYPE_CHECKING:
    from hitgraph.lessons.material import Material
    from hitgraph.lessons.workshop import Workshop

__all__ = [
    "NETWORKS",
    "STAGES",
    "Context",
    "NetworkSettings",
    "NetworkUser",
    "Registry",
    "Stage",
    "StageSettings",
    "kind_of",
]

CPU = torch.device("cpu")
GROUP = "hitgraph.stages"  # of entry points: stages and networks of other packages


@dataclass(frozen=True)
class Context:
    """Where stages run."""

    detector: Detector
    device: torch.device = CPU
    precision: torch.dtype = torch.float32  # of the products in the networks behind the graph
    backend: Backend = "auto"  # who computes, see kernels.choice

    def mixed_precision(self) -> AbstractContextManager[object]:
        """Inside it networks compute in this precision."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)


class Stage(Protocol):
    """One step of a pipeline, ready to run."""

    def __call__(self, state: State) -> State:
        """The state with what the stage's settings say it gives. Runs without gradients."""

    def tensors(self) -> dict[str, Tensor]:
        """All it has learnt: weights, tables, cuts. Its settings' `load` makes it from them."""


@runtime_checkable
class NetworkUser(Protocol):
    """A stage whose network other programs can run (hitgraph.export): it offers two things more."""

    network: nn.Module  # gives one tensor: a row for each hit, or a logit for each edge

    def network_inputs(self, state: State) -> dict[str, Tensor]:
        """What the network is given of the state before the stage, in its order.

        "x" (n_hits, ...), and of one that looks at edges "edge_index" (2, n_edges) int64 and
        "edge_attr" (n_edges, ...).
        """

    def network_columns(self) -> dict[str, tuple[str, ...]]:
        """The names of the columns of "x" and "edge_attr"."""


class StageSettings(ABC):
    """What a stage is set with: a frozen dataclass, whose fields are the keys in a recipe.

    Its docstring begins with a sentence for people. `needs` and `gives` name what a State has to
    have before the stage and has after it (hitgraph.state); where they depend on the settings, they
    are properties.
    """

    needs: ClassVar[frozenset[str]]
    gives: ClassVar[frozenset[str]]
    paper: ClassVar[str] = ""  # arXiv number
    n_networks: ClassVar[int] = 1  # that its `training` is for, taught one after the other

    @abstractmethod
    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> Stage:
        """The stage that had these tensors.

        They come out of a file: raises InputError for what does not fit (hitgraph.tensors), and
        SettingsError for settings that cannot be loaded; messages begin with the name of the
        tensor or the key.
        """

    @abstractmethod
    def learn(self, context: Context, material: "Material", workshop: "Workshop") -> Stage:
        """The stage, taught. `material` is the State before it for every event of the training."""

    def settled(self, cells: bool) -> Self:  # noqa: ARG002
        """The settings, with what they leave to the events decided: do these have cells?"""
        return self


class NetworkSettings(ABC):
    """What an edge network is set with: a frozen dataclass, under `network` in a recipe."""

    paper: ClassVar[str] = ""
    # Columns of hits that have to be its first inputs, because it turns them as a vector; no other
    # input may know the azimuth then.
    vector_inputs: ClassVar[tuple[str, ...]] = ()
    # Its rounds ask EdgeNetwork.with_borders for states, so that ranks can share a graph.
    can_split: ClassVar[bool] = False

    @abstractmethod
    def build(self, n_hit_inputs: int, n_edge_inputs: int) -> EdgeNetwork:
        """The untrained network for as many columns of hits and of edges."""


# Every stage and every edge network by the name it has in a recipe: one line each. Those of other
# packages come through the entry points of GROUP.
_STAGES = {
    "windows": "hitgraph.graph.windows:WindowSettings",
    "scored": "hitgraph.graph.scored.stage:ScoredSettings",
    "radius": "hitgraph.graph.radius.stage:RadiusSettings",
    "layer_pairs": "hitgraph.graph.layer_pairs:LayerPairSettings",
    "module_map": "hitgraph.graph.module_map:ModuleMapSettings",
    "nearest": "hitgraph.graph.nearest:NearestSettings",
    "lsh": "hitgraph.graph.lsh:LshSettings",
    "delaunay": "hitgraph.graph.delaunay:DelaunaySettings",
    "planes": "hitgraph.graph.planes:PlanesSettings",
    "surroundings": "hitgraph.graph.surroundings:SurroundingsSettings",
    "lines": "hitgraph.gnn.lines:LinesSettings",
    "filter": "hitgraph.graph.filter.stage:FilterStageSettings",
    "triplets": "hitgraph.graph.triplets.stage:TripletStageSettings",
    "layer_mlps": "hitgraph.graph.layer_mlps.stage:LayerMlpSettings",
    "hough": "hitgraph.graph.hough:HoughSettings",
    "network": "hitgraph.gnn.network:NetworkStageSettings",
    "rivals": "hitgraph.tracks.rivals:RivalSettings",
    "second_pass": "hitgraph.graph.second_pass:SecondPassSettings",
    "triplet_graph": "hitgraph.gnn.triplet_graph:TripletGraphSettings",
    "hierarchical": "hitgraph.gnn.hierarchical.stage:HierarchicalSettings",
    "gravnet": "hitgraph.gnn.condensation.stage:GravNetStageSettings",
    "classes": "hitgraph.gnn.classes.stage:ClassSettings",
    "transformer": "hitgraph.gnn.transformer.stage:TransformerSettings",
    "components": "hitgraph.tracks.components:ComponentsSettings",
    "walkthrough": "hitgraph.tracks.walkthrough:WalkthroughSettings",
    "merge": "hitgraph.tracks.merge:MergeSettings",
    "contraction": "hitgraph.tracks.contraction:ContractionSettings",
    "dbscan": "hitgraph.tracks.dbscan:DbscanSettings",
    "dbscan_points": "hitgraph.tracks.dbscan.points:DbscanPointsSettings",
    "condensation": "hitgraph.tracks.condensation:CondensationSettings",
    "lstm": "hitgraph.tracks.lstm.stage:LstmSettings",
    "cnn": "hitgraph.tracks.cnn.stage:CnnSettings",
    "clue": "hitgraph.tracks.clue:ClueSettings",
    "both_passes": "hitgraph.tracks.both_passes:BothPassesSettings",
    "join": "hitgraph.tracks.join.stage:JoinStageSettings",
    "join_pieces": "hitgraph.tracks.pieces.stage:PieceSettings",
    "class_vote": "hitgraph.tracks.class_vote:ClassVoteSettings",
    "helix_fit": "hitgraph.tracks.parameters.stage:HelixFitSettings",
    "regression": "hitgraph.tracks.regression.stage:RegressionSettings",
    "vertices": "hitgraph.tracks.vertices.stage:VertexSettings",
}
_NETWORKS = {
    "interaction": "hitgraph.gnn.interaction:InteractionSettings",
    "recurrent": "hitgraph.gnn.recurrent:RecurrentSettings",
    "attention": "hitgraph.gnn.attention:AttentionSettings",
    "message_passing": "hitgraph.gnn.message_passing:MessagePassingSettings",
    "gcn": "hitgraph.gnn.gcn:GcnSettings",
    "equivariant": "hitgraph.gnn.equivariant:EquivariantSettings",
}

T = TypeVar("T", bound=StageSettings | NetworkSettings)


class Registry(Mapping[str, type[T]], Generic[T]):
    """Settings classes by name, each imported when it is first asked for."""

    def __init__(self, kind: str, base: type[T], own: Mapping[str, str]) -> None:
        self.kind, self.base, self.own = kind, base, own

    def __getitem__(self, name: str) -> type[T]:
        if name in self.own:
            module, _, attribute = self.own[name].partition(":")
            found: type[T] = getattr(importlib.import_module(module), attribute)
            return found
        outside = self._outside(name)
        if outside is None:
            raise KeyError(name)
        return outside

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self.own or self._outside(name) is not None)

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in _entry_points() if name not in self.own and name in self)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def name_of(self, settings: object) -> str:
        """The name of the class of some settings. Raises SettingsError where it has none."""
        cls, path = type(settings), class_of(settings)
        for name, own in self.own.items():
            if own == path:
                return name
        for name in self:
            if self[name] is cls:
                return name
        raise SettingsError(f"{path} is no registered {self.kind}: see docs/extending.md")

    def _outside(self, name: str) -> type[T] | None:
        """A class of another package, None where there is none of that name and kind."""
        if name not in _entry_points():
            return None
        entry = _entry_points()[name]
        try:
            found = entry.load()
        except Exception as error:  # any: it is code of others
            raise SettingsError(
                f"the entry point {name} = {entry.value} of {GROUP} cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, type) or not issubclass(found, StageSettings | NetworkSettings):
            raise SettingsError(
                f"the entry point {name} = {entry.value} of {GROUP} is no subclass of "
                "StageSettings or NetworkSettings (hitgraph.stage)"
            )
        if fault := _fault(found):
            raise SettingsError(f"the entry point {name} = {entry.value} of {GROUP}: {fault}")
        return found if issubclass(found, self.base) else None


STAGES: Registry[StageSettings] = Registry("stage", StageSettings, _STAGES)  # type: ignore[type-abstract]
NETWORKS: Registry[NetworkSettings] = Registry("network", NetworkSettings, _NETWORKS)  # type: ignore[type-abstract]


@cache
def _entry_points() -> dict[str, EntryPoint]:
    """Of other packages, by name. Raises SettingsError where two have one name."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        before = found.setdefault(entry.name, entry)
        if before.value != entry.value or entry.name in {**_STAGES, **_NETWORKS}:
            raise SettingsError(
                f"the entry point {entry.name} = {entry.value} of {GROUP}: the name is taken "
                f"by {before.value if before is not entry else 'hitgraph itself'}"
            )
    return found


def _fault(settings: type[Any]) -> str:
    """What a settings class of another package lacks, empty where nothing."""
    how = getattr(settings, "__dataclass_params__", None)
    if how is None or not how.frozen:
        return "is no frozen dataclass: put @dataclass(frozen=True) above it"
    if settings.__abstractmethods__:
        return f"lacks the method {', '.join(sorted(settings.__abstractmethods__))}"
    bare = [one.name for one in fields(settings) if one.default is one.default_factory is MISSING]
    if bare:
        return f"give the key {bare[0]} a default: every key needs one"
    if issubclass(settings, StageSettings):
        for name in ("needs", "gives"):
            if not hasattr(settings, name):
                return f"lacks {name}, a frozenset of names of the state (hitgraph.state)"
    return ""


def class_of(settings: object) -> str:
    """Where the class of some settings stands, as an entry point has it."""
    return f"{type(settings).__module__}:{type(settings).__qualname__}"


def kind_of(settings: type[StageSettings] | StageSettings) -> str:
    """What a stage is, told by what it needs and gives."""
    needs, gives = needs_of(settings), gives_of(settings)
    if LABELS in gives:
        return "refiner" if LABELS in needs else "labeller"
    if EDGES in gives:
        return "filter" if EDGES in needs else "builder"
    return "refiner" if LABELS in needs else "stage"


def needs_of(settings: type[StageSettings] | StageSettings) -> frozenset[str]:
    """What a stage needs; of a class, with its default settings."""
    return _names(settings, "needs")


def gives_of(settings: type[StageSettings] | StageSettings) -> frozenset[str]:
    """What a stage gives; of a class, with its default settings."""
    return _names(settings, "gives")


def _names(settings: type[StageSettings] | StageSettings, what: str) -> frozenset[str]:
    if isinstance(settings, type):
        settings = settings()
    names: frozenset[str] = getattr(settings, what)
    return names
