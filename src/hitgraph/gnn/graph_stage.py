"""What the stages with a network on hits and edges share, whatever the network tells of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from hitgraph.gnn.inputs import edge_inputs, needed_inputs
from hitgraph.lessons.settings import TrainingSettings, check_not_empty, check_share
from hitgraph.stage import Context, StageSettings
from hitgraph.state import State
from hitgraph.tensors import learnt_tensors


class GraphStageSettings(StageSettings):
    """A subclass is a frozen dataclass with these fields, in this order."""

    training: TrainingSettings
    target_efficiency: float
    hit_inputs: tuple[str, ...]
    edge_inputs: tuple[str, ...]

    def __post_init__(self) -> None:
        check_share(self, "target_efficiency")
        check_not_empty(self, "hit_inputs", "edge_inputs")

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return needed_inputs(self.hit_inputs, self.edge_inputs)


@dataclass(frozen=True, eq=False)
class GraphStage(ABC):
    """Ready to run: edges below a cut go."""

    context: Context
    settings: GraphStageSettings
    network: nn.Module
    cut: float  # edges with a score (0 to 1) below it go

    def __post_init__(self) -> None:
        self.network.backend = self.context.backend  # type: ignore[assignment]

    @abstractmethod
    def __call__(self, state: State) -> State: ...

    def inputs(self, state: State) -> tuple[Tensor, Tensor]:
        """The columns of hits (n_hits, n) and of edges (n_edges, m) that the settings list."""
        settings, context = self.settings, self.context
        edge_attr = edge_inputs(state, context.detector, settings.edge_inputs, context.backend)
        return state.hit_columns(settings.hit_inputs), edge_attr

    def tensors(self) -> dict[str, Tensor]:
        return learnt_tensors(self.network, cut=self.cut)
