"""What each stage of a pipeline leaves of an event."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.event.event import Event
from hitgraph.graph.scored.tables import ScoredWindows
from hitgraph.graph.windows import WindowBuilder
from hitgraph.hits import hits_from_event
from hitgraph.pipeline import Pipeline

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Step:
    """What is left after one stage: edges until tracks are built, then the tracks."""

    name: str  # as Pipeline.run names its stages
    edges: Int64 | None = None  # (2, n_edges) rows of hits
    labels: Int64 | None = None  # (n_hits,) track of each hit, -1 = none


def walk(pipeline: Pipeline, event: Event) -> list[Step]:
    """Run the pipeline and keep what each stage leaves.

    The step "windows" stands before "graph" where the builder scores what its windows let pass;
    it costs time and memory that the run itself does not need. Raises what the run raises.
    """
    steps: list[Step] = []

    def look(name: str, left: Tensor) -> None:
        rows = left.cpu().numpy()
        steps.append(Step(name, edges=rows) if rows.ndim == 2 else Step(name, labels=rows))

    pipeline.run(event, look=look)
    if isinstance(pipeline.windows, ScoredWindows):
        hits = hits_from_event(event, pipeline.detector, pipeline.recipe.clusters)
        builder = WindowBuilder(pipeline.windows.windows, pipeline.detector)
        with torch.inference_mode():
            steps.insert(0, Step("windows", edges=builder.build(hits).numpy()))
    return steps
