"""A pipeline in a Triton server: its Python backend, and the model repository that names it.

https://github.com/triton-inference-server/python_backend. The server's Python needs hitgraph.
"""

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hitgraph.errors import HitgraphError, reason
from hitgraph.pipeline import Pipeline
from hitgraph.serve.finder import MODEL, VERSION, TensorFinder
from hitgraph.serve.tensors import DTYPES, LABELS, TensorSpec, inputs_of
from hitgraph.threads import set_threads

CONFIG = "config.pbtxt"  # of each model of a repository
FOLDER = "pipeline"  # beside model.py

MODEL_PY = '''"""Tracks of the pipeline beside this file. hitgraph has to be installed."""

from hitgraph.serve.triton import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''

_log = logging.getLogger(__name__)


class TritonPythonModel:
    """What the Python backend of Triton makes and calls, one for each instance of the model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the pipeline that stands beside model.py, on the device of the instance."""
        self._utils: Any = importlib.import_module("triton_python_backend_utils")  # the server's
        gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if gpu else "cpu"
        set_threads()
        folder = Path(args["model_repository"]) / args["model_version"] / FOLDER
        self._finder = TensorFinder.open(folder, device)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """A response for each request: its labels, or what is wrong with it."""
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        """Let go of the pipeline."""
        del self._finder

    def _answer(self, request: Any) -> Any:
        utils = self._utils
        try:
            tensors = {
                spec.name: utils.get_input_tensor_by_name(request, spec.name).as_numpy()
                for spec in self._finder.inputs
            }
            labels = self._finder.run(tensors).labels.astype(DTYPES[LABELS.datatype])
        except HitgraphError as error:
            return self._failure(str(error))
        except Exception as error:  # would fail the requests beside it, too
            _log.warning("a request failed: %s", reason(error), exc_info=error)
            return self._failure(reason(error))
        return utils.InferenceResponse(output_tensors=[utils.Tensor(LABELS.name, labels)])

    def _failure(self, why: str) -> Any:
        error = self._utils.TritonError(why)
        return self._utils.InferenceResponse(output_tensors=[], error=error)


def write_repository(pipeline: Pipeline, folder: Path) -> None:
    """Write a model repository that holds the pipeline as the model `hitgraph`."""
    version = folder / MODEL / VERSION
    pipeline.save(version / FOLDER)
    (version / "model.py").write_text(MODEL_PY, encoding="utf-8")
    config = config_of(inputs_of(pipeline.recipe.clusters))
    (folder / MODEL / CONFIG).write_text(config, encoding="utf-8")


def config_of(inputs: Sequence[TensorSpec]) -> str:
    """The configuration of the model, as text of Triton's model_config.proto."""
    lines = [
        f'name: "{MODEL}"',
        'backend: "python"',
        "max_batch_size: 0  # a request is one event",
        *(f"input [{_config_of(spec)}]" for spec in inputs),
        f"output [{_config_of(LABELS)}]",
        "instance_group [{ kind: KIND_AUTO }]  # count: 4 runs four events at once",
    ]
    return "\n".join(lines) + "\n"


def _config_of(spec: TensorSpec) -> str:
    dims = ", ".join(map(str, spec.shape))
    return f'{{ name: "{spec.name}", data_type: TYPE_{spec.datatype}, dims: [{dims}] }}'
