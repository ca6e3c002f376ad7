"""What a pipeline can be exported to: one file a target, and one line here.

A target says which models it makes of a pipeline, in which formats, and what stands beside them.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from hitgraph.export.models import Model
    from hitgraph.pipeline import Pipeline

# by name: the module that offers TARGET, and what it is in a few words
TARGETS = {
    "torchscript": "networks for torch.jit, in C++ or Python",
    "onnx": "networks for onnxruntime",
    "aoti": "networks compiled by torch's AOTInductor (needs g++)",
    "acts": "a chain for the GNN plugin of ACTS, with its script",
    "athena": "a chain for the GNN track finder of Athena, with its flags",
    "qonnx": "the MLPs of networks for hls4ml and FINN, with their bits",
    "triton": "a model repository for a Triton server: the pipeline, and its networks in ONNX",
}


@dataclass(frozen=True)
class Format:
    """A kind of file that a runtime reads."""

    suffix: str  # of its files
    # writes a model for any numbers of hits and edges; the example has two of each at least
    save: "Callable[[Model, Mapping[str, Tensor], Path], None]"
    # what the runtime makes of a file: from inputs by name to the output
    load: "Callable[[Path], Callable[[Mapping[str, Tensor]], Tensor]]"


@dataclass(frozen=True)
class Target:
    """A program that a pipeline is exported to."""

    models: "Callable[[Pipeline], Sequence[Model]]"  # raises SettingsError for what it cannot run
    formats: Sequence[Format]
    tolerance: float  # largest difference of an output that is let pass
    beside: "Callable[[Pipeline, Path], None]" = lambda *_: None  # writes settings, maps ...


def find_target(name: str) -> Target:
    """The target of that name in TARGETS, which is imported now."""
    found: Target = importlib.import_module(f"hitgraph.export.{name}").TARGET
    return found
