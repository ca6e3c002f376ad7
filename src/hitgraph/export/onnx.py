"""Networks for onnxruntime. Needs the extra `export`."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from hitgraph.errors import HitgraphError, MissingExtraError
from hitgraph.export.models import FREE, Model, network_models
from hitgraph.export.targets import Format, Target

OPSET = 20


def save(model: Model, example: Mapping[str, Tensor], path: Path) -> None:
    """Write one file with the weights in it.

    Raises MissingExtraError without onnxscript, HitgraphError for what ONNX does not know.
    """
    try:
        from hitgraph.export.onnx_operators import OPERATORS
    except ImportError as error:
        raise MissingExtraError("exporting to ONNX", "export") from error
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                model.module,
                tuple(example.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(example),
                output_names=[model.output],
                dynamic_shapes=free_sizes(example),
                custom_translation_table=OPERATORS,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            why = str(error.__cause__ or error).splitlines()[0]
            raise HitgraphError(f"{model.name}: cannot be written as ONNX: {why}") from error
    assert program is not None
    program.save(str(path), external_data=False)


def load(path: Path) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The file in onnxruntime, on one thread of the host as ACTS has it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("running ONNX files", "export") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        (output,) = session.run(None, {name: one.numpy() for name, one in inputs.items()})
        return torch.from_numpy(output)

    return run


def free_sizes(example: Mapping[str, Tensor]) -> tuple[dict[int, torch.export.Dim], ...]:
    """Which dimensions of the inputs are free, for torch.export."""
    sizes = {name: torch.export.Dim(name) for _, name in FREE.values()}
    return tuple({FREE[key][0]: sizes[FREE[key][1]]} for key in example)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch.onnx says of itself: that torchvision is missing, names of sizes."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", ".*The axis name: n_.* will not be used", UserWarning)
            yield
    finally:
        log.setLevel(before)


ONNX = Format(".onnx", save, load)
TARGET = Target(network_models, [ONNX], tolerance=1e-4)
