"""A training that begins with stages which another one has taught."""

import hashlib
from collections.abc import Mapping
from itertools import takewhile

import numpy as np
from safetensors.torch import save
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.fingerprint import LENGTH
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import Recipe


def stages_taken(
    start: Pipeline, recipe: Recipe, detector: Detector, most: int | None = None
) -> dict[str, Mapping[str, Tensor]]:
    """Tensors of the first stages, `most` at most, that `start` and `recipe` have alike, by name.

    A stage learns from what those before it leave, so the first one that differs ends the list.
    Raises SettingsError where even the first stage differs, or the detector.
    """
    own = start.detector
    if own.field != detector.field or not np.array_equal(own.centre, detector.centre):
        raise SettingsError(
            f"the pipeline {start.recipe.name} was taught on another detector or in another field "
            "than these events have: train without --from"
        )
    pairs = zip(start.recipe.stages[:most], recipe.stages, strict=False)
    alike = [step.name for step, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    if not alike:
        raise SettingsError(
            f"stages.{recipe.stages[0].name}: the first stage of the recipe is not that of the "
            f"pipeline {start.recipe.name}, so there is nothing to take: train without --from"
        )
    return {
        name: {key: tensor.detach().cpu() for key, tensor in start.stages[name].tensors().items()}
        for name in alike
    }


def fingerprint_of(tensors: Mapping[str, Tensor]) -> str:
    """Of a stage that is taken: it is another one with other weights, whatever its name."""
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    return hashlib.sha256(content).hexdigest()[:LENGTH]
