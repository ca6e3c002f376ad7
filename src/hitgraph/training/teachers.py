"""Taught pipelines that networks of a recipe learn from, or begin with the weights of."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, SettingsError
from hitgraph.event.event import Event
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.observe import Observer
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe
from hitgraph.stage import gives_of
from hitgraph.state import LOGIT, Scored, State


def load_named(recipe: Recipe, key: Literal["teacher", "begin_with"]) -> dict[str, Pipeline]:
    """The pipelines that the trainings of a recipe name under a key, by these names.

    Raises SettingsError for one that is not there, for a teacher that scores no edges, and for one
    to begin with that has no such stage.
    """
    found: dict[str, Pipeline] = {}
    for step in recipe.stages:
        training = getattr(step.settings, "training", None)
        name = getattr(training, key) if isinstance(training, TrainingSettings) else None
        if not name:
            continue
        where = f"stages.{step.name}.training.{key}"
        try:
            found[name] = found.get(name) or Pipeline.load(name)
        except HitgraphError as error:
            raise SettingsError(f"{where}: {error}") from None
        if key == "teacher" and not _scores_edges(found[name]):
            raise SettingsError(f"{where}: {name} has no stage that scores edges: name another")
        if key == "begin_with" and step.name not in found[name].stages:
            own = ", ".join(found[name].stages)
            raise SettingsError(f"{where}: {name} has no stage {step.name}, it has {own}")
    return found


def _scores_edges(pipeline: Pipeline) -> bool:
    return any(LOGIT in gives_of(step.settings) for step in pipeline.recipe.stages)


def take_alike(network: nn.Module, tensors: Mapping[str, Tensor], part: str = "") -> int:
    """Give a network the tensors of a taught stage that have its names and shapes.

    `part` is that of the stage's network which it is. Returns how many of its weights they are.
    """
    prefix = f"network.{part}." if part else "network."
    state = network.state_dict()
    alike = {
        key: tensors[prefix + key]
        for key, own in state.items()
        if prefix + key in tensors and tensors[prefix + key].shape == own.shape
    }
    network.load_state_dict(state | alike)
    return sum(one.numel() for key, one in network.named_parameters() if key in alike)


def edge_scores(teacher: Pipeline, event: Event) -> tuple[Tensor, Tensor]:
    """Edges (2, n) int64 of an event that the stages of a pipeline judge, and scores (n,), 0 to 1.

    Those that a stage drops are there too. An edge that several stages judge is there as often, the
    last word last. Raises InputError for an event that the pipeline cannot run.
    """
    listener = _Listener()
    teacher.run(event, observers=(listener,))
    edges = torch.cat([one.edges for one in listener.heard], dim=1)
    return edges, torch.sigmoid(torch.cat([one.logit for one in listener.heard]))


class _Listener(Observer):
    """Keeps what each stage says of edges."""

    def __init__(self) -> None:
        self.heard: list[Scored] = []

    def after(self, name: str, before: State | None, after: State) -> None:  # noqa: ARG002
        said = after.scored
        if said is None and after.edges is not None and "logit" in after.edge:
            said = Scored(after.edges, after.edge["logit"])
        if said is not None and not any(said.logit is one.logit for one in self.heard):
            self.heard.append(said)
