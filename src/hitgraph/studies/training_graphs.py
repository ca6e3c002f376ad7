"""The graphs that the edge network of a pipeline would be taught on."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.event.source import EventSource
from hitgraph.gnn.network import NetworkStage
from hitgraph.lessons.material import Example
from hitgraph.lessons.samples import make_sample
from hitgraph.pipeline import Pipeline
from hitgraph.recipe import START
from hitgraph.tensor_files import write_tensors


class TrainingGraphs:
    """Of some events, made when they are first asked for."""

    def __init__(self, sources: Sequence[EventSource], pipeline: Pipeline) -> None:
        found = {n: one for n, one in pipeline.stages.items() if isinstance(one, NetworkStage)}
        if not found:
            raise SettingsError(
                f"{pipeline.recipe.name}: has no stage with an edge network, whose training could "
                "be measured"
            )
        self.sources, self.pipeline = sources, pipeline
        self.name, self.stage = list(found.items())[-1]
        self._made: list[dict[str, Tensor]] = []

    def write(self, folder: Path) -> list[Path]:
        """One file an event, as ranks read them."""
        self._made = self._made or [self._graph(source) for source in self.sources]
        paths = [folder / f"graph-{number}.safetensors" for number in range(len(self._made))]
        for path, graph in zip(paths, self._made, strict=True):
            write_tensors(graph, path)
        return paths

    @torch.inference_mode()
    def _graph(self, source: EventSource) -> dict[str, Tensor]:
        pipeline, recipe = self.pipeline, self.pipeline.recipe
        event = source.read(cells=recipe.clusters)
        names = [START, *pipeline.stages]
        before = names[names.index(self.name) - 1]
        state = pipeline.run(event, keep=[before]).kept[before]
        sample = make_sample(
            *(event, pipeline.detector, recipe.clusters, recipe.truth),
            columns=recipe.hit_columns,
        )
        graph = self.stage.graph(lambda: Example(sample, state), recipe.truth)
        return {name: tensor.cpu() for name, tensor in graph.items()}
