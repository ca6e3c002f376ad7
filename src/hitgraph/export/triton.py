"""A model repository for a Triton server: the pipeline, and its networks one by one.

The model `hitgraph` runs in the server's Python backend, from hits to tracks. Each network is a
model of its onnxruntime backend, with the name of its stage; the server reads off its file what
goes in and what comes out.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hitgraph.export.models import Model, network_models
from hitgraph.export.onnx import ONNX
from hitgraph.export.onnx import TARGET as NETWORKS
from hitgraph.export.targets import Target
from hitgraph.pipeline import Pipeline
from hitgraph.serve.finder import VERSION
from hitgraph.serve.triton import CONFIG, write_repository


def models(pipeline: Pipeline) -> Sequence[Model]:
    """The networks, each in a folder of its own. Raises as `network_models`."""
    return [
        replace(model, name=f"{model.name}/{VERSION}/model") for model in network_models(pipeline)
    ]


def beside(pipeline: Pipeline, folder: Path) -> None:
    """The model of the whole pipeline, and places for the networks."""
    write_repository(pipeline, folder)
    for model in network_models(pipeline):
        (folder / model.name / VERSION).mkdir(parents=True)
        text = f'name: "{model.name}"\nbackend: "onnxruntime"\nmax_batch_size: 0\n'
        (folder / model.name / CONFIG).write_text(text, encoding="utf-8")


TARGET = Target(models, [ONNX], NETWORKS.tolerance, beside)
