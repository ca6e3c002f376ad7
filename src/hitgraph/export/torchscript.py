"""Networks for torch.jit: TorchScript files, which libtorch reads without Python.

torch has deprecated torch.jit and says so at each call; ACTS and Triton still read its files.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from hitgraph.errors import HitgraphError
from hitgraph.export.models import Model, network_models
from hitgraph.export.targets import Format, Target


def save(model: Model, example: Mapping[str, Tensor], path: Path) -> None:
    """Write the trace of a model. Raises HitgraphError where tracing would fix a size."""
    with _deprecated(), torch.no_grad():
        try:
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                model.module, tuple(example.values()), check_trace=False
            )
        except TracerWarning as warning:
            raise HitgraphError(
                f"{model.name}: its network fixes a size of the event: {str(warning)[:300]}"
            ) from warning
        traced.save(str(path))


def load(path: Path) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The file in torch.jit."""
    with _deprecated():
        module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            output: Tensor = module(*inputs.values())
        return output

    return run


@contextmanager
def _deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=TracerWarning)
        warnings.filterwarnings(
            "ignore", r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning
        )
        yield


TORCHSCRIPT = Format(".pt", save, load)
TARGET = Target(network_models, [TORCHSCRIPT], tolerance=1e-4)
