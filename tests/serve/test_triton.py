"""The model repository, and its model.py called as a Triton server does."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hitgraph.event.event import Event
from hitgraph.pipeline import Pipeline
from hitgraph.serve.tensors import CELLS, CHARGES, FEATURES, LABELS, MODULES, tensors_of
from hitgraph.serve.triton import write_repository


class Tensor:
    """As the server's: a name and values."""

    def __init__(self, name: str, values: np.ndarray) -> None:
        self._name, self._values = name, values

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._values


class InferenceResponse:
    """As the server's: tensors, or an error."""

    def __init__(self, output_tensors: list[Tensor], error: Exception | None = None) -> None:
        self.tensors, self.error = output_tensors, error


class TritonError(Exception):
    """As the server's."""


def get_input_tensor_by_name(request: Any, name: str) -> Tensor | None:
    return next((tensor for tensor in request.inputs if tensor.name() == name), None)


@pytest.fixture
def utils(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stub of what the server puts into the Python of its models."""
    stub = ModuleType("triton_python_backend_utils")
    for offered in (Tensor, InferenceResponse, TritonError, get_input_tensor_by_name):
        setattr(stub, offered.__name__, offered)
    monkeypatch.setitem(sys.modules, stub.__name__, stub)


@pytest.fixture(scope="module")
def repository(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_repository(Pipeline.load(tiny_pipeline), folder)
    return folder


@pytest.fixture
def model(repository: Path, utils: None) -> Iterator[Any]:  # noqa: ARG001
    """The model as the server makes it: model.py, imported, and its class, initialised."""
    path = repository / "hitgraph" / "1" / "model.py"
    spec = importlib.util.spec_from_file_location("model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.TritonPythonModel()
    model.initialize(
        {
            "model_config": json.dumps({"name": "hitgraph"}),
            "model_instance_kind": "CPU",
            "model_instance_name": "hitgraph_0_0",
            "model_instance_device_id": "0",
            "model_repository": str(repository / "hitgraph"),
            "model_version": "1",
            "model_name": "hitgraph",
        }
    )
    yield model
    model.finalize()


def request_of(tensors: dict[str, np.ndarray]) -> Any:
    return SimpleNamespace(inputs=[Tensor(*item) for item in tensors.items()])


def test_requests_beside_each_other_get_tracks_or_errors(
    model: Any, tiny_pipeline: Path, tiny_event: Event
) -> None:
    good = dict(tensors_of(tiny_event, clusters=True))
    bad = good | {"FEATURES": np.full_like(good["FEATURES"], np.nan)}
    lacking = {name: values for name, values in good.items() if name != "CELLS"}
    responses = model.execute([request_of(each) for each in (good, bad, lacking, good)])
    assert len(responses) == 4
    labels = Pipeline.load(tiny_pipeline).run(tiny_event).labels
    assert labels.max() > 0
    for response in (responses[0], responses[3]):
        assert response.error is None
        (tensor,) = response.tensors
        assert tensor.name() == "LABELS"
        assert tensor.as_numpy().dtype == np.int64
        np.testing.assert_array_equal(tensor.as_numpy(), labels)
    assert isinstance(responses[1].error, TritonError)
    assert "FEATURES: row 0: x is nan" in str(responses[1].error)
    assert isinstance(responses[2].error, TritonError)
    assert responses[1].tensors == responses[2].tensors == []


def test_the_configuration_is_one_of_triton(repository: Path) -> None:
    """By the schema that its client brings along."""
    tritonclient = pytest.importorskip("tritonclient")
    protobuf = pytest.importorskip("google.protobuf.text_format")
    path = Path(tritonclient.__file__).parent / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    schema = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(schema)
    text = (repository / "hitgraph" / "config.pbtxt").read_text(encoding="utf-8")
    config = protobuf.Parse(text, schema.ModelConfig())
    assert (config.name, config.backend, config.max_batch_size) == ("hitgraph", "python", 0)
    for found, wanted in (
        (config.input, (FEATURES, MODULES, CELLS, CHARGES)),
        (config.output, (LABELS,)),
    ):
        assert [
            (one.name, schema.DataType.Name(one.data_type), list(one.dims)) for one in found
        ] == [(spec.name, f"TYPE_{spec.datatype}", list(spec.shape)) for spec in wanted]
