"""What is exported: networks, with what they are given and what they have to give."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.nn.edges import EdgeNetwork
from hitgraph.pipeline import Pipeline
from hitgraph.stage import NetworkUser
from hitgraph.state import State

N = TypeVar("N", bound=nn.Module)

# what is free in the shape of each input: the dimension and its name
FREE = {"x": (0, "n_hits"), "edge_index": (1, "n_edges"), "edge_attr": (0, "n_edges")}


@dataclass(frozen=True, eq=False)
class Model:
    """One network for another runtime, and what its file has to give to be let out."""

    name: str  # of its file
    stage: str  # whose network it is
    module: nn.Module
    inputs: Callable[[State], Mapping[str, Tensor]]  # by name, of the state before the stage
    expected: Callable[[State], Tensor]  # what the stage makes of that state
    columns: Mapping[str, Sequence[str]]  # of the inputs
    output: str  # "logits" of edges, or "places" of hits
    cut: float | None = None  # edges with a lower sigmoid of the logit go


def network_models(pipeline: Pipeline) -> list[Model]:
    """The networks of a pipeline, with the inputs that they have here.

    Raises SettingsError where no stage has a network that can be run elsewhere.
    """
    found = []
    for name, stage in pipeline.stages.items():
        if isinstance(stage, NetworkUser):
            found.append(_model(name, stage))
    if not found:
        raise SettingsError(
            f"pipeline {pipeline.recipe.name}: no stage has a network that another program can "
            f"run ({', '.join(pipeline.stages)}): see docs/export.md"
        )
    return found


def _model(name: str, stage: NetworkUser) -> Model:
    columns = stage.network_columns()

    def expected(state: State) -> Tensor:
        result: Tensor = stage.network(*stage.network_inputs(state).values())
        return result

    return Model(
        name,
        name,
        for_tracing(stage.network),
        stage.network_inputs,
        expected,
        columns,
        "logits" if "edge_attr" in columns else "places",
        getattr(stage, "cut", None),
    )


def for_tracing(network: N) -> N:
    """A copy on the host that computes in torch alone and wants no gradient."""
    frozen = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    if isinstance(frozen, EdgeNetwork):
        frozen.backend = "plain"
    return frozen
