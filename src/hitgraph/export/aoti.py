"""Networks compiled ahead of time by torch's inductor: .pt2 files. Needs the compiler g++."""

import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from hitgraph.errors import HitgraphError
from hitgraph.export.models import Model, network_models
from hitgraph.export.onnx import free_sizes
from hitgraph.export.targets import Format, Target


def save(model: Model, example: Mapping[str, Tensor], path: Path) -> None:
    """Compile a model for this kind of processor. Raises HitgraphError without a compiler."""
    if shutil.which("g++") is None:
        raise HitgraphError(
            "aoti: the compiler g++ is not there: install it, or export to torchscript or onnx"
        )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the compiler, about itself
        program = torch.export.export(
            model.module, tuple(example.values()), dynamic_shapes=free_sizes(example)
        )
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))


def load(path: Path) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The file in torch."""
    module = torch._inductor.aoti_load_package(str(path))

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            output: Tensor = module(*inputs.values())
        return output

    return run


TARGET = Target(network_models, [Format(".pt2", save, load)], tolerance=1e-4)
