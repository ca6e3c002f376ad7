"""A pipeline that takes tensors: what the service and a Triton server run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hitgraph._version import __version__
from hitgraph.domain import Watched
from hitgraph.event.detector import Detector
from hitgraph.event.event import CellTable, Event, HitTable
from hitgraph.fingerprint import fingerprint_of_folder
from hitgraph.observe import Runs
from hitgraph.pipeline import Pipeline, Result
from hitgraph.pipeline_files import find_pipeline
from hitgraph.serve.tensors import LABELS, Tensors, TensorSpec, event_of, inputs_of

MODEL, VERSION = "hitgraph", "1"  # what clients call it, here and in a Triton server


@dataclass(frozen=True, eq=False)
class TensorFinder:
    """Finds the tracks of events that come as tensors."""

    finder: Runs
    detector: Detector
    inputs: tuple[TensorSpec, ...]
    metadata: dict[str, Any]  # of the model, as the protocol has it

    @staticmethod
    def open(name: str | Path, device: str = "cpu", precision: str = "auto") -> "TensorFinder":
        """The pipeline of that name or folder, warm: the first event is as fast as others.

        Raises as `Pipeline.load`.
        """
        pipeline = Pipeline.load(name, device, precision)
        domain, detector = pipeline.domain, pipeline.detector
        pipeline.run(one_hit_a_module(detector))
        inputs = inputs_of(pipeline.recipe.clusters)
        metadata = {
            "name": MODEL,
            "versions": [VERSION],
            "platform": f"hitgraph_{__version__}",
            "inputs": [one.to_dict() for one in inputs],
            "outputs": [LABELS.to_dict()],
            "parameters": {
                "pipeline": pipeline.recipe.name,
                "fingerprint": fingerprint_of_folder(find_pipeline(name)),
            },
        }
        finder = pipeline if domain is None else Watched(pipeline, domain, detector)
        return TensorFinder(finder, detector, inputs, metadata)

    def run(self, tensors: Tensors) -> Result:
        """The tracks of one event. Raises InputError where the tensors are no event."""
        return self.finder.run(event_of(tensors, self.detector))


def one_hit_a_module(detector: Detector) -> Event:
    """An event of one hit, of one cell, in the middle of every module: every kernel is needed."""
    hit_id = np.arange(1, detector.n_modules + 1)
    one = np.ones(detector.n_modules, np.int32)
    x, y, z = (np.ascontiguousarray(column, np.float32) for column in detector.centre.T)
    hits = HitTable(hit_id, x, y, z, detector.volume_id, detector.layer_id, detector.module_id)
    return Event("warm-up", hits, CellTable(hit_id, one, one, one.astype(np.float32)))
