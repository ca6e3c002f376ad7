"""Recipes that cannot be trained, refused before anything is taught."""

from typing import Any

import torch

from hitgraph.errors import SettingsError
from hitgraph.lessons.settings import TrainingSettings
from hitgraph.nn.quantise import FLOAT, has_input_grids
from hitgraph.recipe import Recipe
from hitgraph.tensors import check_network
from hitgraph.training.ranks import ranks_of
from hitgraph.training.trackers import check_trackers


def check_recipe(recipe: Recipe, ranks: int) -> None:
    """Raise SettingsError where a network, the ranks or a tracker of experiments cannot be."""
    _check_networks(recipe)
    _check_ranks(recipe, ranks)
    _check_trackers(recipe)


def _check_networks(recipe: Recipe) -> None:
    """Refuse a network that is too large, or cannot be quantised so, before any is taught."""
    for step in recipe.stages:
        settings: Any = step.settings
        if hasattr(settings, "network"):
            try:
                check_network(settings.build, settings.network)
                _check_input_grids(settings)
            except SettingsError as error:
                raise SettingsError(f"stages.{step.name}.{error}") from None


def _check_input_grids(settings: Any) -> None:
    training = getattr(settings, "training", None)
    if isinstance(training, TrainingSettings) and training.constrains_inputs:
        with torch.device("meta"):
            quantised = has_input_grids(settings.build())
        if not quantised:
            raise SettingsError(
                "training.quantise.activations: is for the stages radius and filter only; the "
                f"others take {FLOAT}"
            )


def _check_ranks(recipe: Recipe, ranks: int) -> None:
    """Refuse ranks that would have nothing to do in any stage."""
    trainings = [getattr(step.settings, "training", None) for step in recipe.stages]
    known = [one for one in trainings if isinstance(one, TrainingSettings)]
    most = max((ranks_of(ranks, one) for one in known), default=1)
    if ranks > most:
        can = (
            f"only {most} of {ranks} have a share" if most > 1 else f"{ranks} have nothing to share"
        )
        raise SettingsError(
            f"--ranks: {can}, as no stage has a training.batches_a_step that all could share: "
            f"set it to {ranks}, where the time of a step matters, or training.split to phi, where "
            "its memory does"
        )


def _check_trackers(recipe: Recipe) -> None:
    """Refuse a tracker of experiments that is not installed."""
    for step in recipe.stages:
        training = getattr(step.settings, "training", None)
        if isinstance(training, TrainingSettings):
            try:
                check_trackers(training.trackers)
            except SettingsError as error:
                raise SettingsError(f"stages.{step.name}.{error}") from None
